"""`prober check`: every probe once, a line and a verdict for each."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import uvloop

from prober.cli import exits
from prober.cli.faults import settle_faults
from prober.cli.settings import read_settings
from prober.daemon.once import check_once
from prober.daemon.once_effects import Line
from prober.log import configure_log

MARKS = {"ok": "✓", "violation": "✗", "failed": "✗", "unknown": "?"}


def check(path: Path, *, as_json: bool) -> int:
    """Run every probe once and print what came of it."""
    settings = read_settings(path)
    if settings is None:
        return exits.BAD_USAGE
    configure_log("warning", settings.config.log.format, settings.redact)
    settle_faults(settings, "prober check")
    lines = uvloop.run(check_once(settings.config, settings.contract))
    if as_json:
        document = [line.document() for line in lines]
        print(settings.redact(json.dumps({"probes": document}, indent=2, ensure_ascii=False)))
    else:
        for line in lines:
            sys.stdout.write(settings.redact(_plain(line)) + "\n")
    return _exit_code(lines)


def _plain(line: Line) -> str:
    took = f"{line.seconds * 1000:9.1f} ms" if line.seconds is not None else " " * 12
    return f"{MARKS[line.verdict]} {line.name:<16} {took}  {line.outcome:<18} {line.sentence}"


def _exit_code(lines: list[Line]) -> int:
    verdicts = {line.verdict for line in lines}
    if "violation" in verdicts:
        return exits.VIOLATION
    if verdicts & {"failed", "unknown"}:
        return exits.COULD_NOT_RUN
    return exits.FINE
