"""What `/api/v1/status` says, as values that JSON can say.

Lengths and ages are seconds on the monotonic clock, moments are Unix seconds. What is not known is null, never 0.
"""

from __future__ import annotations

import prober
from prober.clock import Instant
from prober.event import JournalFailed, Outage, StandingViolation, WinRate
from prober.outcome import ProbeName, SkipReason
from prober.web.board import Board, Unanswered
from prober.web.suites import finished_document, running_document


def status_document(board: Board, at: Instant, boot: float) -> dict[str, object] | None:
    """All that the board knows at this moment, on the clock of leases too; None before the prober has started."""
    started, now = board.started, at.mono
    if started is None:
        return None
    return {
        "instance": started.instance,
        "version": prober.__version__,
        "environment": started.environment,
        "at": at.wall,
        "started": started.at.wall,
        "uptime_seconds": max(0.0, now - started.at.mono),
        "trouble": board.trouble(now),
        "writes_held_back": board.restricted,
        "journal_trouble": None if board.journal_trouble is None else _journal(board.journal_trouble),
        "probes": {str(probe): _probe(board, probe, now) for probe in started.probes},
        "held_back": _held_back(board, boot),
        "outages": {
            "under_way": [_outage(outage, now) for outage in board.outages.values()],
            "recent": [_outage(outage, now) for outage in reversed(board.recent_outages)],
        },
        "violations": _violations(board),
        "win_rate": _win_rate(board.win_rate, now),
        "unanswered_races": _unanswered(board.unanswered, now),
        "webhooks": {"lost": board.lost, "late": board.late},
        "election": _election(board, boot),
        "suites": {
            "running": running_document(board.suite_running),
            "last": [
                finished_document(one)
                for one in sorted(board.suites.values(), key=lambda one: one.ended_wall, reverse=True)
            ],
        },
    }


def _journal(failed: JournalFailed) -> dict[str, object]:
    return {"reason": failed.reason, "detail": failed.detail}


def _election(board: Board, boot: float) -> dict[str, object] | None:
    """Who writes, and since when as far as this prober saw; None without an election."""
    writer = board.writer(boot)
    if writer is None:
        return None
    return {"leading": writer.ours, "holder": writer.instance, "fence": writer.fence, "since": writer.since}


def _probe(board: Board, probe: ProbeName, now: float) -> dict[str, object] | None:
    """The last run; None: it has not run yet. A stale one says nothing of now."""
    run, failing = board.last_runs.get(probe), board.failing_since.get(probe)
    if run is None:
        return None
    result = run.result
    return {
        "ok": result.ok,
        "outcome": str(result.outcome),
        "detail": result.detail,
        "run_id": result.run_id,
        "started": result.started.wall,
        "duration_seconds": result.duration,
        "age_seconds": max(0.0, now - result.finished_mono),
        "stale": now > run.fresh_until,
        "failing_since": None if failing is None else failing.wall,
    }


def _outage(outage: Outage, now: float) -> dict[str, object]:
    return {
        "id": outage.id,
        "probe": str(outage.probe),
        "cause": str(outage.cause),
        "detail": outage.detail,
        "began": outage.began.wall,
        "ended": None if outage.ended is None else outage.ended.wall,
        "seconds": max(0.0, now - outage.began.mono) if outage.duration is None else outage.duration,
        "uncertainty_seconds": outage.uncertainty,
    }


def _violations(board: Board) -> dict[str, object]:
    stand = board.stand
    return {
        "open": None if stand is None else {str(kind): count for kind, count in stand.open.items()},
        "known": None if stand is None else {str(kind): count for kind, count in stand.known.items()},
        "newest": [] if stand is None else [_standing(one) for one in stand.newest],
        "total": {str(kind): count for kind, count in board.violations.items()},
    }


def _standing(one: StandingViolation) -> dict[str, object]:
    return {
        "id": one.found.id,
        "kind": str(one.found.kind),
        "at": one.found.at.wall,
        "sentence": one.found.sentence,
        "standing": str(one.standing),
        "until": one.until_wall,
        "reason": one.reason,
    }


def _held_back(board: Board, boot: float) -> dict[str, object]:
    """Why probes have not run since they last did, as far as that still holds."""
    writer = board.writer(boot)
    elsewhere = writer is not None and not writer.ours
    return {
        str(probe): str(why)
        for probe, why in board.held_back.items()
        if (elsewhere if why is SkipReason.NOT_LEADER else board.restricted is not None)
    }


def _unanswered(found: Unanswered | None, now: float) -> dict[str, object] | None:
    """Races in a row, up to the last, in which no vendor got a sure answer; None: the last one had some."""
    if found is None:
        return None
    return {"races": found.races, "since": found.since.wall, "seconds": max(0.0, now - found.since.mono)}


def _win_rate(rate: WinRate | None, now: float) -> dict[str, object] | None:
    if rate is None or now > rate.fresh_until:
        return None
    return {"value": rate.value, "judged": rate.judged, "unjudged": rate.unjudged}
