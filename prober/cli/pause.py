"""`prober pause` and `prober resume`: stop all writes of a running prober, through the pause file in its data_dir.

They read no more of the config than that folder, so they work where the rest of it does not.
"""

from __future__ import annotations

import math
import os
import sys
import time
from pathlib import Path

from prober.cli import exits
from prober.clock import now
from prober.config.load import load_home
from prober.config.problem import ConfigError
from prober.config.units import format_duration
from prober.pause import LONGEST, Pause, PauseFile, as_text, put, remove

SHORTEST = 1.0  # seconds


def pause(config: Path, seconds: float, reason: str) -> int:
    """Pause for so many seconds; a pause under way is replaced, whichever is longer."""
    if not SHORTEST <= seconds <= LONGEST:
        allowed = f"{format_duration(SHORTEST)} to {format_duration(LONGEST)}"
        return _complain("pause", f"--for {format_duration(seconds)}: expected {allowed}", exits.BAD_USAGE)
    if not reason.strip():
        return _complain("pause", "--reason: expected a few words, found none", exits.BAD_USAGE)
    try:
        data_dir = load_home(config, os.environ).data_dir
    except ConfigError as error:
        print(error, file=sys.stderr)
        return exits.BAD_USAGE
    before = PauseFile(data_dir).look(now())
    at = time.time()
    # To the second in the file, and never shorter than was asked for.
    wanted = Pause(until=float(math.ceil(at + seconds)), reason=reason.strip())
    try:
        put(data_dir, wanted, at)
    except OSError as error:
        return _complain("pause", _why(data_dir, error), exits.COULD_NOT_RUN)
    print(f"paused until {as_text(wanted.until)}, for {format_duration(seconds)}: no writes to the target")
    if before is not None:
        print(f"it replaces the pause until {as_text(before.until)} ({before.reason})")
    print(f"a prober that runs on {data_dir} holds to it from now on; `prober resume` ends it")
    return exits.FINE


def resume(config: Path) -> int:
    """End a pause that the file asks for; where there is none, say so."""
    try:
        home = load_home(config, os.environ)
    except ConfigError as error:
        print(error, file=sys.stderr)
        return exits.BAD_USAGE
    at = now()
    before = PauseFile(home.data_dir).look(at)
    try:
        remove(home.data_dir)
    except OSError as error:
        return _complain("resume", _why(home.data_dir, error), exits.COULD_NOT_RUN)
    if before is None:
        print(f"not paused: nothing in {home.data_dir} asks for it")
    else:
        print(f"resumed: the pause until {as_text(before.until)} ({before.reason}) is over")
    if home.pause is not None and at.wall < home.pause.until:
        print(f"{config} itself pauses until {as_text(home.pause.until)}: take `pause` out of it to write again")
    return exits.FINE


def _why(data_dir: Path, error: OSError) -> str:
    if not data_dir.is_dir():
        return f"there is no folder {data_dir}: no prober has run with this config; name its file with --config"
    return f"{data_dir}: {error.strerror}; run this as the user of the prober, or as root"


def _complain(command: str, text: str, code: int) -> int:
    print(f"prober {command}: {text}", file=sys.stderr)
    return code
