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
from prober.demo.target.record import Kind
from prober.demo.target_server import Target
from prober.signature import forge_form, sign_form

AUTH_TOKEN = "a-token-of-the-tests"
PUBLIC_URL = "https://orders.example.test/api/v1/whatsapp/webhook"
WEBHOOK = "/api/v1/whatsapp/webhook"
ROUTING = "/api/v1/vendor-routing"
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

    @property
    def accepted(self) -> bool | None:
        found: bool | None = self.json.get("data", {}).get("accepted")
        return found

    @property
    def reason(self) -> str:
        return str(self.json.get("data", {}).get("reason") or self.json.get("code"))


class Outside:
    """Somebody outside of the target, with a look into its database and its record."""

    def __init__(self, target: KnownTarget, http: aiohttp.ClientSession, control: ControlClient) -> None:
        self.target = target
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
        await self.execute(
            """INSERT INTO processed_messages (id, "messageSid", "phoneNumber", "updatedAt")
               VALUES ($1, $1, $2, now())""",
            sms.sid,
            sms.sender,
        )

    async def effects(self, sms: Sms) -> int:
        """How many rows of `whatsapp_messages` the message has."""
        return int(
            await self.value(
                'SELECT count(*) FROM whatsapp_messages WHERE "from" = $1 AND body = $2', sms.sender, sms.body
            )
        )

    async def status(self, sms: Sms) -> str | None:
        """`processed_messages.status` of the message."""
        found: str | None = await self.value(
            'SELECT status FROM processed_messages WHERE "messageSid" = $1', sms.sid
        )
        return found

    async def processed(self, sms: Sms) -> bool:
        """Whether it has had exactly one effect and is marked as processed."""
        return await self.effects(sms) == 1 and await self.status(sms) == "processed"

    async def new_race(self, size: int, order: str | None = None) -> Race:
        """Make an order (or another routing of one) with vendors that have a response row each."""
        name = secrets.token_hex(6)
        vendors = tuple(f"vendor-{name}-{number}" for number in range(size))
        rows = await self.connection()
        async with rows.transaction():
            await rows.execute(
                """INSERT INTO wholesalers (id, "businessName", "ownerName", "phoneNumber", "whatsappNumber",
                      "businessAddress", city, state, pincode, latitude, longitude, categories, "isActive",
                      "updatedAt")
                   SELECT v, v, v, v, v, '', '', '', '', 0, 0, '[]', false, now() FROM unnest($1::text[]) v""",
                vendors,
            )
            if order is None:
                order = f"order-{name}"
                await rows.execute(
                    """INSERT INTO retailers (id, "phoneNumber", "whatsappNumber", "updatedAt")
                       VALUES ('retailer', 'retailer', 'retailer', now()) ON CONFLICT DO NOTHING"""
                )
                await rows.execute(
                    """INSERT INTO orders (id, "orderNumber", "retailerId", "totalAmount", "updatedAt")
                       VALUES ($1, $1, 'retailer', 0, now())""",
                    order,
                )
            await rows.execute(
                """INSERT INTO vendor_routings (id, "orderId", "retailerId", "eligibleVendors", "updatedAt")
                   VALUES ($1, $2, 'retailer', '[]', now())""",
                name,
                order,
            )
            await rows.execute(
                """INSERT INTO vendor_responses
                               (id, "vendorRoutingId", "wholesalerId", "responseType", "updatedAt")
                   SELECT $1 || v, $1, v, 'PENDING', now() FROM unnest($2::text[]) v""",
                name,
                vendors,
            )
        return Race(order, name, vendors)

    async def accept(self, race: Race, vendor: str) -> Answer:
        """One vendor accepts."""
        path = f"{ROUTING}/routing/{race.routing}/accept"
        headers = {**HTTPS, "X-Idempotency-Key": secrets.token_hex(8)}
        async with self.http.post(path, json={"vendorId": vendor}, headers=headers) as response:
            return Answer(vendor, response.status, await response.json())

    async def run_race(self, race: Race) -> list[Answer]:
        """All vendors accept at once, each on a connection of its own."""
        return await asyncio.gather(*(self.accept(race, vendor) for vendor in race.vendors))

    async def outcome(self, race: Race) -> tuple[str | None, set[str]]:
        """What the rows say: who holds the lock, and whose responses are accepted."""
        lock = await self.value('SELECT "lockedWholesalerId" FROM vendor_routings WHERE id = $1', race.routing)
        rows = await self.connection()
        accepted = await rows.fetch(
            """SELECT "wholesalerId" FROM vendor_responses
                WHERE "vendorRoutingId" = $1 AND "responseType" = 'ACCEPT' AND "acceptedAt" IS NOT NULL""",
            race.routing,
        )
        return lock, {row[0] for row in accepted}

    async def connection(self) -> asyncpg.Connection[asyncpg.Record]:
        """A session of our own in the target's database."""
        if self._rows is None or self._rows.is_closed():
            self._rows = await asyncpg.connect(self.target.dsn, timeout=10.0)
        return self._rows

    async def value(self, query: str, *arguments: object) -> Any:
        return await (await self.connection()).fetchval(query, *arguments)

    async def execute(self, statement: str, *arguments: object) -> None:
        await (await self.connection()).execute(statement, *arguments)

    async def recorded(self, kind: Kind, **what: object) -> list[dict[str, Any]]:
        """Entries of the record that have all these values."""
        entries = await self.control.record(kind)
        return [entry for entry in entries if what.items() <= entry.items()]

    async def close(self) -> None:
        if self._rows is not None:
            self._rows.terminate()


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
