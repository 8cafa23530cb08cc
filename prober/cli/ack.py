"""`prober ack`: a violation, or a whole kind of them, is known: shown, not paging, until that expires."""

from __future__ import annotations

import sys
from pathlib import Path

from prober.cli import exits
from prober.cli.known import listed, nearest
from prober.cli.settings import read_settings
from prober.clock import now
from prober.judge.violations import Suspension, renewed
from prober.outcome import Violation
from prober.publish.journal.backlog import Write
from prober.publish.journal.entries import Acknowledgement
from prober.publish.journal.file import JournalError, JournalFile
from prober.publish.journal.reader import Reader, UnreadableError
from prober.publish.journal.restore import read_boot_id
from prober.publish.journal.statements import Encoder
from prober.publish.printable import printable, utc

# A running daemon writes in transactions of some milliseconds (seconds).
LOCK_WAIT = 5.0
LOOKED_AT = 1_000


def acknowledge(path: Path, what: str, *, seconds: float, reason: str) -> int:
    """Write it into the journal; a running daemon takes it from there."""
    reason = reason.strip()
    if not reason:
        return _refuse("expected a --reason that says why this need not wake anybody; got an empty one")
    settings = read_settings(path)
    if settings is None:
        return exits.BAD_USAGE
    config = settings.config
    at = now()
    wanted = Suspension(what=what, began=at.wall, ends=at.wall + seconds, reason=reason)
    reader = Reader(config.data_dir)
    try:
        if what not in set(Violation) and reader.violation(what) is None:
            return _refuse(_unknown(reader, what))
        before = [
            Suspension(what=one.what, began=one.at_wall, ends=one.until_wall)
            for one in reader.acknowledgements(what)
        ]
    except UnreadableError as error:
        return _could_not(f"{error}; give the --config of the prober that found it")
    finally:
        reader.close()
    covering = renewed(next(iter(before), None), wanted, config.violations.violation_hold)
    # The beginning may lie before `at`; acknowledgements are told by the wall clock alone.
    acknowledgement = Acknowledgement(
        what=what, at=at.later(at.mono + covering.began - at.wall), until_wall=covering.ends, reason=reason
    )
    file = JournalFile(config.data_dir, Encoder(read_boot_id(), settings.redact), lock_wait=LOCK_WAIT)
    try:
        refused = file.write([Write((acknowledgement,))], (), synced=True)
    except JournalError as error:
        return _could_not(error.detail)
    finally:
        file.close()
    if refused:
        return _could_not("the journal cannot hold this acknowledgement; try a shorter, plainer --reason")
    print(f"{what} is known until {utc(covering.ends)}: shown, not paging; then it pages again")
    return exits.FINE


def _unknown(reader: Reader, what: str) -> str:
    ids = [one.id for one in reader.violations(limit=LOOKED_AT)]
    kinds = [kind.value for kind in Violation]
    return (
        f"no violation and no kind of them is called {printable(what)!r}{nearest(what, [*kinds, *ids])}\n"
        f"  {listed('newest violations', ids)}\n  kinds: {', '.join(kinds)}"
    )


def _refuse(sentence: str) -> int:
    print(f"prober ack: {sentence}", file=sys.stderr)
    return exits.BAD_USAGE


def _could_not(sentence: str) -> int:
    print(f"prober ack: {sentence}", file=sys.stderr)
    return exits.COULD_NOT_RUN
