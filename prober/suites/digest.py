"""What a daemon wants to know of a results file: `python -m prober.suites.digest FILE`, a process of its own.

A results file is megabytes of what others wrote. Parsed in the prober process it would hold the interpreter, and
so add to the latency that a probe is measuring at that moment. Here it costs the probes nothing, and what comes
out is small: one line of JSON.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from prober.outcome import RaceOutcome
from prober.suites.results import Results, ResultsError, read
from prober.suites.results_race import Race, RaceDetail

# A file larger than this is set aside; the largest of ours, a stress race that convicts in each race, has 15 MB.
LARGEST = 64 << 20
# So many violations of one run are kept one by one, and so many with the whole evidence; the file has the rest.
MOST_VIOLATIONS = 200
MOST_EVIDENCE = 10
MOST_NOTES, LONGEST_NOTE = 20, 1000
NICENESS = 10


def digest(results: Results) -> dict[str, object]:
    """The small document; `violations` in the order of the races."""
    judgement = results.judgement
    violations = _violations(results)
    return {
        "run_id": results.run_id,
        "suite": results.suite,
        "scenario": results.scenario,
        "started": _unix(results.started),
        "ended": _unix(results.ended),
        "duration": results.duration_seconds,
        "ending": results.ending,
        "verdict": judgement.verdict,
        "sentence": results.sentence[:LONGEST_NOTE],
        "environment": results.target.environment,
        "measures": {name: value for name, value in results.measures.items() if value is not None},
        "verdicts": {row.measure: row.verdict for row in judgement.breaking_points if row.verdict is not None},
        "notes": [note[:LONGEST_NOTE] for note in results.notes[:MOST_NOTES]],
        "convicted": len(violations),
        "violations": [
            _violation(race, whole=place < MOST_EVIDENCE)
            for place, race in enumerate(violations[:MOST_VIOLATIONS])
        ],
    }


def _violations(results: Results) -> list[Race]:
    if not isinstance(results.detail, RaceDetail):
        return []
    return [race for race in results.detail.races if RaceOutcome(race.outcome).is_violation]


def _violation(race: Race, *, whole: bool) -> dict[str, object]:
    evidence: Mapping[str, object] = race.evidence or {}
    released = evidence.get("released")
    wall = released.get("wall") if isinstance(released, dict) else None
    return {
        "run_id": race.run_id,
        "outcome": race.outcome,
        "sentence": race.sentence[:LONGEST_NOTE],
        "seconds": race.seconds,
        "released": wall if isinstance(wall, float | int) else None,
        "routing_id": str(evidence.get("routing_id", "")),
        "order_id": str(evidence.get("order_id", "")),
        "evidence": evidence if whole else None,
    }


def _unix(text: str) -> float:
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        raise ResultsError(f"expected a moment as 2026-11-24T09:00:00.000Z, found {text[:100]!r}") from None


def main(path: Path) -> int:
    """Print the digest; 1, and why on stderr, for a file that holds no results."""
    os.nice(NICENESS)
    try:
        if (size := path.stat().st_size) > LARGEST:
            raise ResultsError(f"found {size} bytes, expected at most {LARGEST}")
        print(json.dumps(digest(read(path)), allow_nan=False))
    except (ResultsError, OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
