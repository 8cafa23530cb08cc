"""No write begins once it may not: each probe asks at the last moment, and its requests carry the number."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from prober.clock import now
from prober.config import load_strict
from prober.contract import SHIPPED, Contract
from prober.demo.redis_server import RedisServer
from prober.http1 import Client, Endpoint
from prober.outcome import Ask, Mode, Outcome, ProbeName, SkipReason, Violation, WebhookCheck
from prober.probes.accept import Accepts
from prober.probes.base import Run, Unrestricted, refusal_under
from prober.probes.heat import Heat, Lanes
from prober.probes.redis import RedisProbe
from prober.probes.redis_session import RedisAddress
from prober.probes.synthetic import Mark
from prober.probes.webhook import WebhookProbe
from prober.probes.webhook_duplicate import AT_ONCE, DuplicateProbe
from prober.probes.webhook_message import Messages, WebhookSettings
from prober.probes.webhook_signature import SignatureProbe
from prober.result import AwaitedWebhook
from tests.permits import any_permit

from .answering import Answering, always, answering

CONTRACT = load_strict(SHIPPED / "whatsapp-ordering-system.yaml", Contract)
TIMEOUT = 20.0
MARK = "X-Synthetic-Probe"


class Waning:
    """Allows so many writes, each asked for once; then another replica has the lease.

    With `gone_on` this one has taken it again by then, under that number.
    """

    def __init__(self, allowed: int, *, fence: int = 7, gone_on: int | None = None) -> None:
        self.fence = fence
        self._allowed = allowed
        self._gone_on = gone_on

    def refusal(self, *, undo: bool = False) -> SkipReason | None:
        self._allowed -= 1
        if self._allowed >= 0:
            return None
        if self._gone_on is not None:
            self.fence = self._gone_on
            return None
        return SkipReason.NOT_LEADER


async def nothing(*_: object) -> None:
    """Nobody wants to know."""


def messages_to(server: Answering) -> tuple[Messages, Client]:
    settings = WebhookSettings(
        mode=Mode.FULL,
        public_url="https://orders.example.com",
        auth_token="0123456789abcdef",
        account_sid="AC" + "0" * 32,
        from_number="+999000000000",
    )
    client = Client(Endpoint.parse(server.url))
    return Messages(CONTRACT.webhook, settings, Mark("test"), client.endpoint, None), client


def a_run() -> Run:
    return Run(id="run1", started=now(), timeout=TIMEOUT, permit=any_permit())


@pytest_asyncio.fixture
async def target() -> AsyncIterator[Answering]:
    """Takes everything, also what is badly signed."""
    async with answering(always(200)) as server:
        yield server


@pytest_asyncio.fixture
async def strict() -> AsyncIterator[Answering]:
    """Refuses everything."""
    async with answering(always(403)) as server:
        yield server


def marks(server: Answering) -> list[str]:
    return [asked.headers[MARK] for asked in server.asked]


def test_a_number_that_was_lost_and_taken_anew_is_not_the_same() -> None:
    assert refusal_under(Waning(1), 7) is None
    assert refusal_under(Waning(0), 7) is SkipReason.NOT_LEADER
    assert refusal_under(Waning(1), 6) is SkipReason.NOT_LEADER
    assert refusal_under(Unrestricted(), None) is None


async def test_a_message_carries_the_number(target: Answering) -> None:
    result = await WebhookProbe(*messages_to(target), nothing, Waning(2)).run(a_run())
    assert (result.outcome, result.check) == (Outcome.OK, WebhookCheck.DELIVERY)
    assert marks(target) == ["test/run1;fence=7"]


@pytest.mark.parametrize(("allowed", "gone_on"), [(0, None), (1, None), (1, 9)])
async def test_in_place_of_a_message_that_may_not_be_sent_the_path_is_checked(
    strict: Answering, allowed: int, gone_on: int | None
) -> None:
    """Also when that turns out only once there is a connection."""
    permission = Waning(allowed, gone_on=gone_on)
    intended: list[AwaitedWebhook] = []

    async def intend(message: AwaitedWebhook) -> None:
        intended.append(message)

    result = await WebhookProbe(*messages_to(strict), intend, permission).run(a_run())
    assert (result.outcome, result.check, result.accepted) == (Outcome.OK, WebhookCheck.PATH, False)
    assert result.detail.endswith("not delivered: not_leader")
    assert marks(strict) == ["test/run1"]
    assert len(intended) == allowed
    # What may be there because of the intention is looked for.
    assert result.awaited == (intended[0] if intended else None)


async def test_the_repeats_are_not_released_when_it_has_come_to_that(target: Answering) -> None:
    # One for each message and each of the two in a row; none for those at once.
    result = await DuplicateProbe(*messages_to(target), nothing, Waning(4)).run(a_run())
    assert result.outcome is Outcome.SETUP_FAILED
    assert "not_leader" in result.detail
    assert len(target.asked) == len(result.attempts) == 2
    # Both messages may be there, as far as the next one knows.
    assert len(result.awaited) == 2
    allowed = await DuplicateProbe(*messages_to(target), nothing, Waning(5)).run(a_run())
    assert allowed.outcome is Outcome.OK
    assert len(target.asked) == 2 + 2 + AT_ONCE
    assert set(marks(target)) == {"test/run1;fence=7"}


async def test_what_was_found_before_stays_found(target: Answering) -> None:
    result = await SignatureProbe(*messages_to(target), nothing, Waning(2)).run(a_run())
    assert result.probe is ProbeName.WEBHOOK_SIGNATURE
    assert (result.outcome, result.violations) == (Outcome.VIOLATION, (Violation.FORGED_ACCEPTED,))
    assert len(target.asked) == 1


@pytest.mark.parametrize("gone_on", [None, 9])
async def test_accepts_are_not_released_when_no_write_may_begin(target: Answering, gone_on: int | None) -> None:
    permission = Waning(0, gone_on=gone_on)
    client = Client(Endpoint.parse(target.url))
    accepts = Accepts(CONTRACT.race, Mark("test"), client.endpoint, None)
    lanes = Lanes(client, accepts, ("v1", "v2", "v3"), a_run(), permission)
    heat = Heat(order_id="order", routing_id="routing", released=now())
    await lanes.race(heat, Ask.RACE)
    assert (heat.held_back, heat.answers, heat.spread) == (SkipReason.NOT_LEADER, (), None)
    lanes.close()
    # Only what warms the way, which is no write.
    assert {asked.path for asked in target.asked} == {CONTRACT.race.warm_up.path if CONTRACT.race.warm_up else ""}
    assert set(marks(target)) == {"test/run1"}


async def test_accepts_carry_the_number(target: Answering) -> None:
    client = Client(Endpoint.parse(target.url))
    accepts = Accepts(CONTRACT.race, Mark("test"), client.endpoint, None)
    lanes = Lanes(client, accepts, ("v1", "v2", "v3"), a_run(), Waning(1))
    heat = Heat(order_id="order", routing_id="routing", released=now())
    await lanes.race(heat, Ask.RACE)
    lanes.close()
    assert heat.held_back is None
    assert [a.headers[MARK] for a in target.asked if "/routing/routing/" in a.path] == ["test/run1;fence=7"] * 3


async def test_redis_is_only_read_where_no_write_may_begin(redis_server: RedisServer) -> None:
    address = RedisAddress(host="127.0.0.1", port=redis_server.port, password=redis_server.password)
    probe = RedisProbe(address, instance="test", permission=Waning(2))
    try:
        whole = await probe.run(a_run())
        assert set(whole.operations) == {"ping", "write", "read", "delete"}
        read = await probe.run(a_run())
        assert (read.outcome, set(read.operations)) == (Outcome.OK, {"ping", "read"})
    finally:
        await probe.close()
