"""Recording rules: the quantiles that the guide's expression reads, who is down, and the shares of bad answers."""

from __future__ import annotations

from prober.alerts.alert import Recording
from prober.alerts.promql import KEPT, eq, held, increase, le, number, of, over
from prober.alerts.thresholds import DOWN_AFTER, HALF, PATH_DOWN_AFTER, Own, target
from prober.outcome import Measure, ProbeName, Suite
from prober.web.catalogue.delivery import WEBHOOK_DURATION
from prober.web.catalogue.probing import OUTAGE_AGE, PROBE_SAMPLES

QUANTILES = (0.5, 0.95, 0.99)
QUANTILE_WINDOW = "5m"
PROBED = 'source="probe"'

DOWN = "job:prober_down:bool"
SLOW = "job:whatsapp_webhook_slow:increase5m"  # by the label `over`, in seconds
BAD_RATIO = "slo:whatsapp_webhook_bad:ratio_rate"  # and the window; by the label `slo`
BAD_COUNT = "slo:whatsapp_webhook_bad:increase"

ERRORS = "errors"  # the label `slo` of failed webhooks
# Those of the error rates (10m, 1h, 6h) and of the budgets.
RATIO_WINDOWS = ("5m", "10m", "30m", "1h", "2h", "6h", "1d", "3d")
COUNT_WINDOWS = ("10m", "1h", "6h", "1d", "3d")

# Answers that take longer than this are bad by the target; the share of them that the target allows.
SLOW_BY_SLO = {
    "p95": (target(Suite.WEBHOOK_LOAD, Measure.LATENCY_P95), 0.05),
    "p99": (target(Suite.WEBHOOK_LOAD, Measure.LATENCY_P99), 0.01),
}


def quantiles() -> tuple[Recording, ...]:
    """`whatsapp_webhook_duration_seconds{quantile="…"}`; absent without an answer, never NaN."""
    rates = over("sum", f"rate({of(WEBHOOK_DURATION, PROBED, suffix='_bucket')}[{QUANTILE_WINDOW}])", "le")
    return tuple(
        Recording(
            record=WEBHOOK_DURATION.name,
            expr=f"histogram_quantile({number(q)}, {rates}) >= 0",
            labels={"quantile": number(q)},
            why="so that the guide's own expression works word for word; `>= 0` leaves out the NaN of no answers",
        )
        for q in QUANTILES
    )


def slow_answers(edges: tuple[float, ...]) -> tuple[Recording, ...]:
    """How many answers of the last five minutes took longer than each edge, as the prober that saw most saw it."""
    total = increase(of(WEBHOOK_DURATION, PROBED, suffix="_count"), "5m")
    return tuple(
        Recording(
            record=SLOW,
            expr=over("max", f"{total} - ignoring (le) {increase(_bucket(edge), '5m')}"),
            labels={"over": number(edge)},
            why="so that one slow answer is never a quantile",
        )
        for edge in edges
    )


def seen_down(matcher: str, after: Own) -> str:
    """1 where at least half of the live probers see an outage of at least that length, else 0."""
    long_enough = f"{held(of(OUTAGE_AGE, matcher))} >= bool {number(after.value)}"
    return f"{over('avg', long_enough, 'probe')} >= bool {number(HALF.value)}"


def down() -> tuple[Recording, ...]:
    """Who is down. Alerts on outages do not read it: other groups of rules are evaluated at other times."""
    path = seen_down(eq("probe", ProbeName.WEBHOOK), PATH_DOWN_AFTER)
    services = seen_down(f'probe!="{ProbeName.WEBHOOK}"', DOWN_AFTER)
    return (
        Recording(
            record=DOWN,
            expr=f"{services}\nor {path}",
            why="an outage that is long enough to page, as half of the live probers see it: 1, else 0",
        ),
    )


def bad_ratios(slo: str) -> tuple[Recording, ...]:
    """For a target the share of bad answers, and how many they are, over each window."""
    if slo == ERRORS:
        return (
            *(_errors(window) for window in RATIO_WINDOWS),
            *(_error_count(window) for window in COUNT_WINDOWS),
        )
    edge, _ = SLOW_BY_SLO[slo]
    return (
        *(_slow(slo, edge, window) for window in RATIO_WINDOWS if window != "10m"),
        *(_slow_count(slo, edge, window) for window in COUNT_WINDOWS if window != "10m"),
    )


def _errors(window: str) -> Recording:
    bad, all_ = _samples("bad"), _samples("good|bad", "=~")
    ratio = f"{over('sum', f'rate({bad}[{window}])')} / {over('sum', f'rate({all_}[{window}])')}"
    return Recording(
        record=BAD_RATIO + window,
        expr=f"{ratio} >= 0",
        labels={"slo": ERRORS},
        why="errors among one run of each interval: an outage, probed ten times as often, weighs what it lasted",
    )


def _slow(slo: str, edge: float, window: str) -> Recording:
    total = of(WEBHOOK_DURATION, PROBED, suffix="_count")
    quick = f"{over('sum', f'rate({_bucket(edge)}[{window}])')} / {over('sum', f'rate({total}[{window}])')}"
    return Recording(
        record=BAD_RATIO + window,
        expr=f"1 - {quick} >= 0",
        labels={"slo": slo},
        why=f"answers that took longer than {number(edge)} s",
    )


def _error_count(window: str) -> Recording:
    return Recording(
        record=BAD_COUNT + window,
        expr=over("sum", increase(_samples("bad"), window)),
        labels={"slo": ERRORS},
        why="how many they are",
    )


def _slow_count(slo: str, edge: float, window: str) -> Recording:
    total = increase(of(WEBHOOK_DURATION, PROBED, suffix="_count"), window)
    return Recording(
        record=BAD_COUNT + window,
        expr=over("sum", f"{total} - ignoring (le) {increase(_bucket(edge), window)}"),
        labels={"slo": slo},
        why="how many they are",
    )


def _samples(result: str, operator: str = "=") -> str:
    return of(PROBE_SAMPLES, f'probe="{ProbeName.WEBHOOK}"', f'result{operator}"{result}"')


def _bucket(edge: float) -> str:
    return of(WEBHOOK_DURATION, PROBED, le(WEBHOOK_DURATION, edge), suffix="_bucket")


def not_after_an_outage(window: str) -> str:
    """What a paged outage has done to a window is not paged once more when it is over."""
    return f"unless on ({KEPT}) {over('max', f'max_over_time({of(DOWN)}[{window}])')} == 1"
