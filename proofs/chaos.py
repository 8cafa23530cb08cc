"""`python -m proofs.chaos`: a daemon that is killed again and again leaves nothing and forgets nothing.

On one stack, with another prober alive on the same target, and rows beside ours that are real or only look like
ours: `kill -9` at a random moment of each life, starting up included, then one last life that is left alone.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import re
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from prober.config.load import load_config
from prober.daemon.assembly import database_addresses, load_contract
from prober.demo.process import Owner, ServerError
from prober.demo.stack import FROM_NUMBER, INSTANCE, Stack
from prober.demo.target.control_client import ControlClient
from prober.demo.target.record import Kind
from prober.demo.watcher import Watcher
from prober.outcome import Mode, Settlement, Violation
from prober.publish.journal.reader import Reader
from prober.setup import set_up
from proofs import look_alikes
from proofs.page import DOCS, commit, head, table
from tests.system.daemon_stack import change_config, config_of, fast_stack, watcher_on
from tests.system.watching import Watched, until

KILLS = 200
EARLY = 0.25  # the share of lives that end at a moment counted from the start of the process
LONGEST_LIFE = 4.0  # seconds; of the other lives from when the daemon answers
FAULTY = 0.25  # the share of lives in which races have several winners, so that there are violations to remember
PROBES: Mapping[str, Mapping[str, Any]] = {
    "webhook": {
        "interval": "200ms",
        "timeout": "2s",
        "down_interval": "200ms",
        "processing_deadline": "5s",
        "checks_interval": "1s",
    },
    "race": {"interval": "200ms", "timeout": "2s", "split_order_interval": "1s", "win_rate_window": 10_000},
    "redis": {"interval": "50ms", "timeout": "200ms"},
    "health": {"interval": "10s"},
}
# The other prober goes about its work and is never killed.
OTHER, OTHER_NUMBER = "other", "+999000000002"
OTHER_PROBES: Mapping[str, Mapping[str, Any]] = {
    "webhook": {"interval": "1s", "checks_interval": "30s", "from_number": OTHER_NUMBER},
    "race": {"interval": "1s"},
}
# The last life makes nothing any more after its first runs.
IDLE: Mapping[str, Mapping[str, Any]] = {
    "webhook": {"interval": "1h", "down_interval": "1h", "checks_interval": "1h"},
    "race": {"interval": "1h"},
}
PATIENCE = 180.0
# A race may have begun before the fault was planted, and a fault be seen until its race is over (seconds).
SLACK = 5.0
SID = re.compile(r"SM[0-9a-f]{32}")


@dataclass(frozen=True)
class Ours:
    """What stands of the killed prober: ids of orders and messages, and names of keys."""

    orders: frozenset[str]
    messages: frozenset[str]
    keys: frozenset[str]

    @property
    def rows(self) -> frozenset[str]:
        """The rows among it."""
        return self.orders | self.messages


@dataclass
class Figures:
    """What a run came to. Everything under `broken` is a promise that was not kept."""

    seed: int
    kills: int
    killed_starting: int = 0
    killed_in_a_race: int = 0
    orders_left: int = 0
    messages_left: int = 0
    keys_left: int = 0
    rows_at_last_kill: int = 0
    swept_after: float = 0.0
    keys_gone_after: float = 0.0
    rows_at_end: int = 0
    keys_at_end: int = 0
    marks_at_end: int = 0
    look_alikes: int = 0
    accepted: int = 0
    followed: int = 0
    lost_by_record: int = 0
    lost_by_us: int = 0
    violations: int = 0
    other_races: int = 0
    other_webhooks: int = 0
    seconds: float = 0.0
    broken: list[str] = field(default_factory=list)

    def expect(self, kept: bool, otherwise: str) -> None:
        """Note a promise that was not kept."""
        if not kept:
            self.broken.append(otherwise)


async def chaos(kills: int, seed: int) -> Figures:
    """Kill so many times and look what came of it. The same seed draws the same moments."""
    began = time.monotonic()
    async with Owner() as owner:
        stack = fast_stack(owner, PROBES, shutdown_timeout="5s")
        await stack.start_services()
        planted = await look_alikes.plant(stack)
        other = await _other(stack)
        figures = Figures(seed=seed, kills=kills, look_alikes=len(planted.rows) + len(planted.keys))
        async with ControlClient(stack.target.control_url) as control:
            run = _Run(stack, control, random.Random(seed), figures)
            await run.begin()
            for _ in range(kills):
                await run.live_and_die()
            await run.last_life()
            await other.stop(timeout=60)
            await run.compare()
        run.compare_other(other, Reader(stack.directory / f"{OTHER}-data"))
        await _nothing_left(stack, figures)
        changed = planted.gone_or_changed(await look_alikes.look(stack))
        figures.expect(not changed, f"not ours, and gone or changed: {', '.join(changed)}")
    figures.seconds = time.monotonic() - began
    return figures


async def _other(stack: Stack) -> Watcher:
    """Start another prober on the same target, of another instance."""
    document = config_of(stack)
    document |= {"instance": OTHER, "probes": _over(document["probes"], OTHER_PROBES)}
    other = watcher_on(stack, document, OTHER)
    config = load_config(stack.directory / f"{OTHER}.yaml", {})
    address, _ = database_addresses(config.probes.database)
    assert address is not None
    await set_up(address, load_contract(config, stack.directory), OTHER, config.probes.race.vendors)
    await other.start()
    await other.wait_complete()
    return other


def _over(probes: Mapping[str, Any], changes: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    return {name: {**section, **changes.get(name, {})} for name, section in probes.items()}


class _Run:
    """The lives of one prober and what is seen of them."""

    def __init__(self, stack: Stack, control: ControlClient, rng: random.Random, figures: Figures) -> None:
        self._stack = stack
        self._control = control
        self._rng = rng
        self._figures = figures
        self._reader = Reader(stack.data_dir)
        self._remembered: set[str] = set()
        self._faulty: list[tuple[float, float]] = []  # Unix times between which violations are true
        self._left = Ours(frozenset(), frozenset(), frozenset())

    async def begin(self) -> None:
        """One whole life, ended in order, so that there is a journal."""
        await self._stack.start_watcher()
        await self._stack.watcher.stop(timeout=60)

    async def live_and_die(self) -> None:
        """One life, and its end."""
        mode = self._rng.choice([Mode.FULL, Mode.NO_SIDE_EFFECTS])
        change_config(self._stack, lambda document: document["probes"]["webhook"].update(mode=mode.value))
        life, early, faulty = (
            self._rng.uniform(0.0, LONGEST_LIFE),
            self._rng.random() < EARLY,
            self._rng.random() < FAULTY,
        )
        if faulty:
            await self._control.plant("double_accept")
            since = time.time()
        starting = asyncio.create_task(self._stack.watcher.start())
        if early:
            await until("the process to be there", self._spawned)
        else:
            await asyncio.wait([starting])
        await asyncio.sleep(life)
        self._figures.killed_starting += not starting.done()
        self._stack.watcher.kill()
        with suppress(ServerError):
            await starting
        await self._stack.watcher.wait_gone()
        if faulty:
            await self._control.remove("double_accept")
            self._faulty.append((since, time.time()))
        await self._look()

    async def last_life(self) -> None:
        """The start after the last kill, and how long its sweeps take; then an orderly end."""
        figures, before = self._figures, self._left
        figures.rows_at_last_kill = len(before.rows)
        change_config(self._stack, lambda document: document.update(probes=_over(document["probes"], IDLE)))
        started = time.monotonic()
        await self._stack.start_watcher()

        async def swept() -> bool:
            return not before.rows & (await _ours(self._stack)).rows

        await until("the sweeps of the last start", swept, PATIENCE)
        figures.swept_after = time.monotonic() - started
        watched = Watched(self._stack)
        await until("every message to be settled", self._all_settled, PATIENCE)
        scrape, counts = await watched.scrape(), self._reader.counts()
        for kind, count in counts.violations.items():
            metrics = ("vendor_routing_race_conditions_total", "whatsapp_webhook_violations_total")
            told = sum(scrape.total(name, kind=kind) for name in metrics)
            figures.expect(told == count, f"{kind}: {count} in the journal, {told:g} in the metrics")
        await self._stack.watcher.stop(timeout=60)

    async def compare(self) -> None:
        """Hold what the prober says against the target's own record."""
        figures = self._figures
        lost = {entry["sid"] for entry in await self._control.record(Kind.LOST)}
        accepted = {entry["sid"] for entry in await self._control.record(Kind.ACCEPTED)}
        called = self._reader.violations(Violation.LOST_MESSAGE, limit=100_000)
        called_lost = {sid for violation in called for sid in SID.findall(violation.sentence)}
        figures.lost_by_record, figures.lost_by_us = len(lost), len(called_lost)
        figures.accepted = len(accepted)
        figures.followed = sum(self._reader.counts().settlements.values())
        wrongly = called_lost - lost
        figures.expect(
            not wrongly, f"called lost, and not lost by the target's record: {', '.join(sorted(wrongly))}"
        )
        settled_lost = self._reader.counts().settlements.get(Settlement.LOST, 0)
        figures.expect(settled_lost == len(called), "losses and their violations are not as many")
        self._true_only(self._reader)

    def compare_other(self, other: Watcher, reader: Reader) -> None:
        """The prober beside was not disturbed."""
        figures = self._figures
        races = reader.races(limit=100_000)
        figures.other_races = len(races)
        figures.other_webhooks = sum(reader.counts().settlements.values())
        figures.expect(figures.other_races > 0, "the other prober ran no race")
        gone = [race.id for race in races if "was gone" in race.sentence]
        figures.expect(not gone, f"orders of the other prober were removed in flight: {', '.join(gone)}")
        odd = {name: n for name, n in reader.counts().settlements.items() if name not in ("done", "late")}
        figures.expect(not odd, f"messages of the other prober were settled as {odd}")
        figures.expect(other.returncode == 0, f"the other prober ended with {other.returncode}")
        self._true_only(reader)

    async def _spawned(self) -> bool:
        return self._stack.watcher.running

    async def _look(self) -> None:
        """What a kill has left, and whether anything was forgotten."""
        figures, self._left = self._figures, await _ours(self._stack)
        figures.orders_left += len(self._left.orders)
        figures.messages_left += len(self._left.messages)
        figures.keys_left += len(self._left.keys)
        figures.killed_in_a_race += bool(self._left.orders)
        known = {violation.id for violation in self._reader.violations(limit=100_000)}
        forgotten = self._remembered - known
        figures.expect(not forgotten, f"violations were forgotten: {', '.join(sorted(forgotten))}")
        self._remembered |= known
        figures.violations = len(self._remembered)

    async def _all_settled(self) -> bool:
        """Whether no accepted message is waited for any more; by the journal."""
        return not [m for m in self._reader.followed_webhooks() if m.accepted_wall and m.settlement is None]

    def _true_only(self, reader: Reader) -> None:
        for violation in reader.violations(limit=100_000):
            planted = any(since - SLACK <= violation.first_wall <= end + SLACK for since, end in self._faulty)
            self._figures.expect(planted, f"a false report: {violation.id}: {violation.sentence}")


async def _ours(stack: Stack) -> Ours:
    """What stands of the killed prober, and of it alone."""
    connection = await stack.postgres.connect("orders")
    planted = {row["id"] for rows in look_alikes.ROWS.values() for row in rows}
    try:
        orders = await connection.fetch(
            'SELECT id FROM orders WHERE "retailerId" = $1', f"synthetic-prober-{INSTANCE}-retailer"
        )
        messages = await connection.fetch(
            'SELECT id FROM processed_messages WHERE "phoneNumber" = $1'
            ' UNION ALL SELECT id FROM whatsapp_messages WHERE "from" = $1',
            FROM_NUMBER,
        )
    finally:
        await connection.close()
    client = stack.redis.client()
    try:
        keys = [_text(key) async for key in client.scan_iter(f"synthetic-prober:{INSTANCE}:*", count=1000)]
    finally:
        await client.aclose()
    return Ours(
        orders=frozenset(row["id"] for row in orders) - planted,
        messages=frozenset(row["id"] for row in messages) - planted,
        keys=frozenset(keys) - set(look_alikes.KEYS),
    )


def _text(key: bytes | str) -> str:
    return key.decode() if isinstance(key, bytes) else key


async def _nothing_left(stack: Stack, figures: Figures) -> None:
    """After both probers have ended: no row, no mark, and no key that has not expired within its minute."""
    left = await _ours(stack)
    connection = await stack.postgres.connect("orders")
    try:
        figures.marks_at_end = await connection.fetchval("SELECT count(*) FROM prober.marks")
    finally:
        await connection.close()
    figures.rows_at_end = len(left.rows)
    figures.expect(not left.rows, f"rows left: {', '.join(sorted(left.rows))}")
    figures.expect(not figures.marks_at_end, f"{figures.marks_at_end} marks left")
    waited = time.monotonic()

    async def expired() -> bool:
        return not (await _ours(stack)).keys

    with suppress(AssertionError):
        await until("the keys to expire", expired, 70.0)
    figures.keys_gone_after = time.monotonic() - waited
    figures.keys_at_end = len((await _ours(stack)).keys)
    figures.expect(not figures.keys_at_end, f"{figures.keys_at_end} keys left")


WHAT = """\
A daemon is killed (`kill -9`) at a random moment of each of its lives, starting up included, in both modes, while
another prober works on the same target and real rows, and rows and keys that only look like ours, lie beside ours.
Then it is started a last time and left alone."""


def page(figures: Figures) -> str:
    """The page of docs/."""
    rows = [
        ("kills", figures.kills, ""),
        ("of them while starting up", figures.killed_starting, ""),
        ("of them with an order standing", figures.killed_in_a_race, ""),
        ("orders standing after a kill, all kills", figures.orders_left, ""),
        ("rows of messages standing after a kill, all kills", figures.messages_left, ""),
        ("keys standing after a kill, all kills", figures.keys_left, ""),
        ("rows standing after the last kill", figures.rows_at_last_kill, ""),
        ("removed by the last start after", f"{figures.swept_after:.1f} s", ""),
        ("synthetic rows left", figures.rows_at_end, "0"),
        ("marks left", figures.marks_at_end, "0"),
        ("keys left", figures.keys_at_end, "0"),
        ("real and look-alike rows and keys", figures.look_alikes, ""),
        ("messages accepted as new, by the target's record", figures.accepted, ""),
        ("messages settled, claimed ones too", figures.followed, ""),
        ("lost, by the target's record", figures.lost_by_record, ""),
        ("called lost", figures.lost_by_us, "no more"),
        ("violations in the journal, none forgotten", figures.violations, ""),
        ("races of the prober beside, none disturbed", figures.other_races, ""),
        ("messages of the prober beside, none disturbed", figures.other_webhooks, ""),
        ("**promises not kept**", f"**{len(figures.broken)}**", "0"),
    ]
    broken = "".join(f"- {sentence}\n" for sentence in figures.broken)
    command = f"python -m proofs.chaos --kills {figures.kills} --seed {figures.seed}"
    return (
        head("Chaos", command, WHAT)
        + f"\nSeed {figures.seed}, {figures.seconds / 60:.0f} minutes.\n\n"
        + table(["figure", "value", "allowed"], rows)
        + ("\n\n" + broken if broken else "\n")
    )


def main() -> int:
    """Run it, write the page, and return 1 if a promise was not kept."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=KILLS)
    parser.add_argument("--seed", type=int, default=None, help="default: a new one, which is printed")
    given = parser.parse_args()
    seed = random.SystemRandom().randrange(1 << 32) if given.seed is None else given.seed
    print(f"seed {seed}, {given.kills} kills, commit {commit()}", file=sys.stderr)
    figures = asyncio.run(chaos(given.kills, seed))
    (DOCS / "chaos.md").write_text(page(figures), encoding="utf-8")
    for sentence in figures.broken:
        print(sentence, file=sys.stderr)
    return 1 if figures.broken else 0


if __name__ == "__main__":
    sys.exit(main())
