"""Unit tests of what changes while an alert looks: pauses, restarts, leaders, newer results, rarer probing."""

from __future__ import annotations

from .together import Together


def _of_load(instance: str) -> str:
    return f'job="prober",instance="{instance}",suite="webhook-load",scenario="heavy"'


_HEAVY = _of_load("a")
_THROUGHPUT_LOW = {
    "job": "prober",
    "suite": "webhook-load",
    "scenario": "heavy",
    "severity": "critical",
    "subject": "suites",
    "wakes": "false",
}
_LOAD_CRITICAL = {**_THROUGHPUT_LOW, "measure": "error_rate"}
_CANNOT_ACCEPT = {"job": "prober", "severity": "critical", "subject": "routing"}
_NO_WINNER = {**_CANNOT_ACCEPT, "kind": "no_winner", "violation": "true"}


MEANWHILE: tuple[Together, ...] = (
    Together(
        "suites",
        "a result that is a week old says nothing any more",
        {
            f'prober_suite_last_verdict{{{_HEAVY},measure="error_rate"}}': "3x90",
            f"prober_suite_last_timestamp_seconds{{{_HEAVY}}}": "-604200x90",
        },
        alerts=[
            (
                "SuiteFoundCritical",
                "9m",
                [_LOAD_CRITICAL],
            ),
            ("SuiteFoundCritical", "12m", []),
        ],
    ),
    Together(
        "prober",
        "the watchdog fires always",
        {},
        alerts=[("Watchdog", at, [{"severity": "none", "subject": "prober"}]) for at in ("0m", "1h")],
    ),
    Together(
        "prober",
        "a probe that never had a good run is told by when its prober started",
        {
            'prober_paused{job="prober",instance="a"}': "0x200",
            'prober_maintenance{job="prober",instance="a"}': "0x200",
            'prober_probe_timeout_seconds{job="prober",instance="a",probe="race"}': "10x200",
            'process_start_time_seconds{job="prober",instance="a"}': "0x200",
            'prober_probe_timeout_seconds{job="prober",instance="a",probe="redis"}': "1x200",
            'prober_probe_last_success_timestamp_seconds{job="prober",instance="a",probe="redis"}': "0+10x200",
        },
        alerts=[
            ("ProbeWithoutSuccess", "29m", []),
            (
                "ProbeWithoutSuccess",
                "31m",
                [{"job": "prober", "probe": "race", "severity": "warning", "subject": "prober"}],
            ),
        ],
    ),
    Together(
        "prober",
        "unless it is paused, or in maintenance, or has had no turn yet since",
        {
            'prober_probe_timeout_seconds{job="prober",instance="a",probe="webhook_replay"}': "10x420",
            'prober_probe_last_success_timestamp_seconds{job="prober",instance="a",probe="webhook_replay"}': (
                "0x330 3310x90"
            ),
            'process_start_time_seconds{job="prober",instance="a"}': "0x420",
            'prober_paused{job="prober",instance="a"}': "1x200 0x220",
            'prober_paused{job="prober",instance="b"}': "0x420",
            'prober_maintenance{job="prober",instance="b"}': "0x420",
            'prober_maintenance{job="prober",instance="a"}': "0x190 1x100 0x130",
        },
        alerts=[("ProbeWithoutSuccess", at, []) for at in ("31m", "32m", "47m", "50m", "54m", "60m")],
    ),
    Together(
        "prober",
        "three starts in an hour are many, two are not",
        {'process_start_time_seconds{job="prober",instance="a"}': "0x30 300x30 600x30 900x30"},
        alerts=[
            ("ProberRestartsOften", "14m", []),
            (
                "ProberRestartsOften",
                "16m",
                [{"job": "prober", "instance": "a", "severity": "warning", "subject": "prober"}],
            ),
        ],
    ),
    Together(
        "prober",
        "each region has its own leader, and an application's is none",
        {
            f'prober_leader{{job="{job}",instance="{instance}",region="{region}"}}': f"{leads}x30"
            for job, instance, region, leads in (
                *(("prober", "a", "eu", 1), ("prober", "b", "eu", 1), ("prober", "c", "us", 1)),
                *(("prober", "d", "us", 0), ("app", "e", "us", 1), ("app", "f", "us", 1)),
            )
        },
        alerts=[
            (
                "TwoLeaders",
                "3m",
                [{"job": "prober", "region": "eu", "severity": "critical", "subject": "prober"}],
            ),
        ],
    ),
    Together(
        "redis",
        "a queue that stands still, or was empty, is no queue that only grows",
        {
            f'redis_queue_backlog{{job="prober",instance="a",queue="{queue}"}}': values
            for queue, values in {
                "stands": "50x60",
                "was-empty": "9x20 0x2 12x38",
                "of-two": "1x20 2x40",
                "by-one": "2x20 3x40",
                "by-two": "1x20 3x40",
            }.items()
        },
        alerts=[
            (
                "QueueNotDraining",
                "6m30s",
                [
                    {"job": "prober", "queue": queue, "severity": "warning", "subject": "redis"}
                    for queue in ("by-one", "by-two")
                ],
            ),
            ("QueueNotDraining", "9m50s", []),
        ],
    ),
    Together(
        "violations",
        "a prober that is away for some minutes does not end a violation, and one that never comes back does",
        {
            'prober_open_violations{job="prober",instance="a",kind="no_winner"}': "1x6 stale _x29 1x6 stale _x120",
        },
        alerts=[
            ("RaceConditionDetected", at, [_NO_WINNER] if fires else [])
            for at, fires in (
                ("1m", True),
                ("2m", True),
                ("5m", True),
                ("6m30s", True),
                ("20m", True),
                ("23m", False),
            )
        ],
    ),
    Together(
        "routing",
        "nobody can accept, and it is asked less and less often: the page goes on until it is over",
        {
            'vendor_routing_race_outcomes_total{job="prober",instance="a",outcome="unavailable"}': (
                "0x5 1x11 2x23 3x47 4x47 5x47 6x47 6x60"
            ),
            'vendor_routing_races_total{job="prober",instance="a"}': "50x233 51x60",
        },
        alerts=[
            ("VendorRoutingUnavailable", at, [_CANNOT_ACCEPT] if fires else [])
            for at, fires in (
                *(("6m", False), ("8m", True), ("13m50s", True), ("18m", True), ("22m50s", True), ("30m", True)),
                *(("38m50s", True), ("40m", False), ("46m", False)),
            )
        ],
    ),
    Together(
        "suites",
        "of two probers the one with the newer run of a scenario counts",
        {
            f'prober_suite_last_verdict{{{_of_load("a")},measure="error_rate"}}': "3x60",
            f"prober_suite_last_timestamp_seconds{{{_of_load('a')}}}": "-1000x60",
            f'prober_suite_last_verdict{{{_of_load("b")},measure="error_rate"}}': "_x29 0x30",
            f"prober_suite_last_timestamp_seconds{{{_of_load('b')}}}": "_x29 280x30",
        },
        alerts=[("SuiteFoundCritical", "4m", [_LOAD_CRITICAL]), ("SuiteFoundCritical", "6m", [])],
    ),
    Together(
        "webhook",
        "nor of its throughput",
        {
            f'prober_suite_last_{what}{{{_of_load(who)},measure="requests_per_second"}}': value
            for who, result, verdict in (("a", "90x60", "3x60"), ("b", "_x29 900x30", "_x29 1x30"))
            for what, value in (("result", result), ("verdict", verdict))
        }
        | {
            f"prober_suite_last_timestamp_seconds{{{_of_load('a')}}}": "-1000x60",
            f"prober_suite_last_timestamp_seconds{{{_of_load('b')}}}": "_x29 280x30",
        },
        alerts=[("LowWebhookThroughput", "4m", [_THROUGHPUT_LOW]), ("LowWebhookThroughput", "6m", [])],
    ),
)
