"""The metrics of the suites: which runs, and what the last run of each scenario came to, from the journal."""

from __future__ import annotations

from prober.web import labels as of
from prober.web.metric import Group, Kind, Metric

SUITE_RUNNING = Metric(
    name="prober_suite_running",
    kind=Kind.GAUGE,
    group=Group.SUITES,
    help="1 while this suite runs with our data_dir, scheduled or by hand, else 0.",
    labels=(of.SUITE,),
)
SUITE_RESULT = Metric(
    name="prober_suite_last_result",
    kind=Kind.GAUGE,
    group=Group.SUITES,
    help="Each measure of the last run of a scenario, in the unit of its name, rates 0..1; absent if unknown.",
    labels=(of.SUITE, of.SCENARIO, of.MEASURE),
)
SUITE_VERDICT = Metric(
    name="prober_suite_last_verdict",
    kind=Kind.GAUGE,
    group=Group.SUITES,
    help="What the guide says of it: 0 excellent, 1 good, 2 warning, 3 critical; absent without a verdict.",
    labels=(of.SUITE, of.SCENARIO, of.MEASURE),
)
SUITE_AT = Metric(
    name="prober_suite_last_timestamp_seconds",
    kind=Kind.GAUGE,
    group=Group.SUITES,
    help="Unix time at which the last run of a scenario ended.",
    unit="seconds",
    labels=(of.SUITE, of.SCENARIO),
)
SUITE_SKIPPED = Metric(
    name="prober_suite_skipped_total",
    kind=Kind.COUNTER,
    group=Group.SUITES,
    help="Scheduled suites that were not run, by reason.",
    labels=(of.SUITE, of.SUITE_SKIP),
)
