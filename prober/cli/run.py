"""`prober run`: the daemon."""

from __future__ import annotations

from pathlib import Path

import uvloop

from prober.cli import exits
from prober.cli.settings import read_settings
from prober.daemon.daemon import run_daemon
from prober.log import configure_log


def run(path: Path) -> int:
    """Run the daemon until it is told to stop."""
    settings = read_settings(path)
    if settings is None:
        return exits.BAD_USAGE
    configure_log(settings.config.log.level, settings.config.log.format, settings.redact)
    return uvloop.run(run_daemon(settings.config, settings.contract, settings.web, settings.redact))
