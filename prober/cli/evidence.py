"""`prober evidence`: one race, webhook or outage as text to paste into a ticket."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from prober.cli import exits
from prober.cli.known import SHOWN, listed, nearest
from prober.cli.settings import read_settings
from prober.publish.evidence import Evidence, find
from prober.publish.evidence_text import render
from prober.publish.journal.reader import Reader, UnreadableError
from prober.publish.printable import printable

LOOKED_AT = 200


def show(path: Path, wanted: str, *, as_json: bool) -> int:
    """Print what the journal holds of this id, whether or not a prober runs."""
    settings = read_settings(path)
    if settings is None:
        return exits.BAD_USAGE
    reader = Reader(settings.config.data_dir)
    try:
        evidence = find(reader, wanted, violation_hold=settings.config.violations.violation_hold)
        if evidence is None:
            print(f"prober evidence: {_unknown(reader, wanted)}", file=sys.stderr)
            return exits.BAD_USAGE
    except UnreadableError as error:
        hint = "give the --config of the prober that found it"
        print(f"prober evidence: {error}; {hint}", file=sys.stderr)
        return exits.COULD_NOT_RUN
    finally:
        reader.close()
    sys.stdout.write(settings.redact(_json(evidence) if as_json else render(evidence, time.time())))
    return exits.FINE


def _json(evidence: Evidence) -> str:
    # ASCII: what a stranger's text does to a terminal, it does not do here either.
    return json.dumps(evidence.document(), indent=2) + "\n"


def _unknown(reader: Reader, wanted: str) -> str:
    violations = [one.id for one in reader.violations(limit=LOOKED_AT)]
    races = [one.id for one in reader.races(limit=LOOKED_AT)]
    outages = [one.id for one in reader.outages(limit=LOOKED_AT)]
    known = [*violations, *races, *outages]
    return (
        f"the journal holds no violation, race, webhook or outage {printable(wanted)!r}{nearest(wanted, known)}\n"
        f"  {listed('newest violations', violations)}\n"
        f"  {listed('newest races', races[:SHOWN])}\n"
        f"  {listed('newest outages', outages[:SHOWN])}\n"
        "  a webhook is found by its MessageSid or the id of its run"
    )
