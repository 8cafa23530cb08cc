"""What a run found that a correct system never does (SPEC 5), as sentences; empty when there is nothing."""

from __future__ import annotations

from prober.outcome import Verdict
from prober.suites.results import Results
from prober.suites.results_drill import DrillDetail
from prober.suites.results_load import LoadDetail
from prober.suites.results_race import RaceDetail


def violations(results: Results) -> tuple[str, ...]:
    """One sentence for each kind of violation, with its count."""
    match results.detail:
        case RaceDetail(outcomes=outcomes, races=races):
            counts = {outcome: n for outcome, n in outcomes.items() if n and outcome.is_violation}
            first = {race.outcome: race for race in reversed(races)}
            held = sum(outcomes.values())
            return tuple(
                f"{outcome}: {n:,} of {held:,} races, the first is race {first[outcome].index}"
                if outcome in first
                else f"{outcome}: {n:,} of {held:,} races"
                for outcome, n in counts.items()
            )
        case LoadDetail(effects=effects) if effects is not None:
            return _messages(effects.accepted, effects.lost, effects.repeated)
        case DrillDetail(followed=followed) if followed is not None:
            return _messages(followed.accepted, followed.lost, followed.repeated)
        case _:
            return ()


def is_critical(results: Results) -> bool:
    """Whether a command that shows these results ends with exit code 1 (SPEC 3)."""
    return results.judgement.verdict is Verdict.CRITICAL or bool(violations(results))


def _messages(accepted: int, lost: int, repeated: int) -> tuple[str, ...]:
    said = []
    if lost:
        said.append(f"lost_message: {lost:,} of {accepted:,} accepted messages never had their effect")
    if repeated:
        said.append(f"duplicate_effect: {repeated:,} of {accepted:,} accepted messages had more than one effect")
    return tuple(said)
