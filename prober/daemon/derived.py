"""What the daemon's parts are told that no setting says by itself: worked out of the config and the contract."""

from __future__ import annotations

from prober.config.model import Config
from prober.contract import Contract
from prober.daemon.watch import FRESH_INTERVALS
from prober.judge.sweep import Limits
from prober.outcome import ProbeName
from prober.publish.journal.retention import Keep


def keep_of(config: Config) -> Keep:
    """How long the journal keeps what."""
    return Keep(
        results=config.journal.retention,
        violation_hold=config.violations.violation_hold,
        max_bytes=config.journal.max_size,
    )


def limits_of(config: Config) -> Limits:
    """How long a row of ours may still be in use, so that no sweep touches it before."""
    probes = config.probes
    return Limits.of(
        longest_timeout=max(probes.race.timeout, probes.webhook.timeout),
        deadline=probes.webhook.processing_deadline,
        orphan_age=config.cleanup.orphan_age,
    )


def race_fresh_for(config: Config) -> float:
    """For how long (seconds) the result of a race says something of now."""
    return FRESH_INTERVALS * config.probes.race.interval + config.probes.race.timeout


def covers_of(contract: Contract) -> dict[str, tuple[ProbeName, ...]]:
    """What each health page speaks of, by its path."""
    return {page.path: page.covers for page in contract.health.pages}
