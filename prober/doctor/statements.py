"""Which statements of a contract the prober's role runs under a config; those of `--setup` are not among them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pydantic import BaseModel

from prober.config.model import Config
from prober.contract import Contract
from prober.outcome import Mode
from prober.sql import Sql

# Run once, by whoever may: the owner of the tables.
OF_SETUP = ("race.fixtures", "race.remove_fixtures")


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement; `key` is where it stands in the contract, as in `race.create[1]`."""

    key: str
    sql: Sql


def statements(contract: Contract) -> tuple[Statement, ...]:
    """Every statement of a contract."""
    return tuple(_within(contract, ""))


def run_under(config: Config, contract: Contract) -> tuple[Statement, ...]:
    """Those that this config makes the daemon, `check` or `doctor` run."""
    return tuple(
        statement
        for statement in statements(contract)
        if _runs(
            statement.key,
            webhook=config.probes.webhook.enabled,
            full=config.probes.webhook.mode is Mode.FULL or config.probes.webhook.full_interval is not None,
            race=config.probes.race.enabled,
        )
    )


def needed(contract: Contract, *, full: bool) -> tuple[Statement, ...]:
    """Those that the prober's role has to be able to run with every probe enabled."""
    return tuple(s for s in statements(contract) if _runs(s.key, webhook=True, full=full, race=True))


def _runs(key: str, *, webhook: bool, full: bool, race: bool) -> bool:
    if key.startswith(OF_SETUP):
        return False
    if key.startswith("webhook.full."):
        return webhook and full
    if key.startswith("webhook."):
        # Claims in mode full too: they are how `doctor` proves a signature without side effect.
        return webhook
    return race or not key.startswith("race.")


def _within(part: object, key: str) -> Iterator[Statement]:
    if isinstance(part, Sql):
        yield Statement(key, part)
    elif isinstance(part, tuple):
        for index, item in enumerate(part):
            yield from _within(item, f"{key}[{index}]")
    elif isinstance(part, BaseModel):
        for name in type(part).model_fields:
            yield from _within(getattr(part, name), f"{key}.{name}" if key else name)
