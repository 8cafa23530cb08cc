"""Three replicas of one target, in trouble at random, and everything that is written down meanwhile."""

from __future__ import annotations

import asyncio
import re
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from random import Random
from typing import Any

import aiohttp
import asyncpg

from prober.config.load import load_config
from prober.daemon.assembly import database_addresses, load_contract
from prober.demo.process import Owner
from prober.demo.proxy_server import Proxy
from prober.demo.stack import Stack
from prober.demo.target.control_client import ControlClient
from prober.demo.target.record import Kind
from prober.demo.watcher import Watcher
from prober.publish.journal.reader import Reader
from prober.setup import set_up
from proofs.election_judge import Fault, Passing, Request, RowWritten, Sample, Trouble, read_mark
from tests.system.daemon_stack import config_of, fast_stack, watcher_on
from tests.system.watching import until

NAMES = ("prober-a", "prober-b", "prober-c")
PROBES: Mapping[str, Mapping[str, Any]] = {
    "webhook": {
        "mode": "no_side_effects",
        "full_interval": "1s",  # without a claim: only the check keeps these back
        "interval": "200ms",
        "timeout": "2s",
        "down_interval": "200ms",
        "processing_deadline": "5s",
        "checks_interval": "2s",
    },
    "race": {"interval": "400ms", "timeout": "2s", "split_order_interval": "2s"},
    "redis": {"interval": "500ms"},
    "database": {"interval": "200ms", "timeout": "1s", "down_interval": "100ms"},
    "health": {"interval": "5s"},
}
SAMPLE_EVERY = 0.1
_LEADER = re.compile(r"^prober_leader (\S+)$", re.MULTILINE)

# Written down by the database itself, in the transaction that it is about.
_HISTORY = """
CREATE TABLE proof_passings (at timestamptz NOT NULL, fence bigint NOT NULL, holder text NOT NULL);
CREATE FUNCTION proof_passing() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' OR NEW.fence <> OLD.fence THEN
        INSERT INTO proof_passings VALUES (clock_timestamp(), NEW.fence, NEW.holder);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER proof AFTER INSERT OR UPDATE ON prober.lease FOR EACH ROW EXECUTE FUNCTION proof_passing();
CREATE TABLE proof_writes (at timestamptz NOT NULL, what text NOT NULL, who text NOT NULL, holder text);
CREATE FUNCTION proof_write() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE who text := current_setting('application_name');
BEGIN
    IF who LIKE 'synthetic-prober/%' THEN
        INSERT INTO proof_writes VALUES (clock_timestamp(), TG_OP || ' ' || TG_TABLE_NAME, split_part(who, '/', 2),
            (SELECT split_part(holder, '/', 1) FROM prober.lease WHERE name = 'default'));
    END IF;
    RETURN NULL;
END $$;
"""
_WATCHED_TABLES = ("orders", "processed_messages", "prober.heartbeat")


@dataclass
class Replica:
    """One daemon with its own way to PostgreSQL. `trouble` is what it is in now."""

    name: str
    watcher: Watcher
    proxy: Proxy
    trouble: Trouble | None = None


@dataclass
class Trial:
    """A target with three replicas, and what was done and seen."""

    stack: Stack
    control: ControlClient
    replicas: Sequence[Replica]
    term: float
    faults: list[Fault] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)

    async def passings(self) -> list[Passing]:
        """Every taking of the lease, oldest first."""
        rows = await self._rows("SELECT extract(epoch FROM at)::float8 AS at, fence, holder FROM proof_passings")
        found = [Passing(row["at"], row["fence"], row["holder"].partition("/")[0]) for row in rows]
        return sorted(found, key=lambda passing: passing.fence)

    async def rows_written(self) -> list[RowWritten]:
        """Every write of ours in the database."""
        rows = await self._rows("SELECT extract(epoch FROM at)::float8 AS at, what, who, holder FROM proof_writes")
        return [RowWritten(row["what"], row["who"], row["holder"] or "nobody", row["at"]) for row in rows]

    async def requests(self) -> tuple[list[Request], list[dict[str, Any]]]:
        """Every request that carries a fencing number, and the entries of those that carry none."""
        found, others = [], []
        for entry in await self.control.record(Kind.REQUEST):
            request = read_mark(entry.get("mark", ""), entry["wall"])
            if request is None:
                others.append(entry)
            else:
                found.append(request)
        return found, others

    async def holder(self) -> Replica | None:
        """Whose the lease is by the database, and not run out."""
        query = "SELECT holder FROM prober.lease WHERE name = 'default' AND expires > clock_timestamp()"
        rows = await self._rows(query)
        name = rows[0]["holder"].partition("/")[0] if rows else ""
        return next((each for each in self.replicas if each.name == name), None)

    async def disturb(self, replica: Replica, kind: Trouble, seconds: float) -> None:
        """Put a replica in trouble for so long, and wait until it is well again."""
        led = await self.holder() is replica
        replica.trouble = kind
        print(f"  {replica.name} {kind} for {seconds:.1f} s{', the writer' if led else ''}", file=sys.stderr)
        began = time.time()
        match kind:
            case Trouble.KILL:
                replica.watcher.kill()
                await asyncio.sleep(seconds)
                await replica.watcher.start(timeout=90)
            case Trouble.FREEZE:
                replica.watcher.freeze()
                await asyncio.sleep(seconds)
                replica.watcher.thaw()
            case Trouble.SILENCE:
                await replica.proxy.set(freeze=True)
                await asyncio.sleep(seconds)
                await replica.proxy.clear()
            case Trouble.REFUSE:
                await replica.proxy.set(refuse=True)
                await replica.proxy.reset()
                await asyncio.sleep(seconds)
                await replica.proxy.clear()
        self.faults.append(Fault(replica.name, kind, began, time.time(), led))
        replica.trouble = None

    def told(self) -> list[str]:
        """Every violation that a replica has told of, in its own sentence: nothing was planted."""
        return [
            f"{each.name}: {violation.kind} {violation.sentence}"
            for each in self.replicas
            for violation in Reader(self.stack.directory / f"{each.name}-data").violations(limit=1000)
        ]

    async def leader_by_metrics(self, replica: Replica, session: aiohttp.ClientSession) -> bool | None:
        """What a replica says of itself; None when it does not answer."""
        asked = time.time()
        try:
            async with session.get(f"{replica.watcher.url}/metrics") as response:
                found = _LEADER.search(await response.text())
        except (aiohttp.ClientError, TimeoutError):
            return None
        if found is None:
            return None
        leads = float(found[1]) == 1
        self.samples.append(Sample(replica.name, leads, asked, time.time()))
        return leads

    async def sample(self) -> None:
        """Ask every replica in turns whether it leads, until cancelled."""
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=0.5)) as session:
            while True:
                for replica in self.replicas:
                    if replica.trouble not in (Trouble.KILL, Trouble.FREEZE):
                        await self.leader_by_metrics(replica, session)
                await asyncio.sleep(SAMPLE_EVERY)

    async def _rows(self, query: str) -> list[asyncpg.Record]:
        connection = await self.stack.postgres.connect("orders")
        try:
            return await connection.fetch(query)
        finally:
            await connection.close()


@asynccontextmanager
async def trial(term: float) -> AsyncIterator[Trial]:
    """Start a target and three replicas with leases of `term` seconds, one of which writes."""
    async with Owner() as owner:
        stack = fast_stack(owner, PROBES, election={"enabled": True, "lease": f"{term * 1000:.0f}ms"})
        await stack.start_services()
        document = config_of(stack)
        replicas = [await _replica(stack, document, name) for name in NAMES]
        await _write_down(stack)
        await asyncio.gather(*(each.watcher.start(timeout=90) for each in replicas))
        await asyncio.gather(*(each.watcher.wait_complete(90) for each in replicas))
        async with ControlClient(stack.target.control_url) as control:
            found = Trial(stack, control, replicas, term)
            sampling = asyncio.create_task(found.sample())
            try:
                yield found
            finally:
                sampling.cancel()
                await asyncio.wait([sampling])
                for each in replicas:
                    await each.watcher.stop(timeout=40)


async def _replica(stack: Stack, document: dict[str, Any], name: str) -> Replica:
    proxy = Proxy(stack.owner, stack.directory / f"{name}-proxy", stack.postgres.port)
    await proxy.start()
    database = document["probes"]["database"]
    dsn = database["dsn"].replace(f":{stack.postgres.port}/", f":{proxy.port}/")
    probes = {**document["probes"], "database": {**database, "dsn": dsn}}
    watcher = watcher_on(stack, {**document, "instance": name, "probes": probes}, name)
    config = load_config(stack.config_file, {})
    direct, _ = database_addresses(config.probes.database)
    assert direct is not None
    await set_up(direct, load_contract(config, stack.directory), name, config.probes.race.vendors)
    return Replica(name, watcher, proxy)


async def _write_down(stack: Stack) -> None:
    connection = await stack.postgres.connect("orders")
    try:
        await connection.execute(_HISTORY)
        for table in _WATCHED_TABLES:
            await connection.execute(
                f"CREATE TRIGGER proof AFTER INSERT OR UPDATE OR DELETE ON {table}"
                " FOR EACH ROW EXECUTE FUNCTION proof_write()"
            )
    finally:
        await connection.close()


async def until_led(found: Trial) -> Replica:
    """Wait until somebody holds the lease."""
    holders: list[Replica | None] = []

    async def held() -> bool:
        holders.append(await found.holder())
        return holders[-1] is not None

    await until("somebody to hold the lease", held)
    assert holders[-1] is not None
    return holders[-1]


async def at_random(found: Trial, seconds: float, seed: int) -> None:
    """Disturb replicas at random for so long, at times two at once, always leaving one alone."""
    random = Random(seed)
    ends = time.monotonic() + seconds
    under_way: set[asyncio.Task[None]] = set()
    while time.monotonic() < ends:
        well = [each for each in found.replicas if each.trouble is None]
        if len(well) >= 2:
            leader = await found.holder()
            target = leader if leader in well and random.random() < 0.7 else random.choice(well)
            assert target is not None
            kind = random.choice([*Trouble, Trouble.FREEZE])
            longest = 1.0 if kind is Trouble.KILL else 2.5
            shortest = 1.2 if kind is Trouble.FREEZE else 0.0
            task = asyncio.create_task(found.disturb(target, kind, random.uniform(shortest, longest) * found.term))
            under_way.add(task)
            await asyncio.sleep(0)
        await asyncio.sleep(random.uniform(0.2, 2.0) * found.term)
        for task in [task for task in under_way if task.done()]:
            under_way.discard(task)
            task.result()
    with suppress(asyncio.CancelledError):
        await asyncio.gather(*under_way)
