"""What the tests of `prober load` share: a run and its results, one under way, another config, a record."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from prober.demo.stack import Stack
from prober.demo.target.control_client import ControlClient
from prober.demo.target.record import Kind
from prober.suites.results import Results
from prober.suites.results_load import LoadDetail
from tests.system.commanding import Said, prober
from tests.system.watching import until


class Loaded:
    """What one command said, and the results that it wrote."""

    def __init__(self, said: Said) -> None:
        self.code, self.err = said.code, said.err
        self.results = Results.model_validate_json(said.out)
        assert isinstance(self.results.detail, LoadDetail)
        self.detail = self.results.detail

    def why_not(self, measure: str) -> str:
        (row,) = [row for row in self.results.judgement.breaking_points if row.measure == measure]
        assert row.verdict is None
        assert row.why_not is not None
        return row.why_not


async def load(stack: Stack, tmp_path: Path, *arguments: str, config: Path | None = None) -> Loaded:
    output = tmp_path / "results.json"
    return Loaded(
        await prober(config or stack.config_file, "load", "light", "--json", "--output", str(output), *arguments)
    )


def another_config(stack: Stack, tmp_path: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    """The config of the stack with a change, for one command."""
    document = yaml.safe_load(stack.config_file.read_text(encoding="utf-8"))
    change(document)
    file = tmp_path / "config.yaml"
    file.touch(mode=0o600)
    file.write_text(yaml.safe_dump(document), encoding="utf-8")
    return file


async def recorded(control: ControlClient, run_id: str) -> dict[Kind, int]:
    """What the target says of the messages of one run."""
    requests = [entry for entry in await control.record(Kind.REQUEST) if run_id in str(entry.get("mark"))]
    sids = {entry["sid"] for entry in requests}
    assert len(sids) == len(requests), "two messages of one MessageSid"
    counts = {Kind.REQUEST: len(requests)}
    for kind in (Kind.ACCEPTED, Kind.LOST, Kind.PROCESSED):
        counts[kind] = sum(entry.get("sid") in sids for entry in await control.record(kind))
    return counts


async def begun(
    stack: Stack, tmp_path: Path, control: ControlClient, *arguments: str
) -> asyncio.subprocess.Process:
    """A long load, once it is under way."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "prober", "load", "light", "--config", str(stack.config_file)),
        *("--json", "--output", str(tmp_path / "results.json"), "--duration", "60s", *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )

    async def under_way() -> bool:
        return (await control.summary())[Kind.REQUEST] > 100

    await until("the load to be under way", under_way)
    return process
