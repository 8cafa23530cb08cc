"""Undoes what a drill has left, however that ended: a process beside it that outlives a `kill -9`.

`python -m prober.faults.guardian CONFIG LOCK_FD`: says `ready` on stdout, waits for the end of its stdin (which
the drill holds open), then undoes whatever the ledger still names and says so on stderr. It holds the ledger's
lock with the drill, so that nobody steps in between. What ends the drill must not end it: it ignores SIGINT,
SIGTERM and SIGHUP, and lives in a session of its own.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from prober.config.problem import ConfigError
from prober.daemon.settings import load_settings
from prober.faults.driver import FaultError
from prober.faults.ledger import Ledger
from prober.faults.undoing import undo_standing

READY = b"ready\n"
START_TIMEOUT = 60.0  # seconds, on a machine that is busy with other things
END_TIMEOUT = 10.0
LOOK = 0.02


class Guardian:
    """The drill's end: starts it, and lets it go when nothing is left to undo."""

    def __init__(self, config: Path, ledger: Ledger) -> None:
        self._config = config
        self._ledger = ledger
        # Not asyncio's: that one kills its process when the loop goes, which is just when it is needed.
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        """Start it and wait until it watches; FaultError where it cannot. Nothing where it is there already."""
        if self.pid is not None:
            return
        self._process = process = subprocess.Popen(  # noqa: S603, ASYNC220 - a fixed list; a few milliseconds
            [sys.executable, "-m", __name__, str(self._config.absolute()), str(self._ledger.lock)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=[self._ledger.lock],
            start_new_session=True,
        )
        assert process.stdout is not None  # noqa: S101 - it was asked for
        try:
            async with asyncio.timeout(START_TIMEOUT):
                said = await asyncio.to_thread(process.stdout.readline)
        except TimeoutError:
            process.kill()
            said = b""
        if said != READY:
            raise FaultError("the guardian that would undo the faults of a killed drill cannot be started")

    @property
    def pid(self) -> int | None:
        """Its process id; None when there is none."""
        return None if self._process is None or self._process.poll() is not None else self._process.pid

    async def dismiss(self) -> None:
        """Let it see what is left, which is nothing in an ordinary ending, and go."""
        if self._process is None:
            return
        if self._process.stdin is not None:
            self._process.stdin.close()
        deadline = time.monotonic() + END_TIMEOUT
        while self._process.poll() is None and time.monotonic() < deadline:  # noqa: ASYNC110 - a child, not a task
            await asyncio.sleep(LOOK)


def main() -> int:
    """Run as the guardian of the drill that started this; 0 when nothing is left, 3 otherwise."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    try:
        settings = load_settings(Path(sys.argv[1]), os.environ)
    except ConfigError as error:
        sys.stderr.write(f"{error}\n")
        return 3
    ledger = Ledger(settings.config.data_dir)
    os.write(1, READY)
    while os.read(0, 4096):
        pass
    began = time.monotonic()

    def say(sentence: str) -> None:
        text = settings.redact(
            f"prober drill: its guardian, {time.monotonic() - began:.1f} s after its end: {sentence}"
        )
        os.write(2, f"{text}\n".encode())

    return 0 if asyncio.run(undo_standing(ledger, settings.config, say)) else 3


if __name__ == "__main__":
    sys.exit(main())
