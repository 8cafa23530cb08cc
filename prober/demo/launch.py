"""Runs in a new child just before its program: waits at the gate, drops rights, ties its life to the owner's.

Started by path (`python -I -S launch.py SETTINGS PROGRAM ARGUMENTS…`), so that none of this happens between
fork and exec, where a process with threads may deadlock. Standard library only; it lives some 20 ms.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
from typing import Any

PR_SET_PDEATHSIG = 1  # linux/prctl.h
OWNER_GONE = 125  # exit status
NOT_STARTED = 127  # exit status, as a shell's


def main() -> None:
    """Become the program, or end with a sentence on stderr."""
    settings = json.loads(sys.argv[1])
    program = sys.argv[2:]
    _tie(settings)
    # The owner opens the gate once the keeper knows this pid: no program ever runs that nobody would end.
    gate: int = settings["gate"]
    if os.read(gate, 1) == b"":
        sys.exit(OWNER_GONE)
    os.close(gate)
    if settings["uid"] is not None:
        os.setgroups([])
        os.setgid(settings["gid"])
        os.setuid(settings["uid"])
        _tie(settings)  # once more: the change of user has cleared it (prctl(2))
    os.umask(0o077)
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # ignored in what a shell runs in the background, and inherited
    try:
        os.execv(program[0], program)  # noqa: S606 - a fixed argument list, no shell
    except OSError as error:
        sys.stderr.write(f"cannot run {program[0]} as user {os.getuid()}: {error.strerror}\n")
        sys.exit(NOT_STARTED)


def _tie(settings: dict[str, Any]) -> None:
    """Have the kernel signal us when the owner's main thread ends."""
    if settings["death_signal"]:
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, settings["death_signal"], 0, 0, 0)
        if os.getppid() != settings["owner"]:
            sys.exit(OWNER_GONE)


if __name__ == "__main__":
    main()
