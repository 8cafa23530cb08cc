"""Alerts on what the prober writes, and what holds it back: pauses, maintenance, leaders, caps, leftovers."""

from __future__ import annotations

from prober.alerts.alert import Alert, Look, Runbook
from prober.alerts.labels import Severity
from prober.alerts.on_prober import LOG, on_prober
from prober.alerts.promql import COUNT, held, increase, number, of, over
from prober.alerts.thresholds import CAP_HITS
from prober.web.catalogue.probing import LEADER, LEFTOVERS, MAINTENANCE, PAUSED, RATE_CAP_HITS, RELOAD_OK

ALERTS: tuple[Alert, ...] = (
    on_prober(
        "ProberReloadFailed",
        f"{held(of(RELOAD_OK))} == 0",
        Severity.WARNING,
        "{{ $labels.instance }} refused its new config",
        (
            "The last reload of {{ $labels.instance }} was refused ({{ $value | humanize }}); the config before "
            "it stays in force."
        ),
        Runbook(
            means=(
                "A changed config was read and is wrong, or changes something that needs a restart. Nothing of "
                "it is in force."
            ),
            look=(LOG, Look("what is wrong, with line and column", "prober config check")),
            causes=(
                "A typing error; a secret that is not in the environment.",
                "A key that cannot change while it runs.",
            ),
            do=("Mend it and reload; or restart, if the log names keys that want it.",),
            false_alarms=("None.",),
        ),
        pending="1m",
        keeps=("instance",),
    ),
    on_prober(
        "ProberLeftovers",
        f"{over('max', held(of(LEFTOVERS)), 'kind')} > 0",
        Severity.WARNING,
        "{{ $value | humanize }} synthetic {{ $labels.kind }} are left in the target",
        (
            "{{ $value | humanize }} synthetic {{ $labels.kind }} that should be gone are still in the target "
            "after 30 minutes of sweeps."
        ),
        Runbook(
            means=(
                "Rows or keys of ours could not be removed. They are marked and harm nobody, but should not be "
                "there."
            ),
            look=(Look("what", of(LEFTOVERS)), Look("what would be removed", "prober cleanup --dry-run")),
            causes=(
                "A grant to delete is missing.",
                "A lock, or a foreign key that a new version of the target added.",
            ),
            do=("`prober cleanup`; if it fails it says why.",),
            false_alarms=("A pause or a maintenance window: sweeps wait for its end.",),
        ),
        pending="30m",
        keeps=("kind",),
    ),
    on_prober(
        "ProberPausedTooLong",
        f"{over('max', held(of(PAUSED)))} == 1",
        Severity.WARNING,
        "the prober has been paused for 2 hours",
        (
            "A pause has held back all writes for 2 hours ({{ $value | humanize }}): webhooks are not followed, "
            "no race is run."
        ),
        Runbook(
            means="Somebody paused the prober. Outages are still seen; loss, duplicates and races are not.",
            look=(Look("until when and why", "prober status"),),
            causes=("`prober pause`, SIGUSR1, `pause.json`, or `pause:` in the config.",),
            do=("`prober resume`, if the reason is over.",),
            false_alarms=("A long pause that is meant: silence this until its end.",),
        ),
        pending="2h",
    ),
    on_prober(
        "MaintenanceTooLong",
        f"{over('max', held(of(MAINTENANCE)))} == 1",
        Severity.WARNING,
        "maintenance has lasted for 8 hours",
        (
            "A maintenance window has been open for 8 hours ({{ $value | humanize }}). While it is, outages and "
            "what follows from them page nobody."
        ),
        Runbook(
            means="A window of `maintenance:` in the config is open for unusually long, and holds alerts back.",
            look=(Look("which and why", "prober status"),),
            causes=("A wrong duration, date or time zone.",),
            do=("Mend the window and reload.",),
            false_alarms=("Work that really takes that long.",),
        ),
        pending="8h",
    ),
    on_prober(
        "MaintenanceUnderWay",
        f"{over('max', held(of(MAINTENANCE)))} == 1",
        Severity.NONE,
        "a maintenance window is open",
        "A maintenance window of the prober's config is open ({{ $value | humanize }}): outages, latency and what "
        "follows page nobody; violations and the prober's own alerts do.",
        Runbook(
            means=(
                "This is sent to nobody. Alertmanager holds back by it what planned work breaks; violations never."
            ),
            look=(Look("which and why", "prober status"),),
            causes=("`maintenance:` in the config.",),
            do=("Nothing.",),
            false_alarms=("None.",),
        ),
        at_once="it holds back what the work breaks, and has to be there before",
    ),
    on_prober(
        "TwoLeaders",
        f"{over('sum', held(of(LEADER)))} > 1",
        Severity.CRITICAL,
        "{{ $value | humanize }} probers write at once",
        (
            "{{ $value | humanize }} probers say that they may write to the target. With an election that cannot "
            "be; without one it means that two probers of the same target run without knowing of each other."
        ),
        Runbook(
            means=(
                "More than one prober of this job and region writes. With `election: enabled` the lease is "
                "broken (writes are fenced in the statement all the same); without, two probers watch one target "
                "and may exceed its limits."
            ),
            look=(Look("who", of(LEADER) + " == 1"), Look("the lease", "SELECT * FROM prober.lease;")),
            causes=(
                "A second prober was started without `election: enabled`.",
                "Replicas with different `election.name`, or on different databases.",
            ),
            do=("Stop all but one, or enable the election in all of them.",),
            false_alarms=(
                (
                    "Probers of different targets in one job and region: give each target a `region` or a job of "
                    "its own."
                ),
            ),
        ),
        pending="1m",
    ),
    on_prober(
        "NoLeader",
        f"{over('sum', held(of(LEADER)))} == 0",
        Severity.WARNING,
        "no prober may write",
        "{{ $value | humanize }} of the live probers hold the lease: no webhook is followed and no race is run.",
        Runbook(
            means="All replicas watch, none writes: the lease is held by nobody who is scraped.",
            look=(Look("the lease", "SELECT * FROM prober.lease;"), LOG),
            causes=(
                "The database is down: its own alert has paged.",
                "The holder lives but cannot be scraped.",
                "No grant on `prober.lease`.",
            ),
            do=("`prober doctor` on one of them.",),
            false_alarms=("None.",),
        ),
        pending="2m",
    ),
    on_prober(
        "ProberCapHit",
        f"{over('max', increase(of(RATE_CAP_HITS), '15m'))} > {number(CAP_HITS.value - 0.5)}",
        Severity.WARNING,
        "our own caps keep probes back",
        (
            f"Runs that our own caps on requests kept back in 15 minutes: {COUNT}. No harm to the target, but "
            "probes are missing."
        ),
        Runbook(
            means="What the probes want exceeds `cap:` or half of `target.rate_limit`; what is more is skipped.",
            look=(
                Look(
                    "who is skipped",
                    'sum by (probe) (increase(prober_probe_skipped_total{job="prober",reason="cap"}[15m]))',
                ),
            ),
            causes=(
                "Several probes came together at a burst that is too small.",
                "A target that answers late keeps places in flight.",
            ),
            do=("Raise `cap.burst`, or lengthen intervals.",),
            false_alarms=("A schedule of suites that runs within the same caps.",),
        ),
        at_once="three within a quarter of an hour are what is waited for",
    ),
)
