"""Walking with `prober doctor`: on a stack's config with a change in it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import yaml

from prober.demo.process import Owner
from prober.demo.stack import Stack
from tests.system.commanding import prober
from tests.system.daemon_stack import config_of, fast_stack

Change = Callable[[dict[str, Any]], None]
FINE, ALARM, BAD_CONFIG, FAILED = 0, 1, 2, 3


@dataclass(frozen=True)
class Walk:
    """What one `prober doctor --json` said."""

    code: int
    steps: dict[str, dict[str, str]]
    text: str

    def bad(self) -> list[str]:
        return [name for name, step in self.steps.items() if step["verdict"] in ("problem", "alarm")]

    def hints(self) -> list[str]:
        return [name for name, step in self.steps.items() if step["verdict"] == "hint"]

    def skipped(self) -> set[str]:
        return {name for name, step in self.steps.items() if step["verdict"] == "skipped"}

    def mends(self, name: str) -> str:
        step = self.steps[name]
        return f"{step['sentence']} | {step['mend']}"


@asynccontextmanager
async def doctor_stack() -> AsyncIterator[Stack]:
    """The services of a stack, on which messages are processed soon or never."""
    async with Owner() as owner:
        stack = fast_stack(owner, {"webhook": {"processing_deadline": "5s"}})
        await stack.start_services()
        yield stack


async def run(stack: Stack, command: str, *words: str, change: Change | None = None) -> tuple[int, str, str]:
    """A command on the stack's config with a change in it: exit code, stdout, stderr."""
    document = config_of(stack)
    if change is not None:
        change(document)
    file = stack.directory / "doctor.yaml"
    file.touch(mode=0o600)
    file.write_text(yaml.safe_dump(document, sort_keys=False))
    said = await prober(file, command, *words)
    return said.code, said.out, said.err


async def doctor(stack: Stack, change: Change | None = None) -> Walk:
    code, out, err = await run(stack, "doctor", "--json", change=change)
    assert code in (FINE, ALARM, FAILED), err
    document = json.loads(out)
    return Walk(code, {step["name"]: step for step in document["steps"]}, out)


def target(**values: Any) -> Change:
    return lambda document: document["target"].update(values)


def probe(name: str, **values: Any) -> Change:
    return lambda document: document["probes"][name].update(values)


def overriding(**values: Any) -> Change:
    return lambda document: document["target"].update(contract_overrides=values)


@asynccontextmanager
async def changed(stack: Stack, sql: str, back: str) -> AsyncIterator[None]:
    """A database that is otherwise for a while."""
    await stack.postgres.execute(sql, "orders")
    try:
        yield
    finally:
        await stack.postgres.execute(back, "orders")
