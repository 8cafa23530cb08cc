"""Live streams over real sockets: everybody is told, sections are made once, and who does not read is cut off."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import ClientSession, ClientTimeout, TCPConnector, web

from prober.suites.report.markup import Markup
from prober.web import live as module
from prober.web.live import Live

Told = list[dict[str, Any]]


class Page:
    """Sections that a test changes."""

    def __init__(self) -> None:
        self.sections: dict[str, str] = {"verdict": "works", "races": "none"}
        self.made = 0

    async def __call__(self) -> dict[str, Markup]:
        self.made += 1
        return {name: Markup(html) for name, html in self.sections.items()}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "EVERY", 0.05)


@asynccontextmanager
async def serving(page: Page) -> AsyncIterator[tuple[Live, str]]:
    live = Live(page, lambda: 17.5)
    server = web.Server(lambda request: live.answer(request, {"X-Ours": "yes"}))
    listener = await asyncio.get_running_loop().create_server(server, "127.0.0.1", 0)
    host, port = listener.sockets[0].getsockname()
    try:
        yield live, f"http://{host}:{port}/events"
    finally:
        await live.close()
        listener.close()
        await server.shutdown(1.0)


@asynccontextmanager
async def looking(url: str, many: int = 1) -> AsyncIterator[list[Told]]:
    """Streams that are read; what each was told, as it comes."""
    told: list[Told] = [[] for _ in range(many)]

    async def read(session: ClientSession, events: Told) -> None:
        async with session.get(url) as answer:
            assert answer.status == 200
            assert answer.headers["X-Ours"] == "yes"
            async for line in answer.content:
                if line.startswith(b"data: "):
                    events.append(json.loads(line.removeprefix(b"data: ")))

    async with ClientSession(connector=TCPConnector(limit=0), timeout=ClientTimeout(total=None)) as session:
        tasks = [asyncio.create_task(read(session, events)) for events in told]
        yield told
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not holds():
            await asyncio.sleep(0.01)


def seen(told: Told) -> dict[str, str]:
    """The page as a stream has made it."""
    page: dict[str, str] = {}
    for event in told:
        page |= event["sections"]
    return page


async def test_a_stream_is_told_everything_once_and_then_what_changed() -> None:
    page = Page()
    async with serving(page) as (_, url), looking(url) as (told,):
        await until(lambda: seen(told) == page.sections)
        assert told[0]["at"] == 17.5
        before = len(told)
        page.sections["races"] = "one"
        await until(lambda: seen(told) == page.sections)
        later = [event["sections"] for event in told[before:] if event["sections"]]
        assert later == [{"races": "one"}]


async def test_what_only_grows_is_no_change() -> None:
    page = Page()
    page.sections = {"verdict": '<time class="running" data-since="1">1.0 s</time>'}
    async with serving(page) as (_, url), looking(url) as (told,):
        await until(lambda: seen(told) == page.sections)
        page.sections = {"verdict": '<time class="running" data-since="1">2.0 s</time>'}
        made = page.made
        await until(lambda: page.made > made + 3)
        assert [event["sections"] for event in told if event["sections"]] != []
        assert seen(told)["verdict"].endswith("1.0 s</time>")


async def test_twenty_streams_cost_one_page() -> None:
    page = Page()
    async with serving(page) as (live, url), looking(url, 20) as everybody:
        await until(lambda: live.streams == 20 and all(seen(told) == page.sections for told in everybody))
        made, before = page.made, [len(told) for told in everybody]
        await until(lambda: all(len(told) >= n + 5 for told, n in zip(everybody, before, strict=True)))
        most = max(len(told) - n for told, n in zip(everybody, before, strict=True))
        assert page.made - made <= most + 1


async def test_nothing_is_made_when_nobody_looks_and_nobody_is_told_of_then() -> None:
    page = Page()
    async with serving(page) as (live, url):
        async with looking(url) as (told,):
            await until(lambda: bool(seen(told)))
        await until(lambda: live.streams == 0)
        await until(lambda: live._maker is None)
        made = page.made
        await asyncio.sleep(0.2)
        assert page.made == made
        page.sections = {"verdict": "broken"}
        async with looking(url) as (told,):
            await until(lambda: bool(seen(told)))
            assert seen(told) == {"verdict": "broken"}


async def test_more_than_enough_streams_are_refused_in_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_STREAMS", 1)
    async with serving(Page()) as (live, url), looking(url):
        await until(lambda: live.streams == 1)
        async with ClientSession() as session, session.get(url) as answer:
            assert answer.status == 503
            assert (await answer.json())["error"] == "1 pages are live already; this one is not"


async def test_who_does_not_read_is_cut_off_and_holds_up_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_TAKE_WITHIN", 0.3)
    page = Page()
    async with serving(page) as (live, url), looking(url) as (told,):
        host, port = url.removeprefix("http://").removesuffix("/events").split(":")
        _, writer = await asyncio.open_connection(host, int(port), limit=1024)
        writer.write(b"GET /events HTTP/1.1\r\nHost: a\r\n\r\n")
        await until(lambda: live.streams == 2)

        def grown() -> bool:
            page.sections = {"verdict": f"{page.made}" + "x" * 500_000}
            return live.streams == 1

        await until(grown)
        before = len(told)
        await until(lambda: len(told) > before + 3)
        writer.close()


async def test_a_fault_in_a_section_is_no_end_of_the_stream(capsys: pytest.CaptureFixture[str]) -> None:
    page = Page()
    async with serving(page) as (_, url), looking(url) as (told,):
        await until(lambda: bool(seen(told)))
        whole, page.sections = page.sections, None  # type: ignore[assignment]
        made = page.made
        await until(lambda: page.made > made)
        page.sections = {**whole, "races": "again"}
        await until(lambda: seen(told) == page.sections)
    assert "could not make the sections" in "".join(capsys.readouterr())
