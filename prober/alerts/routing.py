"""Alerts on vendor routing: how races go, whether they can be judged, missing routes, pages that lie."""

from __future__ import annotations

from prober.alerts.alert import Alert, Look, Runbook
from prober.alerts.labels import Severity, Subject
from prober.alerts.promql import COUNT, ENOUGH, KEPT, any_of, eq, held, increase, le, number, of, over, worse
from prober.alerts.recording import not_after_an_outage
from prober.alerts.thresholds import RACES_ENOUGH, edge
from prober.alerts.violations import RACE_KINDS
from prober.guide.advice import recommendations
from prober.guide.breaking_points import Edge
from prober.outcome import Dashboard, Measure, RaceOutcome, Suite
from prober.web.catalogue.delivery import RACE_DURATION, RACE_OUTCOMES, RACES, WIN_RATE, WIN_RATE_RACES
from prober.web.catalogue.probing import HEALTH_LIES, KNOWN_VIOLATIONS, ROUTES_MISSING

_RACE = Suite.VENDOR_RACE
_OUTCOMES = Look(
    "races by outcome", 'sum by (outcome) (increase(vendor_routing_race_outcomes_total{job="prober"}[30m]))'
)
_ANSWERS = Look("what each vendor was answered", "prober status; prober evidence RACE-ID")


def _win_rate(name: str, limit: Edge, severity: Severity) -> Alert:
    judged = held(of(WIN_RATE_RACES, eq("verdict", "judged")))
    enough = f"{over('max', judged)} >= {number(RACES_ENOUGH.value)}"
    known = over("max", held(of(KNOWN_VIOLATIONS, any_of("kind", *RACE_KINDS))))
    return Alert(
        name=name,
        expr=f"{over('min', held(of(WIN_RATE)))} {worse(limit)}\nand {enough}\nunless on ({KEPT}) {known} > 0",
        severity=severity,
        subject=Subject.ROUTING,
        wakes=severity is not Severity.CRITICAL,
        pending="1m",
        summary=f"win rate {{{{ $value | humanizePercentage }}}} ({limit.point.verdict})",
        description=(
            "Only {{ $value | humanizePercentage }} of the last judged races had exactly one consistent "
            f"winner; {limit.point.verdict} is {limit.comparison} {limit.value:.0%} (guide: {limit.point.row}, "
            f"{limit.point.action}). The first violation has paged as RaceConditionDetected."
        ),
        dashboard=Dashboard.RACES,
        runbook=Runbook(
            means=(
                f"Of the last judged races (`win_rate_window`, 100) less than {limit.value:.0%} had exactly one "
                f"winner: {limit.point.verdict} by the guide's row `{limit.point.row}`. Each other one is a "
                "violation, and the first of them has paged as `RaceConditionDetected`; this says how often it "
                "happens, and therefore wakes nobody by itself. It is silent while race violations are "
                "acknowledged."
            ),
            look=(Look("the win rate", of(WIN_RATE)), _OUTCOMES, _ANSWERS),
            causes=("See `RaceConditionDetected`.",),
            do=("See `RaceConditionDetected`.",),
            advice=recommendations(limit.point),
            false_alarms=("After it is mended the window still holds the old races: 100 races are 100 minutes.",),
        ),
    )


def _race_time(name: str, limit: Edge, severity: Severity) -> Alert:
    window = "15m"
    total = of(RACE_DURATION, suffix="_count")
    taken = over("sum", f"rate({of(RACE_DURATION, suffix='_sum')}[{window}])")
    mean = f"{taken}\n/ {over('sum', f'rate({total}[{window}])')}"
    quick = of(RACE_DURATION, le(RACE_DURATION, limit.value), suffix="_bucket")
    slow = over("sum", f"{increase(total, window)} - ignoring (le) {increase(quick, window)}")
    return Alert(
        name=name,
        expr=f"{mean} {worse(limit)}\nand {slow} > {number(ENOUGH)}\n{not_after_an_outage(window)}",
        severity=severity,
        subject=Subject.ROUTING,
        at_once="three slow races are what is waited for",
        summary=f"races take {{{{ $value | humanizeDuration }}}} on average ({limit.point.verdict})",
        description=(
            "The races of the last 15 minutes took {{ $value | humanizeDuration }} on average from the "
            f"release of the accepts to the last answer; {limit.point.verdict} is {limit.comparison} "
            f"{limit.value:g} s (guide: {limit.point.row}, {limit.point.action}). At least three took longer "
            "than that."
        ),
        dashboard=Dashboard.RACES,
        runbook=Runbook(
            means=(
                f"Vendors wait long for an answer: the mean over 15 minutes is {limit.comparison} "
                f"{limit.value:g} s, {limit.point.verdict} by the guide's row `{limit.point.row}` "
                f"({limit.point.action}). At one race a minute that is fifteen races; one slow one never fires "
                "it."
            ),
            look=(
                Look(
                    "each vendor's answer time",
                    (
                        "histogram_quantile(0.95, sum by (le) "
                        '(rate(vendor_routing_response_time_seconds_bucket{job="prober"}[15m])))'
                    ),
                ),
                Look("sessions that wait for a lock", 'db_lock_waiters{job="prober"}'),
                Look("the oldest transaction", 'db_longest_transaction_seconds{job="prober"}'),
            ),
            causes=(
                "The lock of the routing is held while something else is done (messages sent, services called).",
                "The database is slow: `DatabaseOperationsSlow`.",
            ),
            do=("See who blocks whom while races run (the query is in the advice).",),
            advice=recommendations(limit.point),
            false_alarms=("A slow network between prober and target.",),
        ),
    )


_NO_ANSWER = any_of("outcome", RaceOutcome.UNAVAILABLE, RaceOutcome.UNKNOWN)
_UNJUDGED = held(of(WIN_RATE_RACES, eq("verdict", "unjudged")), "1m")

ALERTS: tuple[Alert, ...] = (
    _win_rate("VendorWinRateLow", edge(_RACE, Measure.WIN_RATE, "80-95%"), Severity.WARNING),
    _win_rate("VendorWinRateCritical", edge(_RACE, Measure.WIN_RATE, "< 80%"), Severity.CRITICAL),
    _race_time("RaceTimeElevated", edge(_RACE, Measure.RACE_TIME, "500-1000ms"), Severity.WARNING),
    _race_time("RaceTimeHigh", edge(_RACE, Measure.RACE_TIME, "> 1000ms"), Severity.CRITICAL),
    Alert(
        name="VendorRoutingUnavailable",
        expr=(
            f"{over('sum', increase(of(RACE_OUTCOMES, _NO_ANSWER), '40m'))} > {number(ENOUGH)}\n"
            f"and {over('sum', increase(of(RACE_OUTCOMES, _NO_ANSWER), '11m'))} > 0.5\n"
            f"unless {over('sum', increase(of(RACES), '5m'))} > 0.5"
        ),
        severity=Severity.CRITICAL,
        subject=Subject.ROUTING,
        at_once="three races without an answer, and none with one, are what is waited for",
        summary="no vendor can accept an order",
        description=(
            f"Races without an answer (5xx, reset, timeout) in the last 40 minutes: {COUNT}; with a verdict in "
            "the last 5: none. Vendors cannot accept orders."
        ),
        dashboard=Dashboard.RACES,
        runbook=Runbook(
            means=(
                "Every accept of the last races failed. Orders are offered, and nobody can take them. In trouble "
                "races are run less and less often, down to one in 10 minutes: therefore it looks back so far, or "
                "it would end while nothing is mended."
            ),
            look=(_OUTCOMES, _ANSWERS, Look("what else is down", 'job:prober_down:bool{job="prober"} == 1')),
            causes=(
                "The routing part of the application is down or its routes are missing.",
                "Its pool of sessions is used up.",
            ),
            do=(
                "`prober doctor` walks the routing routes too.",
                "See the application's log for the run id in `X-Synthetic-Probe`.",
                "It ends with the first race that gets its answers, up to 10 minutes after it is mended.",
            ),
            false_alarms=(
                "A `prober pause` while single races failed: none is run that could say that all is well.",
                "The bearer token of the config has expired (401, 403): `prober doctor` says so.",
            ),
        ),
    ),
    Alert(
        name="RacesUnjudged",
        expr=over("max", f"{_UNJUDGED} > 0 unless on (job, region, instance) {held(of(WIN_RATE), '1m')}"),
        severity=Severity.WARNING,
        subject=Subject.ROUTING,
        pending="5m",
        summary="too many races without a verdict: there is no win rate",
        description=(
            "{{ $value | humanize }} of the last races ended without a verdict, more than max_unjudged allows; "
            "the win rate is absent, so whether exactly one vendor wins is not known."
        ),
        dashboard=Dashboard.RACES,
        runbook=Runbook(
            means=(
                "Races are run, but cannot be judged: `unavailable`, `setup_failed`, `rate_limited` or "
                "`unknown`. They are counted and stay out of the win rate; with more than `max_unjudged` of them "
                "it is absent."
            ),
            look=(_OUTCOMES, _ANSWERS),
            causes=(
                "`setup_failed`: a grant, a fixture or a table is missing (`prober doctor`).",
                "`unavailable`: the target fails; `rate_limited`: it refuses.",
                "`unknown`: answers get lost on the way, or the database cannot be asked.",
            ),
            do=("Take the most frequent outcome and read the evidence of one race.",),
            false_alarms=("A longer outage is still in the window: it leaves it with the next races.",),
        ),
    ),
    Alert(
        name="RoutesMissing",
        expr=f"{over('min', held(of(ROUTES_MISSING), '1m'), 'route')} == 1",
        severity=Severity.CRITICAL,
        subject=Subject.ROUTING,
        keeps=("route",),
        pending="20s",
        summary="the route {{ $labels.route }} answers 404",
        description=(
            "The contract's route {{ $labels.route }} answers 404, while the health pages may say that all is "
            "well. {{ if eq $value 1.0 }}All live probers see it.{{ end }}"
        ),
        dashboard=Dashboard.OVERVIEW,
        runbook=Runbook(
            means=(
                "A route of the contract is not there. The process lives, its health pages may be green, and "
                "nobody can order."
            ),
            look=(Look("which routes", of(ROUTES_MISSING) + " == 1"), Look("the answer itself", "prober doctor")),
            causes=("A deployment that failed to load its routes.", "A proxy that sends the path elsewhere."),
            do=("Roll back or restart; compare the answer of the application with that of the proxy.",),
            false_alarms=("The contract names a path that this version does not have: `contract_overrides`.",),
        ),
    ),
    Alert(
        name="HealthPageLies",
        expr=f"{over('min', held(of(HEALTH_LIES), '1m'), 'page')} == 1",
        severity=Severity.WARNING,
        subject=Subject.ROUTING,
        keeps=("page",),
        pending="30s",
        summary="{{ $labels.page }} claims health while a service is down",
        description=(
            "The page {{ $labels.page }} says healthy while our own probes see a service down. {{ if eq $value "
            "1.0 }}All live probers see it.{{ end }} Whoever routes by that page sends traffic to a "
            "broken instance."
        ),
        dashboard=Dashboard.OVERVIEW,
        runbook=Runbook(
            means=(
                "A health page says that all is well, and our own probes see Redis or PostgreSQL down at that "
                "time."
            ),
            look=(
                Look("which pages", of(HEALTH_LIES) + " == 1"),
                Look("what is down", 'prober_outage{job="prober"} == 1'),
            ),
            causes=("As deployed `/health/detailed` and `/health/monitor` answer 200 with PostgreSQL down.",),
            do=("Mend the outage first. Then let balancers ask a page that tells the truth (`/health/ready`).",),
            advice=recommendations(edge(Suite.DB_RESTART, Measure.RECOVERY_TIME, "10-30s").point)[1:2],
            false_alarms=("The prober's own way to Redis or PostgreSQL is broken, and the application's is not.",),
        ),
    ),
)
