"""The pages of a real web process behind the real link, asked with curl."""

from __future__ import annotations

import gzip
import html
import re

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics

from prober.clock import now
from prober.event import LoopLag
from prober.outcome import OutageState, ProbeName
from tests.promtool import check_metrics
from tests.system.web_client import eventually, get, web_process
from tests.web.event_samples import TRACE, changed, outage, ran, redis, started, webhook

OPENMETRICS = "Accept: application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
BOTH = {ProbeName.REDIS: 1.0, ProbeName.WEBHOOK: 10.0}


async def test_a_scrape_in_both_formats_plain_and_compressed() -> None:
    async with web_process() as link:
        link.send(started(at=now()))
        link.send(ran(webhook()))

        async def arrived() -> bool:
            return 'code="200",source="probe"} 1.0' in (await get(link, "/metrics")).text

        await eventually(arrived)
        plain = await get(link, "/metrics")
        assert plain.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
        assert "content-encoding" not in plain.headers
        assert "trace_id" not in plain.text
        packed = await get(link, "/metrics", "-H", OPENMETRICS, "-H", "Accept-Encoding: gzip")
        assert packed.headers["content-type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8"
        assert packed.headers["content-encoding"] == "gzip"
        text = gzip.decompress(packed.body).decode()
        assert f'trace_id="{TRACE}"' in text
        families = list(parse_openmetrics(text))  # type: ignore[no-untyped-call]
        assert len(families) > 40
        head = await get(link, "/metrics", "--head")
        assert (head.status, head.body) == (200, b"")
        check_metrics(plain.body)


async def test_healthy_while_the_prober_ticks_and_no_longer() -> None:
    async with web_process() as link:
        early = await get(link, "/-/healthy")
        assert early.status == 503
        assert early.error["error"] == "the prober process has not started yet"
        link.send(started(at=now()))

        async def healthy() -> bool:
            return (await get(link, "/-/healthy")).status == 200

        async def sick() -> bool:
            return not await healthy()

        await eventually(healthy)
        link.send(LoopLag(seconds=0.001, at=now()))
        assert (await get(link, "/-/healthy")).text == "healthy\n"
        await eventually(sick)
        answer = await get(link, "/-/healthy")
        assert answer.error["error"].startswith("the prober's event loop has not ticked for ")
        link.send(LoopLag(seconds=7.0, at=now()))
        await eventually(healthy)


async def test_ready_once_every_probe_has_run() -> None:
    async with web_process() as link:
        assert (await get(link, "/-/ready")).status == 503
        link.send(started(at=now(), probes=BOTH))
        link.send(ran(redis()))

        async def one_is_missing() -> bool:
            error = (await get(link, "/-/ready")).error["error"]
            return bool(error == "these probes have not run yet: webhook")

        await eventually(one_is_missing)
        link.send(ran(webhook()))

        async def ready() -> bool:
            return (await get(link, "/-/ready")).status == 200

        await eventually(ready)
        assert (await get(link, "/-/ready")).text == "ready\n"


async def test_the_page_at_the_root() -> None:
    async with web_process() as link:
        link.send(started(at=now(), probes=BOTH))
        link.send(ran(webhook(detail="<b>bold</b>"), fresh_until=now().mono + 60))
        link.send(changed(OutageState.DOWN, outage(ProbeName.REDIS, began=now().mono)))

        async def shows_both() -> bool:
            text = (await get(link, "/")).text
            return (
                '<span class="badge good">up</span>' in text and '<span class="badge critical">down</span>' in text
            )

        await eventually(shows_both)
        page = await get(link, "/")
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        policy = page.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; style-src 'self'; script-src 'self'; ")
        assert "unsafe" not in policy
        assert "<b>bold</b>" not in page.text
        assert "Ordering is in trouble: redis down for " in page.text
        assert gzip.decompress((await get(link, "/", "-H", "Accept-Encoding: gzip")).body).startswith(
            b"<!doctype html>"
        )
        for path in re.findall(r'(?:src|href)="(/static/[^"]*)"', page.text):
            found = await get(link, html.unescape(path))
            assert (found.status, found.headers["cache-control"]) == (200, "private, max-age=86400")


async def test_the_page_before_anything_is_known() -> None:
    async with web_process() as link:
        early = await get(link, "/")
        assert (early.status, early.headers["content-type"]) == (503, "text/html; charset=utf-8")
        assert "The prober process has not started yet" in early.text


async def test_forms_for_a_chat() -> None:
    async with web_process() as link:
        assert (await get(link, "/status.txt")).status == 503
        assert "ordering: unknown" in (await get(link, "/badge.svg")).text
        link.send(started(at=now(), probes=BOTH))
        link.send(changed(OutageState.DOWN, outage(ProbeName.WEBHOOK, began=now().mono)))

        async def told() -> bool:
            return (await get(link, "/status.txt")).text.startswith("ordering does not work: webhook down for ")

        await eventually(told)
        badge = await get(link, "/badge.svg")
        assert badge.headers["content-type"] == "image/svg+xml"
        assert "ordering: broken" in badge.text


@pytest.mark.parametrize(
    ("path", "arguments", "status", "said"),
    [
        ("/nowhere", (), 404, "no such page; there are /, /incidents, /races, /suites, /events, /status.txt"),
        ("/metrics/", (), 404, "no such page"),
        ("/..%2f..%2fetc%2fpasswd", ("--path-as-is",), 404, "no such page"),
        ("/metrics", ("--request", "DELETE"), 405, "read-only"),
        ("/-/healthy", ("--data", "a=b"), 405, "read-only"),
        ("/metrics", ("--header", "X-Long: " + "a" * 9000), 400, "expected an HTTP/1.1 request"),
    ],
)
async def test_a_bad_request_gets_an_error_as_json(
    path: str, arguments: tuple[str, ...], status: int, said: str
) -> None:
    async with web_process() as link:
        answer = await get(link, path, *arguments)
        assert answer.status == status
        assert said in answer.error["error"]
        assert answer.headers["server"] == "prober"
        assert "Traceback" not in answer.text
