"""`prober cleanup`: removes synthetic rows and keys of dead runs and of lost probers, and tells how many."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import uvloop

from prober.cleanup import NotCleanedError, Report, Swept, clean_up, remove_fixtures
from prober.cli import exits
from prober.cli.faults import settle_faults
from prober.cli.settings import Settings, read_settings
from prober.clock import now
from prober.daemon.lock import DataDirLock, Holder, Work
from prober.daemon.permission import paused_by, permission_of
from prober.log import configure_log
from prober.publish.journal.file import JournalError, JournalFile
from prober.publish.journal.restore import read_boot_id
from prober.publish.journal.statements import Encoder

# A running daemon writes in transactions of some milliseconds (seconds).
LOCK_WAIT = 5.0
# Another clean-up is waited for this long (seconds).
PATIENCE: dict[Work | None, float] = {Work.CLEANUP: 30.0}


def clean(path: Path, *, dry_run: bool, fixtures: bool, as_json: bool) -> int:
    """Do it, and print what was done."""
    settings = read_settings(path)
    if settings is None:
        return exits.BAD_USAGE
    configure_log("warning", settings.config.log.format, settings.redact)
    settle_faults(settings, "prober cleanup")
    lock = DataDirLock(settings.config.data_dir)
    try:
        # Nobody works in a directory that is not there, and looking for what is left makes none.
        holder = lock.take_patiently(Work.CLEANUP, now(), PATIENCE) if lock.path.parent.is_dir() else None
    except OSError as error:
        return _could_not(f"{lock.path}: {error.strerror}; is it the data_dir of this user's prober?")
    try:
        report = _cleaned(settings, holder, dry_run=dry_run, fixtures=fixtures)
    except (NotCleanedError, JournalError) as error:
        return _could_not(settings.redact(str(error)))
    finally:
        lock.release()
    shown = json.dumps(_document(report), indent=2, ensure_ascii=False) if as_json else _text(report)
    print(settings.redact(shown))
    return exits.COULD_NOT_RUN if report.failed else exits.FINE


def _cleaned(settings: Settings, holder: Holder | None, *, dry_run: bool, fixtures: bool) -> Report:
    config, contract = settings.config, settings.contract
    held = permission_of(config, paused_by(config, now()))
    if held.refusal() is not None and not dry_run:
        why = held.restrictions(now()).sentence
        raise NotCleanedError(
            f"nothing may be written now: {why}; `prober resume` ends a pause, --dry-run only looks"
        )
    if fixtures and holder is not None:
        raise NotCleanedError(
            f"a prober runs with {config.data_dir} and needs its fixtures; stop it first, or leave out --fixtures"
        )
    journal = JournalFile(config.data_dir, Encoder(read_boot_id(), settings.redact), lock_wait=LOCK_WAIT)
    known = journal if journal.path.exists() else None
    try:
        report = uvloop.run(clean_up(config, contract, known, holder, dry_run=dry_run))
        if fixtures and not dry_run and not report.failed:
            uvloop.run(remove_fixtures(config, contract))
            return report.with_fixtures_removed()
        return report
    finally:
        journal.close()


def _text(report: Report) -> str:
    beside = "beside the prober that runs" if report.running else "no prober runs with this data_dir"
    lines = [f"{report.instance}: {beside}"]
    lines += [f"  {kind:<9} {_line(swept, dry_run=report.dry_run)}" for kind, swept in report.kinds.items()]
    if report.fixtures_removed:
        lines.append("  fixtures  removed: the synthetic retailer and its vendors")
    return "\n".join(lines)


def _line(swept: Swept, *, dry_run: bool) -> str:
    parts = [] if swept.failed else [f"{swept.removed} {'would be removed' if dry_run else 'removed'}"]
    parts += [f"{count} left: {why}" for why, count in swept.stays.items()]
    if swept.not_known:
        parts.append(f"not known: {swept.not_known}")
    return "; ".join(parts)


def _document(report: Report) -> dict[str, object]:
    return {
        "instance": report.instance,
        "running": report.running,
        "dry_run": report.dry_run,
        "fixtures_removed": report.fixtures_removed,
        **{
            kind.value: {
                "removed": None if swept.failed else swept.removed,
                "left": [{"count": count, "why": why} for why, count in swept.stays.items()],
                "not_known": swept.not_known or None,
            }
            for kind, swept in report.kinds.items()
        },
    }


def _could_not(sentence: str) -> int:
    print(f"prober cleanup: {sentence}", file=sys.stderr)
    return exits.COULD_NOT_RUN
