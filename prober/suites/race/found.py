"""What a race suite has found so far, on disk race by race, so that one that is killed takes no violation along.

`data_dir/suites/RUN.found`, JSON lines: first the results of a run that has nothing yet, then each race. Whoever
writes it holds a lock on it (flock). `python -m prober.suites.race.found FOLDER` makes results of those that
nobody holds, as a daemon has it done, and the next race suite does itself.
"""

from __future__ import annotations

import fcntl
import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from prober.guide.judging import judge
from prober.outcome import Ending, RaceOutcome
from prober.result import RaceResult
from prober.suites.presence import FOUND, found_file
from prober.suites.race.figures import detail_of, race_of, rates
from prober.suites.results import Results, ResultsError, write
from prober.suites.results_race import Race, RaceDetail
from prober.suites.running import masked_value

NICENESS = 10


class Found:
    """Writes down each race of one run. What the disk does not take is said once, and the run goes on."""

    def __init__(
        self, folder: Path, nothing_yet: Results, redact: Callable[[str], str], say: Callable[[str], None]
    ) -> None:
        """`nothing_yet`: the results of this run, were it to end now; without secrets."""
        self._path = found_file(folder, nothing_yet.run_id)
        self._redact = redact
        self._say = say
        self._races = 0
        self._file = -1
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            self._file = os.open(self._path, flags, 0o600)
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._write(nothing_yet.model_dump_json())
        except OSError as error:
            self._give_up(error)

    def add(self, result: RaceResult) -> None:
        """One more race; on the disk itself when this returns, if it convicts."""
        race = race_of(self._races, result)
        self._races += 1
        if self._file < 0:
            return
        try:
            self._write(json.dumps(masked_value(race.model_dump(mode="json"), self._redact)))
            if race.outcome.is_violation:
                os.fsync(self._file)
        except OSError as error:
            self._give_up(error)

    def close(self) -> None:
        """Let go of it; who has written the results removes it."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _give_up(self, error: OSError) -> None:
        self._say(f"{self._path}: {error.strerror}; were this run killed now, what it finds would be lost")
        self.close()

    def _write(self, line: str) -> None:
        rest = memoryview(line.encode() + b"\n")
        while rest:
            rest = rest[os.write(self._file, rest) :]


def rescue(folder: Path) -> list[Results]:
    """Make results of every run that has not come to its end; those of living ones are left alone.

    What nobody can read is set aside. Raises OSError.
    """
    rescued = []
    for path in sorted(folder.glob(f"*{FOUND}")):
        with _unheld(path) as content:
            if content is None:
                continue
            results = path.with_suffix(".json")
            try:
                found = None if results.exists() else read_found(content, path.stat().st_mtime)
            except ResultsError:
                path.replace(f"{path}.bad")
                continue
            if found is not None:
                write(found, results)
                rescued.append(found)
            path.unlink(missing_ok=True)
    return rescued


def read_found(content: bytes, ended: float) -> Results | None:
    """The results of a run that ended at that moment (Unix time); None where no race of it was written down.

    A last line that was cut off says nothing.
    """
    lines = content.split(b"\n")[:-1]
    try:
        frame = Results.model_validate_json(lines[0]) if len(lines) > 1 else None
        races = [Race.model_validate_json(line) for line in lines[1:]]
    except ValueError as error:
        raise ResultsError(f"expected what `prober race` wrote as it went: {error}") from None
    if frame is None or not isinstance(frame.detail, RaceDetail):
        return None
    detail = detail_of(races, frame.detail.vendors, frame.detail.wanted)
    measures = rates([(race.outcome, race.seconds) for race in races])
    began = datetime.fromisoformat(frame.started).timestamp()
    return frame.model_copy(
        update={
            "ended": datetime.fromtimestamp(ended, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "duration_seconds": max(0.0, ended - began),
            "ending": Ending.FAILED,
            "sentence": _sentence(detail),
            "measures": measures,
            "judgement": judge(frame.suite, measures),
            "notes": ("its process ended without results; these are the races that it had written down",),
            "detail": detail,
        }
    )


def _sentence(detail: RaceDetail) -> str:
    convicted = [race for race in detail.races if race.outcome.is_violation]
    begins = f"ended in the middle, after {len(detail.races)} of {detail.wanted} races of {detail.vendors} vendors"
    if convicted:
        kinds = ", ".join(
            f"{count} {outcome}"
            for outcome, count in detail.outcomes.items()
            if count and RaceOutcome(outcome).is_violation
        )
        return (
            f"{begins}: {len(convicted)} of {detail.judged} judged convict the target ({kinds}), the first of "
            f"them: {convicted[0].sentence}"
        )
    judged = f"{detail.judged} judged, each with exactly one winner" if detail.judged else "none could be judged"
    return f"{begins}: {judged}"


@contextmanager
def _unheld(path: Path) -> Iterator[bytes | None]:
    """What is in a file that nobody holds; ours while the block is open. None for one that somebody holds."""
    try:
        file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        yield None
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(file)
        yield None
        return
    try:
        yield path.read_bytes() if path.exists() else None
    finally:
        os.close(file)


def main(folder: Path) -> int:
    """Rescue; 1, and why on stderr, where that cannot be done."""
    os.nice(NICENESS)
    try:
        rescue(folder)
    except OSError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
