"""However a drill ends, its fault is undone, whoever made it: Ctrl-C, SIGTERM, `kill -9`, the machine."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from prober.demo import procfs
from prober.demo.process import Owner
from prober.demo.stack import Stack
from prober.faults.ledger import Ledger
from prober.outcome import Ending
from tests.system.commanding import prober
from tests.system.daemon_stack import change_config
from tests.system.drilling import Drilling, drillable_stack, drilled, well

pytestmark = pytest.mark.asyncio(loop_scope="module")
LONG = ("--duration", "8s", "--rate", "3")


@dataclass(frozen=True)
class Kind:
    """One way to make a fault, and the drill that uses it. `drills` is laid over the config's section."""

    words: tuple[str, str]
    drills: Mapping[str, Any] | None = None


KINDS = {
    "demo": Kind(("redis", "crash")),
    "proxy": Kind(("redis", "connection")),
    "commands": Kind(("redis", "timeout")),
    "client": Kind(("db", "slow")),
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack() -> AsyncIterator[Stack]:
    async with Owner() as owner:
        stack = drillable_stack(owner)
        await stack.start_services()
        change_config(stack, lambda document: _by_commands(document, stack))
        yield stack
        await stack.stop_drills()


def _by_commands(document: dict[str, Any], stack: Stack) -> None:
    """Freezing Redis is done by commands here, as `systemctl kill` or `docker pause` would do it."""
    script = "import os, signal, sys; os.kill(int(open(sys.argv[1]).read()), signal.Signals[sys.argv[2]])"
    word = [sys.executable, "-c", script, str(_pid_file(stack))]
    document["drills"]["redis"]["freeze"] = {"inject": [*word, "SIGSTOP"], "undo": [*word, "SIGCONT"]}


def _pid_file(stack: Stack) -> Path:
    return stack.directory / "redis.pid"


async def broken(kind: Kind, stack: Stack, *words: str) -> Drilling:
    """A drill whose fault is in force."""
    _pid_file(stack).write_text(str(stack.redis.pid), encoding="ascii")
    drilling = await Drilling.begin(stack.config_file, *kind.words, *LONG, *words)
    await drilling.says("the fault is in force")
    assert Ledger(stack.data_dir).entries()
    return drilling


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
@pytest.mark.parametrize("name", KINDS)
async def test_it_is_told_to_end(stack: Stack, name: str, number: signal.Signals) -> None:
    drilling = await broken(KINDS[name], stack)
    drilling.signal(number)
    ended = await drilling.end()
    assert f"stopped by {number.name}; undoing 1 fault(s) first" in ended.told
    assert "undone and checked from outside" in ended.told
    assert "guardian" not in ended.told
    assert ended.results is not None
    assert ended.results.ending is Ending.INTERRUPTED
    assert await well(stack)


@pytest.mark.parametrize("name", KINDS)
async def test_it_is_killed(stack: Stack, name: str) -> None:
    drilling = await broken(KINDS[name], stack)
    drilling.signal(signal.SIGKILL)
    ended = await drilling.end()
    assert ended.code == -signal.SIGKILL
    assert "its guardian" in ended.told
    assert "undone and checked from outside" in ended.told
    assert await well(stack)


async def test_the_whole_machine_dies_and_the_next_command_undoes_it(stack: Stack) -> None:
    drilling = await broken(KINDS["commands"], stack)
    (guardian,) = [
        stat.identity
        for stat in procfs.everyone()
        if stat.parent == drilling.process.pid and b"prober.faults.guardian" in _command(stat.identity.pid)
    ]
    procfs.send(guardian, signal.SIGKILL)
    drilling.signal(signal.SIGKILL)
    await drilling.end()
    assert Ledger(stack.data_dir).entries()
    said = await prober(stack.config_file, "check")
    assert "prober check: undone and checked from outside: freeze of redis by `" in said.err
    assert await well(stack)


async def test_another_drill_waits_for_its_turn(stack: Stack) -> None:
    drilling = await broken(KINDS["proxy"], stack, "--duration", "24s")
    second, said = await asyncio.gather(
        drilled(stack.config_file, "db", "slow", *LONG), prober(stack.config_file, "cleanup")
    )
    assert second.code == 3
    assert "two at once would measure each other" in second.told
    assert "prober cleanup: a drill is under way, or is being undone: connections refused" in said.err
    drilling.signal(signal.SIGTERM)
    await drilling.end()
    assert await well(stack)


async def test_its_place_vanishes_and_it_ends_soon(stack: Stack) -> None:
    """The last one: nothing is left of the stack then."""
    drilling = await broken(KINDS["demo"], stack, "--duration", "60s")
    began = time.monotonic()
    await stack.stop_drills()
    for server in (stack.target, stack.postgres):  # Redis is what the drill has killed
        server.kill()
    ended = await drilling.end()
    # Its fault was to last half a minute more, and what has gone would be waited for a minute and a half.
    assert time.monotonic() - began < 30
    assert ended.code == 3
    assert "the place of this drill has gone: nobody has listened at 127.0.0.1:" in ended.told
    assert "database, which this drill did not break, does not answer either" in ended.told
    assert f"undone and checked from outside: SIGKILL to the redis of the demo in {stack.directory}" in ended.told
    assert "NOT UNDONE" not in ended.told
    assert Ledger(stack.data_dir).entries() == []
    assert ended.results is not None
    assert ended.results.ending is Ending.FAILED
    assert ended.results.judgement.verdict is None


def _command(pid: int) -> bytes:
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:  # noqa: PTH123
            return file.read()
    except OSError:
        return b""
