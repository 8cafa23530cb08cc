"""docs/alerting.md: how alerting works here; what proofs have measured stays as it is."""

from __future__ import annotations

from collections.abc import Mapping

from prober.alerts.burn_rate import FAST, SLOS, SLOW, Burn
from prober.alerts.declarations import ALERTS, RECORDINGS
from prober.alerts.inhibitions import FOLLOWS
from prober.alerts.labels import Severity
from prober.alerts.promql import EVENTS
from prober.alerts.recording import QUANTILE_WINDOW
from prober.alerts.thresholds import DOWN_AFTER, OWN, PATH_DOWN_AFTER, RACES_ENOUGH
from prober.alerts.violations import REMEMBERED

# Parts of the page that proofs write, and the commands that do.
MEASURED: Mapping[str, str] = {"told": "make alerting", "quiet": "make quiet"}

_PER_HOUR = 360  # webhooks of one prober as shipped

_TEXT = """\
# Alerting

Written by `python -m prober.alerts`, the measured parts by `make alerting` and `make quiet`; do not edit.

| file | is |
|---|---|
| `alerts/*.rules.yml` | recording and alerting rules; thresholds are those of the guide, each exists once |
| `alerts/alertmanager.yml` | routes, grouping, inhibition; receivers are examples whose secrets are files |
| `alerts/prometheus.yml` | an example of a Prometheus config that fits the rules |
| `alerts/tests/*.yml` | unit tests for promtool, one set for each alert |
| [runbooks](runbooks/README.md) | one page for each alert: what it means, what to look at, what to do |
| [guide-coverage.md](guide-coverage.md) | what the guide asks for, what answers it, why it differs |

To use them: copy `alerts/` to Prometheus and Alertmanager, name the job `prober`, give `region`, put the
secrets in place, and write your own addresses into the links: `python -m prober.alerts --grafana URL
--runbooks URL DIRECTORY`. `prober demo` runs all of it, and prints each page as on-call would read it.

## Who is told what

{count} alerts. `severity="critical"` wakes on-call, with `wakes="false"` it is a ticket: critical by the
guide's table, and yet for the morning (results of suites; how long an outage took, once it is over).
`warning` is a ticket, `none` is sent to nobody. `subject` says what broke, and together with `region` is what
Alertmanager groups by.

A page comes after a scrape (at most 10 s), an evaluation (at most 10 s) and `group_wait` (5 s):

- *Redis or PostgreSQL dead*: {down:g} s after its first failed probe the outage counts, so the page comes 15
  to {worst:g} s after it. A restart of 5 s pages nobody; it is a ticket for the record (`RedisRestarted`,
  `DatabaseRestarted`) and on the status page with its exact length.
- *The webhook path*: from {path:g} s on, since one answer that never comes is an outage of 10 s.
- *A violation*: at once, at most 25 s after the verdict. It is in the journal before it is counted, so a
  `kill -9` in between loses nothing. It stays until `prober ack`, or `violation_hold` after it was last seen,
  and is repeated once a day at most. Nothing silences it but an acknowledgement: no outage, no maintenance,
  no drill. A prober that is away for less than {remembered} does not end it.
- *No vendor can accept*: after three races without an answer and five minutes without a verdict. The target in
  trouble is asked less and less often, down to once in ten minutes; the page goes on until a race is judged.

The receivers say what is wrong in the title (the first alert's summary, and how many more there are), and below
it each alert with its description, runbook and dashboard: what Alertmanager says by itself is labels alone.

Violations are counted by their kind, and open ones page. An acknowledged one does not; when the time of the
acknowledgement is over it does again.

## How few samples are enough

A prober sends {per_minute:g} webhooks a minute and one race, so percentages need care:

- *One slow answer never pages.* Over {window} there are 30 answers and their p99 is the slowest of them;
  beside the quantile at least {events} answers have to be that slow. With fewer answers (a prober that has
  just started, a longer interval) the same three are asked for. Without any answer the quantile is absent,
  not NaN and not 0.
- *Error rates* count one run of each interval (`prober_probe_samples_total`): during an outage the path is
  asked ten times as often, and counted by messages an outage of 5 s would be an error rate of 14 % of five
  minutes. At least {events} failures have to be in the window: 1 % of an hour is 3.6, 5 % of ten minutes is
  3, 0.1 % of six hours is 2.2. What a paged outage has done to a window is not paged once more; the price is
  that for as long as that window is (ten minutes, an hour, six) a share of errors of that size is not told.
- *Win rate*: from {races:g} judged races on. Below that single violations page as what they are.
- *Race time*: a mean over 15 races, and at least {events} slow ones.

`increase` extrapolates to the ends of its window, so three events read as 2.9 or 3.1: the rules ask for more
than 2.5.

### Budgets of the production targets

The targets that a prober's traffic can hold to account, as budgets over windows of two lengths at a time. The
long one says that it matters, the short one that it still goes on.

{burns}

Webhooks at {per_hour} an hour, so the smallest of these limits (0.1 % of three days) is 26 failures: that is
a target that low traffic can judge. 500 requests a second cannot be judged that way; the last load result is.
The targets of Redis and database recovery are single figures: what is missed by an outage is the warning or
critical row itself.

## What holds what back

Within one region, where causes fire:

{inhibitions}

Beside the region the queue, the scenario of a suite, or the prober has to be the same where both are told of one.
A missing route holds back only what goes that way. `ProberAbsent` holds back nothing of the target. Maintenance
windows of the prober's config (`maintenance:`) hold back what planned work breaks by the alert
`MaintenanceUnderWay`, drills by `DrillUnderWay`; the interval `maintenance` in `alerts/alertmanager.yml` is for
planned work that the prober does not know of. `prober pause` holds back no alert: it stops writes, and all outages
are still seen.

## Several probers

Rules aggregate over instances and keep `job` and `region`. An outage is one when at least half of the live
probers see it (one of two is half: with three, one broken network wakes nobody); open violations add up; of
backlogs and pool usage the largest counts. `region` is an external label in `alerts/prometheus.yml`: then it is
in no series, and Prometheus adds it to each alert on its way to Alertmanager. One Prometheus for several regions
gives it to the targets instead, and the same rules keep it.
Every selector has `job="prober"`, so what an application exports under the same names changes nothing.

## A missed scrape

Prometheus marks every series stale when a scrape fails. Gauges are therefore read over the last 40 s (four
scrapes): a missed scrape neither resolves an alert nor fires one, and a prober that is gone no longer has a
say after that, but for the violations that it told of ({remembered}). Counters are read over minutes. A restart
of the prober sets ordinary counters back, which `increase` knows; those of violations and losses are restored
from the journal.

## Thresholds of our own

The guide's are in [breaking-points.md](breaking-points.md). These it does not name:

{own}

## Recorded

{recorded}

## Measured: who is told of what

{told}

## Measured: nobody is told of nothing

{quiet}
"""


def alerting_text(before: str) -> str:
    """The page; the measured parts are taken from `before`, the page as it stands."""
    return _TEXT.format(
        count=len([alert for alert in ALERTS if alert.severity is not Severity.NONE]),
        down=DOWN_AFTER.value,
        worst=DOWN_AFTER.value + 25,
        path=PATH_DOWN_AFTER.value,
        per_minute=_PER_HOUR / 60,
        per_hour=_PER_HOUR,
        window=QUANTILE_WINDOW,
        events=EVENTS,
        remembered=REMEMBERED,
        races=RACES_ENOUGH.value,
        burns=_burns(),
        inhibitions="\n".join(f"- `{cause}`: {', '.join(follows)}" for cause, follows in FOLLOWS.items()),
        own=_own(),
        recorded=_recorded(),
        **{name: _part(name, measured_part(before, name) or _not_yet(name)) for name in MEASURED},
    )


def measured_part(page: str, name: str) -> str:
    """What stands between the two marks of a part; empty where they are not there."""
    _, found, rest = page.partition(_begin(name))
    return rest.partition(_end(name))[0].strip("\n") if found else ""


def with_measured(page: str, name: str, measured: str) -> str:
    """The page with another measured part."""
    head, _, rest = page.partition(_begin(name))
    return f"{head}{_part(name, measured.strip())}{rest.partition(_end(name))[2]}"


def _part(name: str, text: str) -> str:
    return f"{_begin(name)}\n{text}\n{_end(name)}"


def _begin(name: str) -> str:
    return f"<!-- {name}: begin -->"


def _end(name: str) -> str:
    return f"<!-- {name}: end -->"


def _not_yet(name: str) -> str:
    return f"Not measured yet: `{MEASURED[name]}` writes this part."


def _burns() -> str:
    lines = [
        "| alerts | budget | bad | fires at (long, short window; at least so many bad) |",
        "|---|---|---|---|",
    ]
    for slo in SLOS:
        for name, burns in (("Fast", FAST), ("Slowly", SLOW)):
            legs = "; ".join(_leg(burn, slo.budget) for burn in burns)
            lines.append(f"| `{slo.name}Burns{name}` | {slo.budget:.1%} | {slo.bad} | {legs} |")
    return "\n".join(lines)


def _leg(burn: Burn, budget: float) -> str:
    return f"> {burn.factor * budget:.2%} ({burn.long}, {burn.short}; {burn.events})"


def _own() -> str:
    lines = ["| threshold | value | because |", "|---|---|---|"]
    lines += [f"| {each.name} | {each.value:g} {each.unit} | {each.why} |" for each in OWN]
    return "\n".join(lines)


def _recorded() -> str:
    names: dict[str, str] = {}
    for each in RECORDINGS:
        names.setdefault(each.record, each.why)
    return "\n".join(f"- `{name}`: {why}" for name, why in names.items())
