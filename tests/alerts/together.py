"""Unit tests of what one alert's own cases do not show: several probers, other jobs, the guide's expression."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Together:
    """One test; `fires` says of an expression at a time which value it has, by its labels."""

    file: str
    name: str
    series: Mapping[str, str]
    samples: Sequence[tuple[str, str, Mapping[str, float]]] = ()  # expression, time, labels → value
    alerts: Sequence[tuple[str, str, Sequence[Mapping[str, str]]]] = ()  # name, time, labels of each

    def document(self, step: int) -> dict[str, Any]:
        document: dict[str, Any] = {
            "name": self.name,
            "interval": f"{step}s",
            "input_series": [{"series": series, "values": values} for series, values in self.series.items()],
            "promql_expr_test": [
                {
                    "expr": expression,
                    "eval_time": at,
                    "exp_samples": [{"labels": labels, "value": value} for labels, value in found.items()],
                }
                for expression, at, found in self.samples
            ],
        }
        firing = [
            {
                "expr": f'ALERTS{{alertname="{name}",alertstate="firing"}}',
                "eval_time": at,
                "exp_samples": [{"labels": _alert(name, labels), "value": 1} for labels in found],
            }
            for name, at, found in self.alerts
        ]
        document["promql_expr_test"] += firing
        return document


def _alert(name: str, labels: Mapping[str, str]) -> str:
    everything = {"alertname": name, "alertstate": "firing", **labels}
    return "ALERTS{" + ",".join(f'{key}="{value}"' for key, value in everything.items()) + "}"


def _ages(*ages: float, probe: str = "redis", more: str = "") -> dict[str, str]:
    return {
        f'prober_outage_age_seconds{{job="prober",instance="p{n}",probe="{probe}"{more}}}': f"{age}x30"
        for n, age in enumerate(ages)
    }


_REDIS = {"job": "prober", "probe": "redis", "severity": "critical", "subject": "redis"}
_SLOW_BUCKETS = {
    **{f'whatsapp_webhook_duration_seconds_bucket{{job="JOB",instance="i",source="probe",le="{edge}"}}': "0+0x60"
       for edge in ("0.1", "0.2", "0.5", "1.0", "2.0")},
    **{f'whatsapp_webhook_duration_seconds_bucket{{job="JOB",instance="i",source="probe",le="{edge}"}}': "0+1x60"
       for edge in ("3.0", "5.0", "+Inf")},
    'whatsapp_webhook_duration_seconds_count{job="JOB",instance="i",source="probe"}': "0+1x60",
}  # fmt: skip
_ONE_SLOW = {
    **{f'whatsapp_webhook_duration_seconds_bucket{{job="prober",instance="i",source="probe",le="{edge}"}}':
       "0+1x90 90x0 91+1x90" for edge in ("0.1", "0.5", "2.0")},
    **{f'whatsapp_webhook_duration_seconds_bucket{{job="prober",instance="i",source="probe",le="{edge}"}}':
       "0+1x181" for edge in ("3.0", "5.0", "+Inf")},
    'whatsapp_webhook_duration_seconds_count{job="prober",instance="i",source="probe"}': "0+1x181",
}  # fmt: skip


def _webhook(edge: str = "") -> str:
    """A series of the webhook's histogram."""
    labels = 'job="prober",instance="i",source="probe"'
    name = "whatsapp_webhook_duration_seconds"
    return f'{name}_bucket{{{labels},le="{edge}"}}' if edge else f"{name}_count{{{labels}}}"


def _samples(result: str) -> str:
    return f'prober_probe_samples_total{{job="prober",instance="i",probe="webhook",result="{result}"}}'


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
_WENT_DOWN = "0+1x60 60x12 61+1x60"


def _of(job: str, series: Mapping[str, str]) -> dict[str, str]:
    return {name.replace("JOB", job): values for name, values in series.items()}


TOGETHER: tuple[Together, ...] = (
    Together(
        "redis",
        "one prober of three that sees an outage wakes nobody",
        _ages(0, 30, 0),
        alerts=[("RedisOutage", "2m", [])],
    ),
    Together(
        "redis",
        "two of three do",
        _ages(25, 30, 0),
        alerts=[("RedisOutage", "2m", [_REDIS])],
    ),
    Together(
        "redis",
        "a prober that is gone has no say: half of those that live",
        {
            **_ages(0, 0, 30),
            'prober_outage_age_seconds{job="prober",instance="p0",probe="redis"}': "0x5 stale",
            'prober_outage_age_seconds{job="prober",instance="p1",probe="redis"}': "0x5 stale",
        },
        alerts=[("RedisOutage", "1m", []), ("RedisOutage", "3m", [_REDIS])],
    ),
    Together(
        "redis",
        "regions are told apart where they are labels of the targets",
        {**_ages(30, more=',region="eu"'), **_ages(0, more=',region="us"')},
        alerts=[("RedisOutage", "2m", [{**_REDIS, "region": "eu"}])],
    ),
    Together(
        "redis",
        "an application's series of the same names change nothing",
        {
            'redis_recovery_time_seconds{job="app",instance="a"}': "99x30",
            'redis_queue_backlog{job="app",instance="a",queue="q"}': "5000x30",
            'prober_outage_age_seconds{job="app",instance="a",probe="redis"}': "99x30",
        },
        alerts=[("RedisOutage", "5m", []), ("RedisRecoveryLong", "5m", []), ("QueueBacklogHigh", "5m", [])],
    ),
    Together(
        "webhook",
        "nor do an application's slow webhooks, as histogram or as summary",
        {
            **_of("app", _SLOW_BUCKETS),
            'whatsapp_webhook_duration_seconds{job="app",instance="a",quantile="0.99"}': "9x60",
        },
        samples=[('whatsapp_webhook_duration_seconds{job="prober"}', "8m", {})],
        alerts=[("HighWebhookLatency", "8m", []), ("WebhookLatencyElevated", "8m", [])],
    ),
    Together(
        "webhook",
        "the guide's own expression works word for word",
        _of("prober", _SLOW_BUCKETS),
        samples=[
            (
                'whatsapp_webhook_duration_seconds{quantile="0.99"} > 2',
                "8m",
                {'whatsapp_webhook_duration_seconds{job="prober",quantile="0.99"}': 2.99},
            ),
            (
                'whatsapp_webhook_duration_seconds{quantile="0.5"} > bool 2',
                "8m",
                {'{job="prober",quantile="0.5"}': 1},
            ),
        ],
        alerts=[
            (
                "HighWebhookLatency",
                "8m",
                [{"job": "prober", "quantile": "0.99", "severity": "critical", "subject": "webhook"}],
            )
        ],
    ),
    Together(
        "webhook",
        "one answer of 3 s in half an hour is the p99 of its five minutes, and no alert",
        _ONE_SLOW,
        samples=[
            (
                'whatsapp_webhook_duration_seconds{quantile="0.99"} > bool 2',
                "16m",
                {'{job="prober",quantile="0.99"}': 1},
            )
        ],
        alerts=[
            (name, at, [])
            for name in ("HighWebhookLatency", "WebhookLatencyElevated")
            for at in ("16m", "20m", "25m")
        ],
    ),
    Together(
        "webhook",
        "a paged outage is not paged once more as latency, errors or budget when it is over",
        {
            **{_webhook(edge): _WENT_DOWN for edge in ("0.1", "0.2", "0.5", "2.0", "5.0")},
            **{_webhook(edge): "0+1x133" for edge in ("+Inf", "")},
            _samples("good"): _WENT_DOWN,
            _samples("bad"): "0x60 1+1x12 13x60",
            'prober_outage_age_seconds{job="prober",instance="i",probe="webhook"}': "0x60 10+10x12 0x60",
        },
        alerts=[
            *[
                (name, at, [])
                for name in ("HighWebhookLatency", "WebhookLatencyElevated")
                for at in ("12m30s", "14m", "18m", "21m")
            ],
            (
                "WebhookDown",
                "11m",
                [{"job": "prober", "probe": "webhook", "severity": "critical", "subject": "webhook"}],
            ),
            ("WebhookDown", "13m", []),
        ],
    ),
    Together(
        "violations",
        "each kind is an alert of its own, and an acknowledged one is none",
        {
            'prober_open_violations{job="prober",instance="a",kind="split_order"}': "2x5 0x20",
            'prober_open_violations{job="prober",instance="b",kind="split_order"}': "1x5 0x20",
            'prober_open_violations{job="prober",instance="a",kind="phantom_winner"}': "1x30",
            'prober_known_violations{job="prober",instance="a",kind="split_order"}': "0x5 3x20",
        },
        alerts=[
            (
                "RaceConditionDetected",
                "30s",
                [
                    {
                        "job": "prober",
                        "kind": kind,
                        "severity": "critical",
                        "subject": "routing",
                        "violation": "true",
                    }
                    for kind in ("split_order", "phantom_winner")
                ],
            ),
            (
                "RaceConditionDetected",
                "2m",
                [
                    {
                        "job": "prober",
                        "kind": "phantom_winner",
                        "severity": "critical",
                        "subject": "routing",
                        "violation": "true",
                    }
                ],
            ),
        ],
    ),
    Together(
        "routing",
        "a win rate of few races, or of a known violation, is no alert",
        {
            'vendor_routing_win_rate{job="prober",instance="a"}': "0.5x40",
            'vendor_routing_win_rate_races{job="prober",instance="a",verdict="judged"}': "19x20 100x20",
            'prober_known_violations{job="prober",instance="a",kind="no_winner"}': "0x20 1x20",
        },
        alerts=[(name, at, []) for name in ("VendorWinRateLow", "VendorWinRateCritical") for at in ("3m", "6m")],
    ),
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
