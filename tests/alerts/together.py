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
)
