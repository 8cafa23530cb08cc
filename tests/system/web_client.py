"""A web process of a test's own, and asking it over real HTTP."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from prober.publish.link import Link
from prober.web.settings import WebSettings


@dataclass(frozen=True)
class Answer:
    """What came: header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def error(self) -> dict[str, Any]:
        """The JSON of an error."""
        assert self.headers["content-type"] == "application/json; charset=utf-8"
        error: dict[str, Any] = json.loads(self.body)
        assert error["status"] == self.status
        return error


@asynccontextmanager
async def web_process(web: WebSettings | None = None) -> AsyncIterator[Link]:
    """Run one on a free port; its end before ours fails the test."""
    codes: list[int] = []
    link = await Link.start("127.0.0.1", 0, web=web, on_exit=codes.append)
    try:
        yield link
    finally:
        await link.close()
    assert codes == []


async def curl(*arguments: str) -> tuple[int, Answer]:
    """Ask with curl: its exit code and the answer (status 0: none)."""
    command = ["curl", "--silent", "--include", "--http1.1", "--max-time", "20", *arguments]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    output, _ = await process.communicate()
    head, _, body = output.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    pairs = (line.partition(": ") for line in lines)
    status = int(first.split()[1]) if first else 0
    return process.returncode or 0, Answer(status, {name.lower(): value for name, _, value in pairs}, body)


async def get(link: Link, path: str, *arguments: str) -> Answer:
    """Ask for a page; fails when no answer came."""
    code, answer = await curl(*arguments, link.ready.url + path)
    assert code == 0
    return answer


async def eventually(condition: Callable[[], Awaitable[bool]], within: float = 20.0) -> None:
    """Wait until it holds."""
    deadline = time.monotonic() + within
    while not await condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        await asyncio.sleep(0.05)


def offers(port: int, version: ssl.TLSVersion) -> bool:
    """Whether the server shakes hands in exactly this version of TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = context.maximum_version = version
    with socket.create_connection(("127.0.0.1", port), timeout=10) as raw:
        try:
            with context.wrap_socket(raw) as secure:
                return secure.version() is not None
        except (ssl.SSLError, ConnectionResetError):
            return False
