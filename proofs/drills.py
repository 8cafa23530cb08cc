"""The ten drills at their documented sizes, and each of them ended in the middle in three ways.

For `make suites`: `run_drill` says what one found and what the target's own record says, `end_in_the_middle`
whether everything was restored. Both work on a stack whose servers may be broken.
"""

from __future__ import annotations

import signal
from dataclasses import dataclass

from prober.demo.stack import Stack
from prober.outcome import Ending
from prober.suites.results import Results
from prober.suites.scenarios import DATABASE_DRILLS, REDIS_DRILLS
from tests.system.drilling import Drilling, Recorded, drilled, recorded, well

DRILLS = (*(("redis", name) for name in REDIS_DRILLS), *(("db", name) for name in DATABASE_DRILLS))
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)
AGREEMENT = 0.01  # of the target's own record


@dataclass(frozen=True)
class Seen:
    """One drill, and what the target wrote down of its messages."""

    words: tuple[str, str]
    code: int
    results: Results
    recorded: Recorded


@dataclass(frozen=True)
class Ended:
    """One drill that was ended in the middle of its fault."""

    words: tuple[str, str]
    how: signal.Signals
    restored: bool  # servers, proxies, locks and the ledger, asked themselves
    said: bool  # the output says that it was undone


async def run_drill(stack: Stack, words: tuple[str, str], *options: str) -> Seen:
    """Run one; `options` such as `--scale 0.1` for a short form. AssertionError if it did not come to its end."""
    ended = await drilled(stack.config_file, *words, *options)
    if ended.results is None or ended.results.ending is not Ending.COMPLETE:
        raise AssertionError(f"{' '.join(words)} did not come to its end:\n{ended.told}")
    return Seen(words, ended.code, ended.results, await recorded(stack, ended.results.run_id))


async def end_in_the_middle(stack: Stack, words: tuple[str, str], how: signal.Signals, *options: str) -> Ended:
    """Begin a drill, and end it while its fault is in force."""
    drilling = await Drilling.begin(stack.config_file, *words, *options)
    await drilling.says("the fault is in force")
    drilling.signal(how)
    told = (await drilling.end()).told
    said = "undone and checked from outside" in told and "NOT UNDONE" not in told
    return Ended(words, how, await well(stack), said)
