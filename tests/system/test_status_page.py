"""The status page of a real daemon in Chromium: live through an incident, whole without a script."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import aiohttp
import pytest
import pytest_asyncio
from playwright.async_api import Browser

from prober.clock import now
from prober.demo.process import Owner
from prober.demo.target.control_client import ControlClient
from prober.outcome import Outcome, ProbeName
from proofs.browser import Scheme, chromium
from proofs.examining import Opened, browsing, opened
from tests.system.daemon_stack import fast_stack, no_trace
from tests.system.watching import Watched, until
from tests.system.web_client import eventually, get, web_process
from tests.web.event_samples import ran, started, webhook
from tests.web.test_pages import EVIL

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(
        chromium() is None and "CI" not in os.environ, reason="needs Chromium: scripts/install-test-tools"
    ),
]

WIDTHS = (390, 1280)
SCHEMES: tuple[Scheme, ...] = ("light", "dark")
STREAMS = 20
PROBES = {
    "race": {"interval": "500ms", "split_order_interval": "1m"},
    "webhook": {"interval": "500ms", "down_interval": "500ms"},
    "redis": {"interval": "200ms"},
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def watched() -> AsyncIterator[Watched]:
    """A daemon that has seen a race with two stories and an outage of Redis."""
    async with Owner() as owner:
        stack = fast_stack(owner, PROBES)
        await stack.start_services()
        await stack.start_watcher()
        yield Watched(stack)
        no_trace(stack.watcher)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    program = chromium()
    assert program is not None, "chromium is missing; run scripts/install-test-tools"
    async with browsing(program) as found:
        yield found


async def test_the_page_follows_an_incident_from_its_beginning_to_its_end(
    watched: Watched, browser: Browser
) -> None:
    stack = watched.stack
    async with ControlClient(stack.target.control_url) as control, opened(browser, stack.watcher.url) as shown:
        page = shown.page

        async def says(selector: str, words: str) -> None:
            await page.locator(selector, has_text=words).first.wait_for(timeout=30_000)

        await says("h1", "Ordering works")
        await says("#link", "live")
        stack.redis.kill()
        await says("h1", "Ordering is in trouble: redis down for")
        await says("#services tr", "Redis")
        await says("#open", "redis is down")
        assert (await page.title()).startswith("Ordering is in trouble")
        await control.plant("phantom_winner")
        await says("#open", "phantom winner")
        await stack.redis.start()
        await control.remove("phantom_winner")
        await says("h1", "Ordering does not work right:")
        await says("#incidents", "redis down")
        await says("#races", "phantom winner")
        assert "state=wrong" in (await page.locator("link[rel=icon]").get_attribute("href") or "")
        assert shown.complaints == []
        await control.plant("errors", routes="routing")
        await says("h1", "Ordering does not work: no vendor could accept for")
        await control.remove("errors")
        await says("h1", "Ordering does not work right:")
        await page.locator("#races a", has_text="timeline").first.click()
        await says("h2", "Who asked when")


async def test_every_page_is_right_for_every_window_and_for_everybody(watched: Watched, browser: Browser) -> None:
    phantom = next(one for one in watched.reader.races("phantom_winner"))
    (outage,) = watched.reader.outages("redis", limit=1)

    turns = asyncio.Semaphore(3)

    async def look(path: str, width: int, scheme: Scheme) -> list[str]:
        url = watched.stack.watcher.url + path
        async with turns, opened(browser, url, width=width, scheme=scheme) as shown:
            wrong = [*shown.complaints, *await shown.overflow(), *await shown.faint()]
            # What axe-core finds beside contrast is the same in both schemes.
            if path != "/" or (width == min(WIDTHS)) == (scheme == "dark"):
                wrong += await shown.barriers()
            return [f"{path} at {width}, {scheme}: {one}" for one in wrong]

    windows = {("/", width, scheme) for width in WIDTHS for scheme in SCHEMES}
    windows |= {(f"/races/{phantom.id}", 390, "light"), (f"/races/{phantom.id}", 1280, "dark")}
    windows |= {("/incidents?limit=3", 390, "dark"), ("/incidents?limit=3", 1280, "light")}
    windows |= {("/races?limit=3", 390, "light"), ("/races?limit=3", 1280, "dark")}
    windows |= {(f"/incidents/{outage.id}", 390, "light"), ("/suites", 390, "dark")}
    found = await asyncio.gather(*(look(*window) for window in sorted(windows)))
    assert [one for some in found for one in some] == []


async def test_without_a_script_the_page_says_the_same(watched: Watched, browser: Browser) -> None:
    url = watched.stack.watcher.url
    async with opened(browser, url) as live, opened(browser, url, script=False) as still:
        for name in ("h1", "h2", "#services th", "#incidents th", "#races .badge"):
            words = await still.page.locator(name).all_inner_texts()
            assert words
            if not name.startswith("#races"):
                assert words == await live.page.locator(name).all_inner_texts()
        assert await still.page.locator("svg.plot").count() >= 8
        assert await still.page.locator("#link").count() == 0
        assert still.complaints == []


async def test_all_of_it_is_reached_by_the_keyboard(watched: Watched, browser: Browser) -> None:
    async with opened(browser, watched.stack.watcher.url) as shown:
        await shown.page.keyboard.press("Tab")
        assert await shown.page.evaluate("document.activeElement.textContent") == "Skip to the content"
        await shown.page.keyboard.press("Enter")
        await shown.page.keyboard.press("Tab")
        inside = "document.querySelector('main').contains(document.activeElement)"
        assert await shown.page.evaluate(inside)
        # One step: between two of them the section may be exchanged, and the first link be another.
        where = await shown.page.evaluate(
            "() => { const a = document.querySelector('#races a'); a.focus(); return a.getAttribute('href') }"
        )
        # The section is exchanged under the focus, which stays on the same link while that is listed.
        heard = await shown.page.evaluate("page.heard")

        async def told_again() -> bool:
            return bool(await shown.page.evaluate("page.heard") > heard)

        await until("the next event", told_again)
        focused = await shown.page.evaluate("document.activeElement.getAttribute('href')")
        assert focused in (where, None)


async def test_a_race_is_found_by_the_keyboard(watched: Watched, browser: Browser) -> None:
    async with opened(browser, f"{watched.stack.watcher.url}/races?outcome=phantom_winner", width=390) as shown:
        for _ in range(40):
            await shown.page.keyboard.press("Tab")
            if await shown.page.evaluate("document.activeElement.textContent") == "timeline":
                break
        ring = await shown.page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        await shown.page.keyboard.press("Enter")
        await shown.page.locator("h1 .badge", has_text="phantom winner").wait_for()
        assert (ring, shown.complaints) == ("solid", [])


async def test_what_a_target_says_is_text_in_a_browser_too_and_a_dead_prober_is_noticed(browser: Browser) -> None:
    async def shows(shown: Opened) -> None:
        await shown.page.locator("#services small", has_text="<script>alert(1)</script>").wait_for()
        assert await shown.page.locator("main script, main img").count() == 0
        assert shown.complaints == []

    async with AsyncExitStack() as pages:
        async with web_process() as link:
            link.send(started(at=now(), probes={ProbeName.WEBHOOK: 1.0}))

            async def known() -> bool:
                return (await get(link, "/status.txt")).status == 200

            await eventually(known)
            live = await pages.enter_async_context(opened(browser, link.ready.url))
            link.send(ran(webhook(outcome=Outcome.ERROR, detail=EVIL), fresh_until=now().mono + 60))
            await shows(live)
            await shows(await pages.enter_async_context(opened(browser, link.ready.url, script=False)))
        await live.page.evaluate("page.heard -= SILENT_AFTER")  # instead of waiting as long
        await live.page.locator(".stale #link.lost", has_text="not live: nothing heard for").wait_for()


async def test_twenty_streams_are_told_the_same_and_hold_up_nobody(watched: Watched) -> None:
    url = f"{watched.stack.watcher.url}/events"

    async def told(session: aiohttp.ClientSession) -> set[str]:
        async with session.get(url) as stream:
            assert stream.headers["Content-Type"] == "text/event-stream; charset=utf-8"
            names: set[str] = set()
            async for line in stream.content:
                if line.startswith(b"data: "):
                    names |= {name for name in ("verdict", "services", "races") if f'"{name}"'.encode() in line}
                if len(names) == 3:
                    return names
        raise AssertionError("the stream ended")

    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, read_bufsize=1 << 20) as session, AsyncExitStack():
        before = await watched.scrape()
        everybody = await asyncio.wait_for(asyncio.gather(*(told(session) for _ in range(STREAMS))), 30)
        assert everybody == [{"verdict", "services", "races"}] * STREAMS
        await watched.grows("prober_probe_runs_total", by=3, since=before, probe="redis")

    async def gone() -> bool:
        status, text = await watched.watcher.get("/-/healthy")
        return (status, text) == (200, "healthy\n")

    await until("the prober to go on when everybody has left", gone)
