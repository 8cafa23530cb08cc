"""The metrics of the probes themselves: runs, outages, health pages, and the prober's own condition."""

from __future__ import annotations

from prober.event import Started
from prober.outcome import ProbeName
from prober.web import labels as of
from prober.web.metric import Group, Kind, Label, Metric

_HEALTH = frozenset({ProbeName.HEALTH})
_SYNTHETIC = frozenset({ProbeName.WEBHOOK, ProbeName.RACE})
_RESTARTABLE = frozenset({ProbeName.REDIS, ProbeName.DATABASE})
_WITH_OUTAGE = frozenset(of.OUTAGE_PROBES)

# The guide's 5, 10 and 30 s of recovery are edges; 20 ms is what a crash and restart is measured to.
_OUTAGE = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3600.0)
_LATENESS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)


def _outcomes_by_probe(started: Started) -> list[tuple[str, str]]:
    return [(probe, outcome) for probe in started.probes for outcome in of.OUTCOMES_OF[probe]]


HEALTH_LIES = Metric(
    name="prober_health_lies",
    kind=Kind.GAUGE,
    group=Group.HEALTH,
    help="1 for a page that claims health while a service is down by our own probes, else 0.",
    labels=(of.PAGE,),
    probes=_HEALTH,
)
ROUTES_MISSING = Metric(
    name="prober_routes_missing",
    kind=Kind.GAUGE,
    group=Group.HEALTH,
    help="1 for a route of the contract that answers 404, else 0.",
    labels=(of.ROUTE,),
    probes=_HEALTH,
)


def _by_probe(
    name: str, kind: Kind, meaning: str, *more: Label, unit: str = "", buckets: tuple[float, ...] = ()
) -> Metric:
    return Metric(
        name=name,
        kind=kind,
        group=Group.PROBES,
        help=meaning,
        unit=unit,
        labels=(of.PROBE, *more),
        buckets=buckets,
    )


PROBE_SUCCESS = _by_probe("prober_probe_success", Kind.GAUGE, "1 when the last run found all well, else 0.")
PROBE_DURATION = _by_probe(
    "prober_probe_duration_seconds",
    Kind.GAUGE,
    "How long the requests of the last run took.",
    unit="seconds",
)
PROBE_TIMEOUT = _by_probe(
    "prober_probe_timeout_seconds", Kind.GAUGE, "How long a run may take at most.", unit="seconds"
)
PROBE_LAST_SUCCESS = _by_probe(
    "prober_probe_last_success_timestamp_seconds",
    Kind.GAUGE,
    "Unix time at which the last run began that found all well.",
    unit="seconds",
)
PROBE_LATENESS = _by_probe(
    "prober_probe_lateness_seconds",
    Kind.HISTOGRAM,
    "How far behind its schedule a run started.",
    unit="seconds",
    buckets=_LATENESS,
)
PROBE_RUNS = Metric(
    name="prober_probe_runs_total",
    kind=Kind.COUNTER,
    group=Group.PROBES,
    help="Runs of a probe, by outcome.",
    labels=(of.PROBE, of.OUTCOME),
    children=_outcomes_by_probe,
)
PROBE_SAMPLES = _by_probe(
    "prober_probe_samples_total",
    Kind.COUNTER,
    "One run of each interval, whatever the pace, for error rates; `unknown` is a 429 or a fault of ours.",
    of.SAMPLE_RESULT,
)
PROBE_SKIPPED = _by_probe(
    "prober_probe_skipped_total", Kind.COUNTER, "Runs that did not happen, by reason.", of.SKIP_REASON
)
OUTAGE = Metric(
    name="prober_outage",
    kind=Kind.GAUGE,
    group=Group.PROBES,
    help="1 from the first failing run until enough good ones in a row, else 0.",
    labels=(of.OUTAGE_PROBE,),
    probes=_WITH_OUTAGE,
)
OUTAGE_AGE = Metric(
    name="prober_outage_age_seconds",
    kind=Kind.GAUGE,
    group=Group.PROBES,
    help="While an outage is under way the time since it began, else 0.",
    unit="seconds",
    labels=(of.OUTAGE_PROBE,),
    probes=_WITH_OUTAGE,
)
OUTAGE_DURATION = Metric(
    name="prober_outage_duration_seconds",
    kind=Kind.HISTOGRAM,
    group=Group.PROBES,
    help="Length of each outage that ended.",
    unit="seconds",
    labels=(of.OUTAGE_PROBE,),
    buckets=_OUTAGE,
    probes=_WITH_OUTAGE,
)
RESTARTS = Metric(
    name="prober_restarts_detected_total",
    kind=Kind.COUNTER,
    group=Group.PROBES,
    help="Times that a service was found to be another server process than before.",
    labels=(of.SERVICE,),
    probes=_RESTARTABLE,
)
LAST_VIOLATION = Metric(
    name="prober_last_violation_timestamp_seconds",
    kind=Kind.GAUGE,
    group=Group.PROBES,
    help="Unix time at which a violation of this kind was last found; absent if never.",
    unit="seconds",
    labels=(of.VIOLATION_KIND,),
    probes=_SYNTHETIC,
)
OPEN_VIOLATIONS = Metric(
    name="prober_open_violations",
    kind=Kind.GAUGE,
    group=Group.PROBES,
    help="Violations that page: not acknowledged, and last seen (or acknowledged until) less than violation_hold "
    "ago; at most the newest 2000 of a kind are counted.",
    unit="violations",
    labels=(of.VIOLATION_KIND,),
)
KNOWN_VIOLATIONS = Metric(
    name="prober_known_violations",
    kind=Kind.GAUGE,
    group=Group.PROBES,
    help="Violations that are acknowledged (`prober ack`): they do not page until that ends.",
    unit="violations",
    labels=(of.VIOLATION_KIND,),
)
LEFTOVERS = Metric(
    name="prober_synthetic_leftovers",
    kind=Kind.GAUGE,
    group=Group.PROBES,
    help="Synthetic things in the target that should be gone and are not; absent where it cannot be known.",
    unit="things",
    labels=(of.LEFTOVER_KIND,),
    probes=_SYNTHETIC | {ProbeName.REDIS},
)

READY = Metric(
    name="prober_ready",
    kind=Kind.GAUGE,
    group=Group.PROBER,
    help="1 while `/-/healthy` and `/-/ready` say so: it is alive, and every probe has had its turn; else 0.",
)
LEADER = Metric(
    name="prober_leader",
    kind=Kind.GAUGE,
    group=Group.PROBER,
    help="1 while this replica may write to the target: it holds the lease, or there is no election; else 0.",
)
RATE_CAP_HITS = Metric(
    name="prober_rate_cap_hits_total",
    kind=Kind.COUNTER,
    group=Group.PROBER,
    help="Times that our own caps on requests to the target kept back what would have been more.",
)
PAUSED = Metric(
    name="prober_paused",
    kind=Kind.GAUGE,
    group=Group.PROBER,
    help="1 while a pause (command, file, signal or config) holds back all writes to the target, else 0.",
)
MAINTENANCE = Metric(
    name="prober_maintenance",
    kind=Kind.GAUGE,
    group=Group.PROBER,
    help="1 while a maintenance window of the config holds back all writes to the target, else 0.",
)
LOOP_LAG = Metric(
    name="prober_event_loop_lag_seconds",
    kind=Kind.HISTOGRAM,
    group=Group.PROBER,
    help="How late timers of the probing event loop fire: what our own slowness may add to a latency.",
    unit="seconds",
    buckets=_LATENESS,
)
JOURNAL_FAILURES = Metric(
    name="prober_journal_failures_total",
    kind=Kind.COUNTER,
    group=Group.PROBER,
    help="Journal entries that could not be written or read, by reason.",
    labels=(of.JOURNAL_REASON,),
)
EVENTS_DROPPED = Metric(
    name="prober_events_dropped_total",
    kind=Kind.COUNTER,
    group=Group.PROBER,
    help="Ordinary results that these metrics miss, because this web process did not read them in time.",
)
RELOAD_OK = Metric(
    name="prober_config_last_reload_successful",
    kind=Kind.GAUGE,
    group=Group.PROBER,
    help="1 when the config that was read last is in force, 0 when it was refused and the one before stays.",
)
RELOAD_OK_AT = Metric(
    name="prober_config_last_reload_success_timestamp_seconds",
    kind=Kind.GAUGE,
    group=Group.PROBER,
    help="Unix time at which the config that is in force was read.",
    unit="seconds",
)
BUILD_INFO = Metric(
    name="prober_build_info",
    kind=Kind.INFO,
    group=Group.PROBER,
    help="What runs here: always 1.",
    labels=(
        Label(name="version", configured="the version of prober"),
        Label(name="python", configured="the version of Python"),
    ),
)
