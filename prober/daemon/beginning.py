"""What a daemon begins with: what it says of itself, and the outages of an earlier life that it goes on with."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import urlsplit

from prober.clock import Instant
from prober.config.model import Config
from prober.contract import Contract
from prober.daemon.assembly import Assembled
from prober.daemon.watch import Watched
from prober.event import Outage, Started
from prober.judge.outage import Tracking
from prober.outcome import Leftover, OutageState, ProbeName
from prober.publish.journal.restore import Restored


def started(
    config: Config, contract: Contract, assembled: Assembled, restored: Restored, began: Instant
) -> Started:
    """What the prober says of itself, at its start and after a reload."""
    dsn = config.probes.database.dsn
    return Started(
        instance=config.instance,
        at=began,
        environment=config.target.environment.value,
        probes={w.probe.name: w.timing.timeout for w in assembled.watched},
        queues=contract.queues.names if config.probes.redis.enabled else (),
        datname=None if dsn is None else urlsplit(dsn.get_secret_value()).path.lstrip("/") or None,
        recovery_hold=config.outages.recovery_hold,
        pages=tuple(page.path for page in contract.health.pages),
        routes=tuple(route.name for route in contract.health.routes),
        leftover_kinds=_leftover_kinds(assembled),
        violations=restored.violations,
        last_violations=restored.last_violations,
        lost=restored.lost,
        late=restored.late,
        suites=restored.suites,
        violation_hold=config.violations.violation_hold,
        recent_outages=(*restored.recent_outages, *open_outages(assembled, restored)),
    )


def open_outages(assembled: Assembled, restored: Restored) -> tuple[Outage, ...]:
    """The outages under way of what is still watched: of a probe that was taken out, nobody would see the end."""
    tracked = {watched.probe.name for watched in assembled.watched if watched.tracking is not None}
    return tuple(outage for outage in restored.open_outages if outage.probe in tracked)


def resumed(watched: Watched, restored: Restored) -> Watched:
    """Go on with an outage that was under way when the prober ended."""
    for outage in restored.open_outages:
        if outage.probe is watched.probe.name and watched.tracking is not None:
            tracking = Tracking(probe=outage.probe, state=OutageState.DOWN, outage=outage, last_bad=outage.began)
            return replace(watched, tracking=tracking)
    return watched


def _leftover_kinds(assembled: Assembled) -> tuple[Leftover, ...]:
    """What can be seen of what is left: rows by a witness, keys by the Redis probe itself."""
    rows = () if assembled.witness is None else (Leftover.ORDERS, Leftover.MESSAGES)
    redis = any(watched.probe.name is ProbeName.REDIS for watched in assembled.watched)
    return (*rows, Leftover.KEYS) if redis else rows
