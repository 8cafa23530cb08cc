"""The gate: permits in order and within the caps, given back whatever happens, and no way around them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import closing
from typing import TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prober.cap import Cap, Demand
from prober.gate import NO_PERMIT, Gate, OverspentError, Permit, Routes
from prober.outcome import RouteFamily, SkipReason
from tests.permits import ROUTES, WIDE, permit_for
from tests.timeless import TimelessLoop

T = TypeVar("T")
WEBHOOK = b"POST /api/v1/whatsapp/webhook HTTP/1.1\r\n\r\n"
ACCEPT = b"POST /api/v1/vendor-routing/routing/r1/accept HTTP/1.1\r\n\r\n"
HEALTH = b"GET /health HTTP/1.1\r\n\r\n"


def timeless(main: Callable[[], Awaitable[T]]) -> T:
    """Run it in a loop in which waiting takes no time."""
    with closing(TimelessLoop()) as loop:

        async def whole() -> T:
            return await main()

        return loop.run_until_complete(whole())


def gate_of(**changes: float) -> Gate:
    limits = {"rate": 10.0, "burst": 20, "in_flight": 64, "webhook": 100, "webhook_window": 60.0} | changes
    return Gate(Cap(**limits), ROUTES, clock=lambda: asyncio.get_running_loop().time())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("target", "family"),
    [
        ("/api/v1/whatsapp/webhook", RouteFamily.WEBHOOK),
        ("/api/v1/whatsapp/webhook/", RouteFamily.WEBHOOK),
        ("/API/v1/WhatsApp/webhook?x=1", RouteFamily.WEBHOOK),
        ("/api/v1/whatsapp/webhooks", RouteFamily.PAGES),
        ("/api/v1/vendor-routing/routing/r1/accept", RouteFamily.ROUTING),
        ("/api/v1/vendor-routing/routing/r1/status", RouteFamily.ROUTING),
        ("/health", RouteFamily.PAGES),
        ("/", RouteFamily.PAGES),
    ],
)
def test_knows_which_routes_are_limited_together(target: str, family: RouteFamily) -> None:
    assert ROUTES.family(target) is family


def test_counts_what_asking_comes_to() -> None:
    asked = ["/health", "/health/live", "/api/v1/whatsapp/webhook", "/api/v1/vendor-routing/routing/x/accept"]
    assert ROUTES.demand(asked) == Demand(webhook=1, routing=1, pages=2)


def test_a_permit_covers_what_was_asked_for_and_not_one_more() -> None:
    permit = permit_for(webhook=1, pages=1)
    permit.open()
    permit.open()
    with pytest.raises(OverspentError, match="a connection was asked for"):
        permit.open()
    permit.begin(HEALTH)
    with pytest.raises(OverspentError, match=r"a request to /health \(pages\) was to be sent.*1 webhook left"):
        permit.begin(HEALTH)
    with pytest.raises(OverspentError, match="routing"):
        permit.begin(ACCEPT)
    permit.begin(WEBHOOK)
    permit.close()
    with pytest.raises(OverspentError, match="is closed"):
        permit.open()


def test_without_a_permit_nothing_is_sent() -> None:
    with pytest.raises(OverspentError):
        NO_PERMIT.open()
    with pytest.raises(OverspentError):
        NO_PERMIT.begin(HEALTH)


def test_a_permit_is_given_back_once_and_only_when_its_last_request_has_ended() -> None:
    gate = Gate(WIDE, ROUTES)
    permit = permit_for(pages=3, gate=gate)
    permit.begin(HEALTH)
    permit.begin(HEALTH)
    permit.close()
    assert gate.in_flight == 3
    permit.end()
    assert gate.in_flight == 3
    permit.end()
    permit.close()
    assert gate.in_flight == 0


def test_more_than_the_burst_is_refused_at_once() -> None:
    async def main() -> tuple[Permit | SkipReason, float]:
        refused = await gate_of().permit(Demand(pages=21), patience=1000.0)
        return refused, asyncio.get_running_loop().time()

    assert timeless(main) == (SkipReason.CAP, 0.0)


def test_waits_for_tokens_as_long_as_it_has_patience_and_no_longer() -> None:
    async def main() -> list[tuple[bool, float]]:
        gate, loop, came = gate_of(), asyncio.get_running_loop(), []
        for patience in (0.0, 0.05, 5.0):
            for _ in range(20):
                if isinstance(permit := gate.at_once(Demand(pages=1)), Permit):
                    permit.close()
            began = loop.time()
            granted = await gate.permit(Demand(pages=1), patience=patience)
            came.append((isinstance(granted, Permit), round(loop.time() - began, 2)))
        return came

    assert timeless(main) == [(False, 0.0), (False, 0.05), (True, 0.05)]


def test_a_race_that_waits_is_not_overtaken_by_those_who_want_less() -> None:
    async def main() -> list[str]:
        gate, order = gate_of(), []
        permit_for(pages=20, gate=gate).close()

        async def ask(name: str, count: int) -> None:
            assert isinstance(await gate.permit(Demand(pages=count), patience=60.0), Permit)
            order.append(name)

        tasks = [asyncio.create_task(ask("race", 7))]
        await asyncio.sleep(0)
        for n in range(5):
            tasks.append(asyncio.create_task(ask(f"page {n}", 1)))
            await asyncio.sleep(0.05)
        assert gate.at_once(Demand(pages=1)) is SkipReason.CAP
        await asyncio.gather(*tasks)
        return order

    assert timeless(main) == ["race", "page 0", "page 1", "page 2", "page 3", "page 4"]


def test_who_waits_for_the_webhooks_share_keeps_nobody_else() -> None:
    async def main() -> tuple[float, float]:
        gate, loop = gate_of(webhook=1), asyncio.get_running_loop()
        first = permit_for(webhook=1, gate=gate)
        first.begin(WEBHOOK)
        first.close()
        first.end()
        second = asyncio.create_task(gate.permit(Demand(webhook=1), patience=100.0))
        await asyncio.sleep(0)
        assert isinstance(await gate.permit(Demand(pages=1), patience=1.0), Permit)
        meanwhile = loop.time()
        assert isinstance(await second, Permit)
        return meanwhile, loop.time()

    meanwhile, after = timeless(main)
    assert meanwhile == 0.0
    assert 60.0 <= after <= 60.2


def test_what_the_target_wants_nothing_of_is_not_asked_and_the_rest_is() -> None:
    async def main() -> None:
        gate = gate_of()
        permit_for(routing=1, gate=gate).limited(RouteFamily.ROUTING, 30.0)
        gate.hold_off(RouteFamily.ROUTING, 10.0)  # never shortens
        assert gate.held_off == {RouteFamily.ROUTING: 30.0}
        assert await gate.permit(Demand(routing=1), patience=100.0) is SkipReason.RATE_LIMITED
        assert gate.at_once(Demand(pages=1, routing=1)) is SkipReason.RATE_LIMITED
        assert isinstance(await gate.permit(Demand(webhook=1, pages=1), patience=0.0), Permit)
        await asyncio.sleep(30.0)
        assert isinstance(await gate.permit(Demand(routing=1), patience=0.0), Permit)

    timeless(main)


def test_one_who_waits_when_the_target_refuses_the_others_is_refused_too() -> None:
    async def main() -> Permit | SkipReason:
        gate = gate_of()
        first = permit_for(routing=20, gate=gate)
        waiting = asyncio.create_task(gate.permit(Demand(routing=1), patience=60.0))
        await asyncio.sleep(0)
        first.limited(RouteFamily.ROUTING, 100.0)
        first.close()
        return await waiting

    assert timeless(main) is SkipReason.RATE_LIMITED


def test_a_permit_granted_in_the_moment_of_giving_up_is_given_back() -> None:
    async def main() -> int:
        gate = gate_of(in_flight=20)
        first = permit_for(pages=20, gate=gate)
        waiting = asyncio.create_task(gate.permit(Demand(pages=1), patience=60.0))
        await asyncio.sleep(5.0)
        first.close()  # which grants the one who waits
        assert gate.in_flight == 1
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        return gate.in_flight

    assert timeless(main) == 0


def test_when_the_first_in_line_gives_up_the_next_has_its_turn() -> None:
    async def main() -> tuple[Permit | SkipReason, bool, float]:
        gate, loop = gate_of(), asyncio.get_running_loop()
        permit_for(pages=20, gate=gate).close()
        first = asyncio.create_task(gate.permit(Demand(pages=20), patience=0.5))
        await asyncio.sleep(0)
        second = await gate.permit(Demand(pages=1), patience=0.6)
        return await first, isinstance(second, Permit), round(loop.time(), 3)

    assert timeless(main) == (SkipReason.CAP, True, 0.5)


wishes = st.lists(
    st.tuples(
        st.floats(0, 20),  # when it is asked for
        st.builds(Demand, webhook=st.integers(0, 3), routing=st.integers(0, 9), pages=st.integers(0, 5)),
        st.sampled_from([0.0, 0.1, 1.0, 5.0]),  # patience
        st.sampled_from([0.0, 0.01, 0.5, 5.0]),  # how long it is held
        st.none() | st.floats(0, 3),  # cancelled after
    ),
    max_size=60,
)


@given(
    wishes,
    st.sampled_from([2.0, 10.0, 100.0]),
    st.integers(1, 25),
    st.integers(1, 30),
    st.integers(1, 6),
)
@settings(deadline=None, max_examples=200)
def test_whatever_is_asked_held_and_cancelled_the_caps_hold_and_all_is_given_back(
    asked: list[tuple[float, Demand, float, float, float | None]],
    rate: float,
    burst: int,
    in_flight: int,
    webhook: int,
) -> None:
    grants: list[tuple[float, int]] = []

    async def main() -> None:
        gate = gate_of(rate=rate, burst=burst, in_flight=in_flight, webhook=webhook, webhook_window=3.0)
        loop = asyncio.get_running_loop()
        held = 0

        async def one(at: float, demand: Demand, patience: float, holds: float) -> None:
            nonlocal held
            await asyncio.sleep(at)
            began = loop.time()
            permit = await gate.permit(demand, patience=patience)
            assert loop.time() - began <= patience + 1e-6
            if not isinstance(permit, Permit):
                return
            grants.append((loop.time(), demand.total))
            held += demand.total
            assert held <= in_flight
            try:
                await asyncio.sleep(holds)
            finally:
                held -= demand.total
                permit.close()

        tasks = []
        for at, demand, patience, holds, cancelled in asked:
            tasks.append(asyncio.create_task(one(at, demand, patience, holds)))
            if cancelled is not None:
                loop.call_at(at + cancelled, tasks[-1].cancel)
        for outcome in await asyncio.gather(*tasks, return_exceptions=True):
            assert outcome is None or isinstance(outcome, asyncio.CancelledError), outcome
        assert gate.in_flight == 0
        await asyncio.sleep(burst / rate + 3.1)
        whole = min(burst, in_flight)
        assert isinstance(gate.at_once(Demand(pages=whole)), Permit)

    timeless(main)
    for window in (0.0, 0.3, 1.0, 4.0):
        for start, _ in grants:
            within = sum(n for at, n in grants if start <= at <= start + window)
            assert within <= burst + rate * (window + 1e-6)


def test_a_routes_prefix_of_the_url_belongs_to_the_path() -> None:
    routes = Routes(webhook="/shop/hook", routing="/shop/routing/")
    assert routes.family("/shop/hook") is RouteFamily.WEBHOOK
    assert routes.family("/hook") is RouteFamily.PAGES
