"""The owner's end of the line to its keeper: starts it, tells it, and replaces it if somebody kills it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from prober.demo import keeper
from prober.demo.keeper import Word
from prober.demo.user import ServerError

PACKAGE_ROOT = Path(__file__).parents[2]
TRIES = 3
TIMEOUT = keeper.DEADLINE + 10.0  # seconds


class KeeperLink:
    """One owner's keeper. It is started with the first message."""

    def __init__(self) -> None:
        self._told: list[Mapping[str, Any]] = []
        self._socket: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def tell(self, message: Mapping[str, Any]) -> dict[str, Any]:
        """Tell the keeper something (keys: `Word`) and return its answer. Blocks well under a millisecond.

        A keeper that was killed gets a successor that is told everything. ServerError if none can be had.
        """
        self._told.append(message)
        complaint: OSError | None = None
        for _ in range(TRIES):
            try:
                # To a new keeper everything is new; what earlier messages are answered this time does not matter.
                answer = [self._exchange(one) for one in (self._told if self._socket is None else [message])][-1]
            except TimeoutError as error:
                raise ServerError(f"the keeper of child processes did not answer within {TIMEOUT:g} s") from error
            except OSError as error:
                complaint = error
                self._hang_up()
            else:
                break
        else:
            raise ServerError(f"the keeper of child processes cannot be run: {complaint}")
        if "error" in answer:
            raise ServerError(f"the keeper of child processes refused {dict(message)}: {answer['error']}")
        return answer

    def end(self) -> list[str]:
        """Have the keeper end everything it knows of, and itself; return what it could not, in words."""
        if not self._told:
            return []
        left: list[str] = self.tell({Word.END: True})["left"]
        self._hang_up()
        self._told = []
        return left

    def _exchange(self, message: Mapping[str, Any]) -> dict[str, Any]:
        if self._socket is None:
            self._socket = self._start()
        self._socket.send(json.dumps(message).encode())
        if not (data := self._socket.recv(keeper.MESSAGE_LIMIT)):
            raise ConnectionResetError("it has ended")
        answer: dict[str, Any] = json.loads(data)
        return answer

    def _hang_up(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        if self._process is not None:
            self._process.wait(TIMEOUT)
            self._process = None

    def _start(self) -> socket.socket:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            # -S: no site-packages, which it has no use for; it stays small.
            self._process = subprocess.Popen(  # noqa: S603 - a fixed argument list, no shell
                [sys.executable, "-S", "-m", keeper.MODULE, str(theirs.fileno()), str(os.getpid())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd="/",
                env={"PYTHONPATH": str(PACKAGE_ROOT)},
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        ours.settimeout(TIMEOUT)
        return ours
