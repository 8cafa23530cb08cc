"""Reading config and contract for a command; what is wrong with them goes to stderr, a line each."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from prober.config.problem import ConfigError
from prober.daemon.settings import Settings, load_settings

__all__ = ["Settings", "read_settings"]


def read_settings(path: Path) -> Settings | None:
    """Read both; None when they are not right, after having said why."""
    try:
        return load_settings(path, os.environ)
    except ConfigError as error:
        print(error, file=sys.stderr)
        return None
