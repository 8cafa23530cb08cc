"""Clients that are slow, greedy or speak no HTTP: they cost bounded time and room, and nobody else notices."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from prober.clock import now
from prober.web import connection, routes, server
from prober.web.archive import Archive
from prober.web.board import Board
from prober.web.day import Day
from prober.web.exposition import Exposition, Format
from prober.web.routes import Routes
from prober.web.server import WebServer
from prober.web.settings import WebSettings
from tests.web.event_samples import Scraped, started

HEALTHY = b"GET /-/healthy HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def serving(exposition: type[Exposition] = Exposition) -> AsyncIterator[int]:
    """Serve on a free port what a prober knows that has just started."""
    event = started(at=now())
    board = Board()
    board.record(event)
    scraped = Scraped(event)
    pages = Routes(board, exposition(scraped.metrics.series, 1), Day(), Archive(None))
    web = WebServer(pages, WebSettings(), lambda _: None)
    _, port = await web.listen("127.0.0.1", 0)
    try:
        yield port
    finally:
        await web.close()


async def ask(port: int, request: bytes) -> tuple[int, dict[str, str], bytes]:
    """Send bytes, read to the end: status, headers, body."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    raw = await asyncio.wait_for(reader.read(), 10)
    writer.close()
    head, _, body = raw.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    return (
        int(first.split()[1]),
        {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)},
        body,
    )


def connections_to(port: int) -> list[str]:
    """The server's ends of connections to a port, as the kernel has them (Linux)."""
    mine = f":{port:04X} "
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    return [line for line in lines if mine in line.split(maxsplit=1)[1][:14] and line.split()[3] == "01"]


async def until(condition: Callable[[], bool]) -> None:
    """Wait until it holds, at most 20 s."""
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


async def gone(reader: asyncio.StreamReader) -> bool:
    """Whether the server ends the connection within 10 s."""
    try:
        return await asyncio.wait_for(reader.read(), 10) == b""
    except ConnectionResetError:
        return True


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "HEAD_WITHIN", 0.3)
    monkeypatch.setattr(connection, "TAKE_WITHIN", 0.3)
    monkeypatch.setattr(server, "_SWEEP_EVERY", 0.05)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    "already",
    [
        pytest.param(b"", id="says nothing"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: a\r\n", id="never ends its head"),
        pytest.param(b"GET /-/healthy HTTP/1.1\r\nHost: a\r\n\r\nGET", id="never ends its second head"),
    ],
)
async def test_who_never_ends_a_request_is_cut_off(already: bytes) -> None:
    async with serving() as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(already)
        if already.endswith(b"GET"):
            assert await reader.readuntil(b"healthy\n")
        assert await gone(reader)
        writer.close()


@pytest.mark.usefixtures("impatient")
async def test_dripping_bytes_gains_no_time() -> None:
    async with serving() as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        ended = asyncio.create_task(gone(reader))
        writer.write(b"GET / HTTP/1.1\r\n")
        while not ended.done():
            writer.write(b"X-A: b\r\n")
            await asyncio.sleep(0.05)
        assert await ended
        writer.close()


class _Endless(Exposition):
    """More than the buffers of both kernels hold."""

    SIZE = 30_000_000

    def text(self, wanted: Format) -> bytes:
        return b"#" * self.SIZE


@pytest.mark.usefixtures("impatient")
async def test_who_does_not_take_the_answer_is_cut_off() -> None:
    async with serving(_Endless) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
        writer.write(b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n")
        await reader.readline()
        await until(lambda: not connections_to(port))
        received = 0
        with contextlib.suppress(ConnectionResetError):
            while data := await asyncio.wait_for(reader.read(65536), 10):
                received += len(data)
        assert received < _Endless.SIZE
        writer.close()
        assert (await ask(port, HEALTHY))[0] == 200


async def test_an_idle_scraper_keeps_its_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "HEAD_WITHIN", 0.1)
    monkeypatch.setattr(server, "_SWEEP_EVERY", 0.02)
    async with serving() as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(2):
            writer.write(b"GET /-/healthy HTTP/1.1\r\nHost: a\r\n\r\n")
            assert await asyncio.wait_for(reader.readuntil(b"healthy\n"), 10)
            await asyncio.sleep(0.4)
        writer.close()


async def test_a_full_house_still_lets_a_newcomer_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "MOST_CONNECTIONS", 5)
    async with serving() as port:
        squatters: list[Streams] = [await asyncio.open_connection("127.0.0.1", port) for _ in range(12)]
        assert (await ask(port, HEALTHY))[0] == 200
        assert await gone(squatters[0][0])
        for _, writer in squatters:
            writer.close()


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"GARBAGE\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 a TLS client\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /" + b"a" * 5000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX-Long: " + b"a" * 20_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"X-A: b\r\n" * 1000 + b"\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
    ],
)
async def test_what_is_no_request_gets_an_error_as_json(request_bytes: bytes) -> None:
    async with serving() as port:
        status, headers, body = await ask(port, request_bytes)
        assert status == 400
        assert headers["content-type"] == "application/json; charset=utf-8"
        error = json.loads(body)
        assert error["status"] == 400
        assert error["error"].startswith("expected an HTTP/1.1 request")
        assert b"Traceback" not in body


async def test_a_body_that_nobody_asked_for_is_not_waited_for() -> None:
    async with serving() as port:
        head = b"POST /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n"
        status, headers, _ = await ask(port, head + b"x" * 1000)
        assert status == 405
        assert headers["allow"] == "GET, HEAD"


async def test_a_fault_of_ours_tells_the_client_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object) -> str:
        raise RuntimeError("a detail of the inside")

    monkeypatch.setattr(routes, "status_text", broken)
    async with serving() as port:
        status, headers, body = await ask(port, b"GET /status.txt HTTP/1.1\r\nHost: a\r\n\r\n")
    assert status == 500
    assert headers["content-type"] == "application/json; charset=utf-8"
    assert json.loads(body)["error"] == "something failed here; the log of the prober has the reason"
    assert b"inside" not in body
    captured = capsys.readouterr()
    assert "a detail of the inside" in captured.out + captured.err
