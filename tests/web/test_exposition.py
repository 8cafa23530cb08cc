"""The formats of a scrape, the choice between them, and what promtool says of the names."""

from __future__ import annotations

import gzip
import os

import pytest

from prober.web.exposition import Exposition, Format, compressed, negotiated, takes_gzip
from tests.promtool import check_metrics
from tests.web.event_samples import TRACE, Scraped, database, health, page, race, ran, redis, started, webhook

PROMETHEUS_2 = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)
PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
    "application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,"
    "text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        ("", Format.PROMETHEUS),
        ("*/*", Format.PROMETHEUS),
        ("text/html,*/*;q=0.8", Format.PROMETHEUS),
        (PROMETHEUS_2, Format.OPENMETRICS),
        (PROMETHEUS_3, Format.OPENMETRICS),
        ("application/openmetrics-text", Format.OPENMETRICS),
        ("application/openmetrics-text; version=1.0.0; charset=utf-8", Format.OPENMETRICS),
        ("application/openmetrics-text;q=0", Format.PROMETHEUS),
        ("application/openmetrics-text;version=2.0.0", Format.PROMETHEUS),
        ("text/plain;q=0.9,application/openmetrics-text;q=0.1", Format.PROMETHEUS),
        ("application/openmetrics-text;q=nonsense", Format.PROMETHEUS),
        (",;,=;;", Format.PROMETHEUS),
    ],
)
def test_the_format_that_the_client_likes_best(accept: str, wanted: Format) -> None:
    assert negotiated(accept) is wanted


@pytest.mark.parametrize(
    ("header", "takes"),
    [
        ("", False),
        ("gzip", True),
        ("deflate, GZIP;q=0.5", True),
        ("*", True),
        ("gzip;q=0", False),
        ("gzip;q=0, *", False),
        ("identity", False),
    ],
)
def test_gzip_only_when_asked_for(header: str, takes: bool) -> None:
    assert takes_gzip(header) is takes


def test_compressing_loses_nothing() -> None:
    body = Exposition(Scraped(started()).metrics.series, 1).text(Format.PROMETHEUS)
    assert gzip.decompress(compressed(body)) == body


def test_openmetrics_carries_exemplars_and_ends_as_it_must() -> None:
    text = Exposition(Scraped(started(), ran(webhook())).metrics.series, 1).text(Format.OPENMETRICS).decode()
    assert f'# {{trace_id="{TRACE}"}} 0.15 ' in text
    assert text.endswith("# EOF\n")


def test_both_processes_show_their_memory_and_cpu_time() -> None:
    text = Exposition(Scraped().metrics.series, os.getpid()).text(Format.PROMETHEUS).decode()
    for name in ("process_resident_memory_bytes", "process_cpu_seconds_total", "process_start_time_seconds"):
        assert f"\n{name} " in text
        assert f"\nprober_web_{name} " in text


def test_promtool_finds_nothing_wrong_with_names_and_help() -> None:
    scraped = Scraped(
        started(),
        ran(webhook()),
        ran(race()),
        ran(redis(backlog={"orders": 1})),
        ran(database()),
        ran(health(pages=(page("/health"),))),
    )
    check_metrics(Exposition(scraped.metrics.series, os.getpid()).text(Format.PROMETHEUS))
