"""Starting a process of ours that needs no secret: of the environment it gets what Python itself needs to run."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import prober

# Secrets come from the environment, so a process that faces the network, or reads what others wrote, gets this.
_NAMES = ("PATH", "LANG", "LANGUAGE", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "PYTHONHOME", "PYTHONPATH")


def bare_environment() -> dict[str, str]:
    """The environment of such a process."""
    package = str(Path(prober.__file__).parent.parent)
    environment = {name: os.environ[name] for name in _NAMES if name in os.environ}
    environment |= {name: value for name, value in os.environ.items() if name.startswith("LC_")}
    # The same prober as ours, wherever we were found.
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, (package, os.environ.get("PYTHONPATH"))))
    return environment


def module_command(module: str, *arguments: str) -> tuple[str, ...]:
    """What starts a module of ours, with (-P) nothing out of the current folder."""
    return (sys.executable, "-OO", "-P", "-m", module, *arguments)
