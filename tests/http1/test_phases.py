"""The phases add up to the whole, whatever is known and whatever is missing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prober.http1 import Client, Endpoint, build_request
from prober.http1.exchange import split
from prober.outcome import Outcome, Phase
from tests.permits import any_permit

from .raw_server import Peer, serving

instants = st.floats(0, 1e6)


@given(instants, st.lists(st.none() | instants, min_size=5, max_size=5), instants)
def test_they_add_up_and_none_is_negative(started: float, ends: list[float | None], lasted: float) -> None:
    phases = split(started, ends, started + lasted)
    assert list(phases) == list(Phase)
    assert all(length >= 0 for length in phases.values())
    assert sum(phases.values()) == pytest.approx((started + lasted) - started, abs=1e-6)


def test_a_phase_lasts_from_the_end_of_the_one_before() -> None:
    phases = split(10.0, (11.0, 13.0, 16.0, 16.5, 20.0), 21.0)
    assert list(phases.values()) == [1.0, 2.0, 3.0, 0.5, 3.5, 1.0]


def test_the_phase_it_hung_in_holds_the_rest() -> None:
    assert split(10.0, (11.0, None, None, None, None), 15.0)[Phase.CONNECT] == 4.0
    assert split(10.0, (10.0, 10.0, 10.0, 11.0, None), 15.0)[Phase.WAIT] == 4.0


def test_an_answer_before_the_request_was_whole_ends_the_sending() -> None:
    phases = split(10.0, (10.0, 10.0, 10.0, None, 12.0), 15.0)
    assert (phases[Phase.SEND], phases[Phase.WAIT], phases[Phase.RECEIVE]) == (2.0, 0.0, 3.0)


async def test_each_phase_of_a_real_exchange_holds_what_the_server_did_in_it() -> None:
    def script(peer: Peer) -> None:
        peer.read_request()
        assert peer.nothing_more_within(0.1)
        peer.trickle(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789", 0.01)

    with serving(script) as server:
        endpoint = Endpoint.parse(server.url)
        exchange = await Client(endpoint).exchange(any_permit(), build_request("GET", endpoint, "/"), timeout=20)
    assert exchange.outcome is Outcome.OK
    phases = exchange.phases
    assert (phases[Phase.DNS], phases[Phase.TLS]) == (0.0, 0.0)
    assert phases[Phase.CONNECT] > 0
    assert phases[Phase.SEND] > 0
    assert phases[Phase.WAIT] >= 0.09
    assert phases[Phase.RECEIVE] >= 0.1
    assert sum(phases.values()) == pytest.approx(exchange.duration, abs=1e-9)
    assert exchange.sent == pytest.approx(exchange.started + phases[Phase.CONNECT] + phases[Phase.SEND], abs=1e-9)
