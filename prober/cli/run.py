"""`prober run`: the daemon."""

from __future__ import annotations

import os
import sys
from functools import partial
from pathlib import Path

import structlog
import uvloop

from prober.cli import exits
from prober.cli.faults import settle_faults
from prober.cli.settings import read_settings
from prober.clock import now
from prober.daemon.lock import DataDirLock, Holder, Work
from prober.daemon.process import run_daemon
from prober.daemon.reload import Reloader
from prober.daemon.settings import load_settings
from prober.log import configure_log
from prober.publish.printable import utc

log = structlog.get_logger()

# How long (seconds) whoever holds the data_dir is waited for: a predecessor that is ending, a clean-up.
PATIENCE: dict[Work | None, float] = {Work.RUN: 2.0, Work.CLEANUP: 30.0, None: 2.0}


def run(path: Path) -> int:
    """Run the daemon until it is told to stop."""
    settings = read_settings(path)
    if settings is None:
        return exits.BAD_USAGE
    configure_log(settings.config.log.level, settings.config.log.format, settings.redact)
    settle_faults(settings, "prober run")
    lock = DataDirLock(settings.config.data_dir)
    try:
        holder = lock.take_patiently(Work.RUN, now(), PATIENCE)
    except OSError as error:
        # The probing goes on without a journal, and so it does without a lock on it.
        log.warning("data_dir is not locked", detail=f"{lock.path}: {error.strerror}")
        holder = None
    if holder is not None:
        print(f"prober run: {_taken(holder)}: {settings.config.data_dir}", file=sys.stderr)
        return exits.COULD_NOT_RUN
    try:
        reloader = Reloader(settings, partial(load_settings, path.absolute(), dict(os.environ), settings.redact))
        return uvloop.run(run_daemon(settings, reloader, path.absolute()))
    finally:
        lock.release()


def _taken(holder: Holder) -> str:
    since = "" if holder.began is None else f" since {utc(holder.began.wall)}"
    return (
        f"another prober ({holder.work or 'unknown'}) works in this data_dir{since}; stop it, or give each prober "
        "a data_dir and an instance of its own"
    )
