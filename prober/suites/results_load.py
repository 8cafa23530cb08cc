"""What the webhook load suite measured beyond the figures that are judged."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from prober.suites.part import Part


class Latency(Part):
    """The distribution of answer times of accepted requests (seconds); all None without samples."""

    count: int
    min: float | None
    mean: float | None
    p50: float | None
    p90: float | None
    p95: float | None
    p99: float | None
    p999: float | None
    max: float | None
    distribution: tuple[tuple[float, int], ...]  # upper edge in seconds, samples up to it since the last edge


class Slot(Part):
    """One stretch of time, a second unless the run was long."""

    begins_at: float
    seconds: float
    sent: int
    accepted: int
    rejected: int
    failed: int
    p50: float | None
    p99: float | None
    pool_usage: float | None = None  # 0..1
    backlog: int | None = None
    target_memory: int | None = None  # bytes


class Requests(Part):
    """What became of what was sent; the parts add up to `sent`."""

    sent: int
    accepted: int
    rejected: Mapping[str, int]  # answers that refuse, by status or name: rate_limited, 403 …
    failed: Mapping[str, int]  # no answer or a 5xx, by outcome: timeout, reset, server_error …
    unsent: int = 0  # open loop: due, but not sent because too many were under way


class Effects(Part):
    """What the target's database says of the accepted messages, those of the warm-up included."""

    accepted: int
    effective: int
    lost: int
    repeated: int  # with more than one effect
    not_known: int
    seconds_to_last: float | None  # from the last answer to the last effect


class Generator(Part):
    """Whether the generator itself was the limit."""

    processes: int
    cpu_seconds: float
    cpu_share: float  # of the busiest process, of one core
    loop_lag_p99: float | None
    late_p99: float | None  # open loop: how late requests left behind their schedule
    bound: bool
    sentence: str


class LoadDetail(Part):
    """One load scenario."""

    kind: Literal["load"] = "load"
    concurrency: int
    rate: float | None  # requests a second; None: closed loop
    warm_up_seconds: float
    warm_up_sent: int = 0  # messages that are in no other figure
    measured_seconds: float
    requests: Requests
    latency: Latency
    series: tuple[Slot, ...]
    effects: Effects | None
    rate_limited: bool
    generator: Generator
    pool_usage_max: float | None = None
    backlog_max: int | None = None
    backlog_drained_seconds: float | None = None
    target_memory_first: int | None = None
    target_memory_last: int | None = None
    engine: str = "prober"  # or locust
