"""`prober run`: the daemon."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

import uvloop

from prober.cli import exits
from prober.cli.settings import read_settings
from prober.daemon.process import run_daemon
from prober.daemon.reload import Reloader
from prober.daemon.settings import load_settings
from prober.log import configure_log


def run(path: Path) -> int:
    """Run the daemon until it is told to stop."""
    settings = read_settings(path)
    if settings is None:
        return exits.BAD_USAGE
    configure_log(settings.config.log.level, settings.config.log.format, settings.redact)
    reloader = Reloader(settings, partial(load_settings, path.absolute(), dict(os.environ), settings.redact))
    return uvloop.run(run_daemon(settings.config, settings.contract, settings.web, settings.redact, reloader))
