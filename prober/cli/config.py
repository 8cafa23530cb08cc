"""`prober config check` and `prober config show`."""

from __future__ import annotations

import os
import sys
from functools import partial
from pathlib import Path

from prober.cli import exits
from prober.config.check import check, show
from prober.config.problem import ConfigError
from prober.daemon.assembly import load_contract


def check_config(path: Path) -> int:
    """Say that config and contract are right, and what they come to; or every fault, with its place."""
    lines, code = check(path, os.environ, partial(load_contract, base=path.parent))
    print("\n".join(lines), file=sys.stderr if code else sys.stdout)
    return code


def show_config(path: Path) -> int:
    """Print the effective config, defaults filled in and secrets masked."""
    try:
        print(show(path, os.environ), end="")
    except ConfigError as error:
        print(error, file=sys.stderr)
        return exits.BAD_USAGE
    return exits.FINE
