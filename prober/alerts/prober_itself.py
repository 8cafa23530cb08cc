"""Alerts on the prober: gone, blind, late, held back, two that write; and the watchdog over all alerting."""

from __future__ import annotations

from prober.alerts.alert import Alert, Look, Runbook
from prober.alerts.labels import Severity, Subject
from prober.alerts.on_prober import LOG, STATUS, on_prober
from prober.alerts.promql import COUNT, KEPT, eq, held, increase, le, number, of, over
from prober.alerts.thresholds import LAG, LAG_BY, LATE, LATE_BY, NO_SUCCESS, RESTARTS
from prober.outcome import Dashboard, SkipReason
from prober.web.catalogue.probing import (
    EVENTS_DROPPED,
    JOURNAL_FAILURES,
    LOOP_LAG,
    MAINTENANCE,
    PAUSED,
    PROBE_LAST_SUCCESS,
    PROBE_LATENESS,
    PROBE_SKIPPED,
    PROBE_TIMEOUT,
    READY,
)

UP = "up"
STARTED = "process_start_time_seconds"


def _share_of_late() -> str:
    by = ("instance", "probe")
    total = increase(of(PROBE_LATENESS, suffix="_count"), "10m")
    in_time = increase(of(PROBE_LATENESS, le(PROBE_LATENESS, LATE_BY.value), suffix="_bucket"), "10m")
    skipped = over("sum", increase(of(PROBE_SKIPPED, eq("reason", SkipReason.OVERRUN)), "10m"), *by)
    late = over("sum", f"{total} - ignoring (le) {in_time}", *by)
    return f"({late} + {skipped})\n/ ({over('sum', total, *by)} + {skipped}) > {number(LATE.value)}"


def _share_of_lag() -> str:
    total = f"rate({of(LOOP_LAG, suffix='_count')}[10m])"
    quick = f"rate({of(LOOP_LAG, le(LOOP_LAG, LAG_BY.value), suffix='_bucket')}[10m])"
    return f"1 - {over('sum', quick, 'instance')} / {over('sum', total, 'instance')} > {number(LAG.value)}"


# None is in the scrape config; or some are, and none of a region is ready. Without a scrape `up` is 0.
_NOBODY = f"absent({of(UP)})\nor {over('max', of(UP))} unless {over('max', of(READY))} == 1"
_HELD_BACK = (
    f"unless on ({KEPT}) ({over('max', held(of(PAUSED)))} == 1 or {over('max', held(of(MAINTENANCE)))} == 1)"
)
# When it last found all well, or when its prober started where it never has.
_LAST = (
    f"({held(of(PROBE_LAST_SUCCESS))} or on (job, region, instance, probe) {held(of(PROBE_TIMEOUT))} * 0 + on "
    f"(job, region, instance) group_left () {held(of(STARTED))})"
)
_AGE = over("min", f"time() - {_LAST}", "probe")

ALERTS: tuple[Alert, ...] = (
    on_prober(
        "ProberAbsent",
        _NOBODY,
        Severity.CRITICAL,
        "nobody watches: no prober is there and ready",
        (
            "For 2 minutes no prober was scraped that is alive and has run its probes{{ if eq $value 0.0 }}; none "
            "can be scraped at all{{ end }}. Whether ordering works is not known; other alerts are not silenced "
            "by this, but cannot fire either."
        ),
        Runbook(
            means=(
                "Prometheus sees no prober that is up and ready: it is gone, cannot be scraped, is frozen, or "
                "has not run its probes once. In one Prometheus for several regions this fires for each region "
                "that has no prober left; `ProberInstanceDown` tells of each prober."
            ),
            look=(Look("who is scraped", of(UP)), Look("who is ready", of(READY)), LOG),
            causes=(
                "The process ended: exit code 3 says that it could not run (its log has the sentence).",
                "Address, TLS or basic auth of the scrape changed.",
                "A bad config: the daemon does not start on one (`prober config check`).",
            ),
            do=("Start it. Until then look at the target's own signs: its log, Twilio's error log.",),
            false_alarms=("The job has another name than `prober` in the Prometheus config.",),
            silence="Do not: while it lasts nothing else can page.",
        ),
        pending="2m",
    ),
    on_prober(
        "ProberInstanceDown",
        f"{of(UP)} == 0",
        Severity.WARNING,
        "the prober {{ $labels.instance }} cannot be scraped",
        (
            "The prober {{ $labels.instance }} has not answered a scrape for 2 minutes (up is {{ $value | "
            "humanize }})."
        ),
        Runbook(
            means="One prober does not answer scrapes. Others may watch; `ProberAbsent` says when none does.",
            look=(Look("who is scraped", of(UP)), LOG),
            causes=("The process or its machine is gone.", "Address, TLS or basic auth of the scrape changed."),
            do=("Start it; with an election another one has taken over meanwhile.",),
            false_alarms=("An instance that was removed on purpose and is still in the scrape config.",),
        ),
        pending="2m",
        keeps=("instance",),
    ),
    on_prober(
        "ProberNotReady",
        f"{held(of(READY))} == 0",
        Severity.WARNING,
        "the prober {{ $labels.instance }} is not ready",
        (
            "The prober {{ $labels.instance }} answers scrapes, but its probing process is stuck or some probe "
            "has not had its turn since the start (prober_ready is {{ $value | humanize }})."
        ),
        Runbook(
            means=(
                "`/-/healthy` or `/-/ready` of this prober says no: it is frozen, or the first run of a probe has "
                "not ended. What is left out for a reason (a pause, another leader, a database that is down) does "
                "not count."
            ),
            look=(Look("its own sentence", "curl http://PROBER/-/ready; curl http://PROBER/-/healthy"), LOG),
            causes=("The process is stopped or starved of CPU.", "A probe hangs in its first run."),
            do=("Read the sentence of `/-/ready`; restart it if it is stuck, and keep its log.",),
            false_alarms=("None: all probes have their first turn within seconds of the start.",),
        ),
        pending="10m",
        keeps=("instance",),
    ),
    on_prober(
        "ProberBehindSchedule",
        _share_of_late(),
        Severity.WARNING,
        "the {{ $labels.probe }} probe falls behind its schedule",
        (
            "{{ $value | humanizePercentage }} of the runs of {{ $labels.probe }} on {{ "
            f"$labels.instance }}}} started more than {LATE_BY.value:g} s late, or not at all, in 10 minutes; "
            f"this fires above {LATE.value:.0%}."
        ),
        Runbook(
            means=(
                "The prober does not probe as often as it should, so outages are seen late and rates rest on "
                "fewer samples. It belongs to the guide's `LowWebhookThroughput`: the rate of a prober's "
                "webhooks says whether the prober keeps up, and nothing of the target's capacity."
            ),
            look=(
                Look(
                    "skipped runs by reason",
                    'sum by (probe, reason) (increase(prober_probe_skipped_total{job="prober"}[10m]))',
                ),
                Look("its CPU", 'rate(process_cpu_seconds_total{job="prober"}[5m])'),
            ),
            causes=(
                "The machine is short of CPU, or the process is throttled (cgroup limits).",
                "Runs take longer than their interval: a target that hangs, with `timeout` near `interval`.",
            ),
            do=("Give it CPU; or lengthen the interval of that probe.",),
            false_alarms=("The target hangs: then its own alert has paged.",),
        ),
        pending="5m",
        keeps=("instance", "probe"),
    ),
    on_prober(
        "ProberLoopLagging",
        _share_of_lag(),
        Severity.WARNING,
        "the prober {{ $labels.instance }} is slow itself",
        "{{ $value | humanizePercentage }} of the timers of {{ $labels.instance }} fired more than "
        f"{LAG_BY.value * 1000:g} ms late in the last 10 minutes: that much its latencies may be too high.",
        Runbook(
            means="The event loop of the prober lags, so a part of the latency that it measures is its own.",
            look=(
                Look("lag", of(LOOP_LAG, suffix="_bucket")),
                Look("its CPU", 'rate(process_cpu_seconds_total{job="prober"}[5m])'),
            ),
            causes=("Too little CPU, a busy neighbour, a laptop that sleeps.",),
            do=("Move it to a machine that has a core to spare. Until then distrust latencies, not outages.",),
            false_alarms=("A load suite runs on the same machine.",),
        ),
        pending="10m",
        keeps=("instance",),
    ),
    on_prober(
        "ProbeWithoutSuccess",
        f"{_AGE} > {number(NO_SUCCESS.value)}\n{_HELD_BACK}",
        Severity.WARNING,
        "no good run of {{ $labels.probe }} for {{ $value | humanizeDuration }}",
        (
            "The probe {{ $labels.probe }} has had no good run for at least {{ $value | humanizeDuration }}, on "
            "no instance."
        ),
        Runbook(
            means=(
                f"A probe has not once found all well for {NO_SUCCESS.value / 60:g} minutes, or not since the "
                "start, and not in the 15 minutes after: after a pause, an outage or a change of the leader the "
                "rarest checks need up to 10 minutes for their next turn. Where an outage explains it this is "
                "held back; else it is mostly something that the probe itself needs."
            ),
            look=(
                Look(
                    "how its runs ended",
                    'sum by (probe, outcome) (increase(prober_probe_runs_total{job="prober"}[30m]))',
                ),
                Look(
                    "why runs are skipped",
                    'sum by (probe, reason) (increase(prober_probe_skipped_total{job="prober"}[30m]))',
                ),
                STATUS,
            ),
            causes=(
                "`auth`, `denied`, `missing_schema`: a password, a grant or our schema (`prober doctor`).",
                "`violation` every time: it has paged, and may be acknowledged.",
                "`rate_limited`, or skipped by our own cap.",
            ),
            do=("`prober doctor` says which setting mends it.",),
            false_alarms=("A probe with an interval of more than 30 minutes.",),
        ),
        pending="15m",
        keeps=("probe",),
    ),
    on_prober(
        "ProberJournalFailing",
        f"{over('sum', increase(of(JOURNAL_FAILURES), '15m'), 'instance', 'reason')} > 0.5",
        Severity.WARNING,
        "the journal of {{ $labels.instance }} fails: {{ $labels.reason }}",
        f"Entries of the journal of {{{{ $labels.instance }}}} that failed in 15 minutes: {COUNT} "
        "({{ $labels.reason }}). Probing goes on; after a restart it would not know what is missing.",
        Runbook(
            means=(
                "Evidence cannot be written or read. Violations are counted all the same, but would not survive "
                "a restart."
            ),
            look=(Look("reasons", of(JOURNAL_FAILURES)), LOG),
            causes=("`full`: the disk or `journal.max_size`.", "`io`, `corrupt`: the disk."),
            do=("Make room. A damaged journal is set aside by itself, and its name is in the log.",),
            false_alarms=("None.",),
        ),
        at_once="an entry that failed is gone",
        keeps=("instance", "reason"),
    ),
    on_prober(
        "ProberEventsDropped",
        f"{over('sum', increase(of(EVENTS_DROPPED), '15m'), 'instance')} > 0.5",
        Severity.WARNING,
        "metrics of {{ $labels.instance }} miss results",
        (
            f"Ordinary results of {{{{ $labels.instance }}}} that did not reach its metrics in 15 minutes: "
            f"{COUNT}. Violations are never among them."
        ),
        Runbook(
            means=(
                "The web process did not read for a long time, so ordinary results were dropped from the metrics."
            ),
            look=(LOG, Look("its CPU", 'rate(prober_web_process_cpu_seconds_total{job="prober"}[5m])')),
            causes=("The web process was stopped or starved of CPU.",),
            do=("Restart the prober; counters begin anew, violations are restored.",),
            false_alarms=("None.",),
        ),
        at_once="a result that was dropped is gone",
        keeps=("instance",),
    ),
    on_prober(
        "ProberRestartsOften",
        f"changes({of(STARTED)}[1h]) >= {number(RESTARTS.value)}",
        Severity.WARNING,
        "{{ $labels.instance }} was started {{ $value | humanize }} times in an hour",
        (
            "The prober {{ $labels.instance }} was started {{ $value | humanize }} times within an hour: "
            "something ends it."
        ),
        Runbook(
            means=(
                "The prober starts again and again. Each start misses some seconds, and outages that are that "
                "short."
            ),
            look=(LOG, Look("starts", f"changes({of(STARTED)}[1h])")),
            causes=(
                "Out of memory (a limit too low).",
                "Its port is taken, or its web process cannot run: exit code 3.",
                "A fault of prober.",
            ),
            do=("The last lines before each end say why.",),
            false_alarms=("Somebody tries out configs.",),
        ),
        at_once="it counts over an hour",
        keeps=("instance",),
    ),
    Alert(
        name="Watchdog",
        expr="vector(1)",
        severity=Severity.NONE,
        subject=Subject.PROBER,
        at_once="it fires always",
        summary="alerting works",
        description=(
            "This fires always ({{ $value | humanize }}). When it stops arriving, Prometheus or Alertmanager is "
            "broken."
        ),
        dashboard=Dashboard.OVERVIEW,
        runbook=Runbook(
            means=(
                "Prometheus evaluates rules, and Alertmanager delivers. Have something outside page when it is "
                "not heard for 5 minutes."
            ),
            look=(Look("alerts that fire", 'ALERTS{alertname="Watchdog"}'),),
            causes=("If it is missing: Prometheus, Alertmanager, or the way between them and the receiver.",),
            do=("Look at `/-/ready` of both, and at Alertmanager's log for failed notifications.",),
            false_alarms=("None.",),
            silence="Never.",
        ),
    ),
)
