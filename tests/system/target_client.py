"""What the tests of the reference target do to it from outside: signed webhooks, races, looks into the rows."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import asyncpg

from prober.demo.postgres import Postgres
from prober.demo.process import Owner
from prober.demo.redis_server import RedisServer
from prober.demo.target.control_client import ControlClient
from prober.demo.target.forms import FormName
from prober.demo.target.record import Kind
from prober.demo.target_server import Target
from prober.signature import forge_form, sign_form
from prober.sql import Sql
from tests.system.target_words import WORDS, Words

AUTH_TOKEN = "a-token-of-the-tests"
PUBLIC_URL = "https://orders.example.test/api/v1/whatsapp/webhook"
WEBHOOK = "/api/v1/whatsapp/webhook"
RETAILER = "retailer"
HTTPS = {"X-Forwarded-Proto": "https"}
PATIENCE = 20.0  # seconds: generous, the machine may be busy


class KnownTarget(Target):
    """A target whose database and Redis a test can reach too."""

    def __init__(self, owner: Owner, *, dsn: str, redis: RedisServer, settings: dict[str, Any]):
        super().__init__(
            owner,
            owner.directory / "target",
            dsn=dsn,
            redis_url=redis.url(),
            auth_token=AUTH_TOKEN,
            public_url=PUBLIC_URL,
            settings=settings,
        )
        self.words = WORDS[settings.get("form", FormName.DEPLOYED)]
        self.dsn = dsn
        self.redis_url = redis.url()


@dataclass(frozen=True, slots=True)
class Sms:
    """One message as Twilio posts it."""

    sid: str = field(default_factory=lambda: "SM" + secrets.token_hex(16))
    sender: str = "+9779800000001"
    body: str = field(default_factory=lambda: "synthetic-prober " + secrets.token_hex(8))

    @property
    def form(self) -> dict[str, str]:
        return {
            "From": f"whatsapp:{self.sender}",
            "To": "whatsapp:+14155238886",
            "Body": self.body,
            "MessageSid": self.sid,
            "SmsSid": self.sid,
            "AccountSid": "AC" + "0" * 32,
            "ProfileName": "synthetic-prober",
            "NumMedia": "0",
        }


@dataclass(frozen=True, slots=True)
class Race:
    """What exists before a race: an order with a routing and a response row of each vendor."""

    order: str
    routing: str
    vendors: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """What one accept was told."""

    vendor: str
    status: int
    json: dict[str, Any]
    words: Words

    @property
    def accepted(self) -> bool | None:
        """Whether it was told it won; None when it was told neither."""
        if self.heard in (self.words.won, self.words.won_again):
            return True
        return False if self.heard in self.words.lost else None

    @property
    def heard(self) -> tuple[int, str]:
        """The status and the reason given with it."""
        data = self.json.get("data", {})
        return self.status, str(data.get("reason") or data.get("response") or self.json.get("code"))


class Outside:
    """Somebody outside of the target, with a look into its database and its record."""

    def __init__(self, target: KnownTarget, http: aiohttp.ClientSession, control: ControlClient) -> None:
        self.target = target
        self.words = target.words
        self.http = http
        self.control = control
        self._rows: asyncpg.Connection[asyncpg.Record] | None = None

    async def webhook(self, sms: Sms, *, signature: str | None = "right", **headers: str) -> tuple[int, str]:
        """Post a message; `signature`: right, forged, None, or the value itself."""
        if signature == "right":
            signature = sign_form(AUTH_TOKEN, PUBLIC_URL, sms.form)
        elif signature == "forged":
            signature = forge_form(AUTH_TOKEN, PUBLIC_URL, sms.form)
        signed = {} if signature is None else {"X-Twilio-Signature": signature}
        more = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.http.post(WEBHOOK, data=sms.form, headers={**HTTPS, **signed, **more}) as response:
            return response.status, await response.text()

    async def claim(self, sms: Sms) -> None:
        """Insert the row that makes the target take the message for a repeat."""
        claimed = self.words.contract.webhook.claimed
        assert claimed is not None
        await self.run(claimed.claim, message_sid=sms.sid, from_number=sms.sender)

    async def effects(self, sms: Sms) -> int:
        """How many rows of `whatsapp_messages` the message has."""
        return int(
            await self.value(
                'SELECT count(*) FROM whatsapp_messages WHERE "from" = $1 AND body = $2', sms.sender, sms.body
            )
        )

    async def status(self, sms: Sms) -> str | None:
        """What the target's row says of the message: pending, processed, skipped; None without a row."""
        found: str | None = await self.value(self.words.message_status, sms.sid)
        return found

    async def processed(self, sms: Sms) -> bool:
        """Whether it has had exactly one effect and is marked as processed."""
        return await self.effects(sms) == 1 and await self.status(sms) == "processed"

    async def new_race(self, size: int, order: str | None = None, *, responses: bool = True) -> Race:
        """Make an order (or another routing of one) with vendors that have a response row each, or none has."""
        name = secrets.token_hex(6)
        race = Race(order or f"order-{name}", name, tuple(f"vendor-{name}-{number}" for number in range(size)))
        contract = self.words.contract.race
        make_order, make_routing, make_responses = contract.create
        statements = [*contract.fixtures, *([make_order] if order is None else []), make_routing]
        async with (await self.connection()).transaction():
            await self.run(*statements, *([make_responses] if responses else []), **_values(race))
        return race

    async def remove(self, race: Race) -> int:
        """Remove an order as the prober does; how many of its rows are left."""
        contract = self.words.contract.race
        await self.run(*contract.cleanup, **_values(race))
        return int(await self.value(contract.leftovers.query, *contract.leftovers.arguments(_values(race))))

    async def accept(self, race: Race, vendor: str) -> Answer:
        """One vendor accepts."""
        path = f"{self.words.routing}/routing/{race.routing}/accept"
        headers = {**HTTPS, "X-Idempotency-Key": secrets.token_hex(8)}
        async with self.http.post(path, json={"vendorId": vendor}, headers=headers) as response:
            has_json = response.content_type == "application/json"
            return Answer(vendor, response.status, await response.json() if has_json else {}, self.words)

    async def run_race(self, race: Race) -> list[Answer]:
        """All vendors accept at once, each on a connection of its own."""
        return await asyncio.gather(*(self.accept(race, vendor) for vendor in race.vendors))

    async def outcome(self, race: Race) -> tuple[str | None, set[str]]:
        """What the rows say: who holds the lock, and whose responses are accepted."""
        sql = self.words.contract.race.rows
        row = await (await self.connection()).fetchrow(sql.query, *sql.arguments(_values(race)))
        assert row is not None
        return row["locked_vendor"], set(row["accepted_vendors"])

    async def connection(self) -> asyncpg.Connection[asyncpg.Record]:
        """A session of our own in the target's database."""
        if self._rows is None or self._rows.is_closed():
            self._rows = await asyncpg.connect(self.target.dsn, timeout=10.0)
        return self._rows

    async def value(self, query: str, *arguments: object) -> Any:
        return await (await self.connection()).fetchval(query, *arguments)

    async def execute(self, statement: str, *arguments: object) -> None:
        await (await self.connection()).execute(statement, *arguments)

    async def run(self, *statements: Sql, **values: object) -> None:
        for sql in statements:
            await self.execute(sql.query, *sql.arguments(values))

    async def recorded(self, kind: Kind, **what: object) -> list[dict[str, Any]]:
        """Entries of the record that have all these values."""
        entries = await self.control.record(kind)
        return [entry for entry in entries if what.items() <= entry.items()]

    async def close(self) -> None:
        if self._rows is not None:
            self._rows.terminate()


def _values(race: Race) -> dict[str, object]:
    return {
        "order_id": race.order,
        "routing_id": race.routing,
        "retailer_id": RETAILER,
        "vendor_ids": list(race.vendors),
    }


@asynccontextmanager
async def outside(target: KnownTarget) -> AsyncIterator[Outside]:
    """Connections from outside to a running target."""
    timeout = aiohttp.ClientTimeout(total=60.0)
    connector = aiohttp.TCPConnector(limit=0)
    async with (
        aiohttp.ClientSession(target.url, timeout=timeout, connector=connector) as http,
        ControlClient(target.control_url) as control,
    ):
        somebody = Outside(target, http, control)
        yield somebody
        await somebody.close()


async def start_target(owner: Owner, dsn: str, redis: RedisServer, **settings: Any) -> KnownTarget:
    """Start a target; the rate limit is off unless the settings have one."""
    target = KnownTarget(owner, dsn=dsn, redis=redis, settings={"rate_limit": {"requests": 0}, **settings})
    await target.start()
    return target


@asynccontextmanager
async def running_target(postgres: Postgres, **settings: Any) -> AsyncIterator[KnownTarget]:
    """A target with a database and a Redis of its own, for all tests of a module."""
    async with Owner() as owner:
        dsn = await postgres.create_database("target_" + secrets.token_hex(6))
        redis = RedisServer(owner, owner.directory / "redis")
        await redis.start()
        yield await start_target(owner, dsn, redis, **settings)


async def eventually(condition: Callable[[], Awaitable[object]], what: str, within: float = PATIENCE) -> None:
    """Wait until a condition holds; fails the test when it does not within `within` seconds."""
    deadline = time.monotonic() + within
    while not await condition():
        assert time.monotonic() < deadline, f"not within {within:g} s: {what}"
        await asyncio.sleep(0.02)
