"""The lease as one replica sees it: a table of steps, then many replicas at once under every delay and freeze."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prober.judge import lease
from prober.judge.lease import ATTEMPT, DRIFT, NEVER, PACE, RETRY, Asking, Lease, Row

TERM = 10.0
OURS = Lease(holder="a/1", term=TERM)


def row(fence: int = 3, holder: str = "b/1", *, stamp: int = 7, term: float = TERM, free: bool = False) -> Row:
    return Row(holder=holder, fence=fence, term=term, stamp=stamp, free=free)


def held(*, sent: float = 100.0, fence: int = 4) -> Lease:
    return lease.answered(OURS, Asking.TAKE, row(fence, "a/1"), sent=sent, now=sent + 0.1)


def seen(found: Row | None, now: float, before: Lease = OURS) -> Lease:
    return lease.answered(before, Asking.LOOK, found, sent=now - 0.1, now=now)


def test_begins_without_it_and_looks() -> None:
    assert not OURS.holds(0.0)
    assert lease.next_asking(OURS, 0.0) is Asking.LOOK
    assert OURS.ask_at <= 0.0


def test_what_nobody_holds_is_taken_at_once() -> None:
    for found in (None, row(free=True), row(holder="a/1")):
        after = seen(found, 50.0)
        assert lease.next_asking(after, 50.0) is Asking.TAKE
        assert after.ask_at <= 50.0


def test_what_another_holds_is_taken_once_it_was_seen_unchanged_for_a_term() -> None:
    after = seen(row(), 50.0)
    assert lease.next_asking(after, 50.0 + TERM - 0.01) is Asking.LOOK
    assert lease.next_asking(after, 50.0 + TERM) is Asking.TAKE
    again = seen(row(), 50.0 + 0.9 * TERM, after)
    assert again.seen_since == 50.0
    assert again.ask_at == 50.0 + TERM
    renewed = seen(row(stamp=8), 50.0 + 0.9 * TERM, after)
    assert lease.next_asking(renewed, 50.0 + 1.5 * TERM) is Asking.LOOK


def test_the_longer_of_two_terms_counts() -> None:
    after = seen(row(term=3 * TERM), 50.0)
    assert lease.next_asking(after, 50.0 + 2.9 * TERM) is Asking.LOOK
    assert lease.next_asking(after, 50.0 + 3 * TERM) is Asking.TAKE


def test_counts_from_before_it_was_sent_and_less_than_the_term() -> None:
    after = held(sent=100.0, fence=4)
    assert after.fence == 4
    assert after.holds(100.0 + TERM * (1 - DRIFT) - 0.001)
    assert not after.holds(100.0 + TERM * (1 - DRIFT))
    assert after.ask_at == 100.0 + TERM * PACE
    assert lease.next_asking(after, 103.0) is Asking.RENEW


def test_an_answer_that_took_a_whole_term_gives_nothing() -> None:
    after = lease.answered(OURS, Asking.TAKE, row(4, "a/1"), sent=100.0, now=100.0 + TERM)
    assert not after.holds(100.0 + TERM)
    assert lease.next_asking(after, 100.0 + TERM) is Asking.LOOK


def test_a_renewal_that_failed_is_tried_again_while_it_holds() -> None:
    after = lease.failed(held(sent=100.0), 104.0)
    assert after.until == held(sent=100.0).until
    assert after.ask_at == pytest.approx(104.0 + TERM * RETRY)
    assert lease.next_asking(after, after.ask_at) is Asking.RENEW


def test_a_renewal_that_was_refused_ends_it_at_once() -> None:
    after = lease.answered(held(sent=100.0), Asking.RENEW, None, sent=103.0, now=103.1)
    assert not after.holds(103.1)
    assert (lease.next_asking(after, 103.1), after.ask_at) == (Asking.LOOK, 103.1)


def test_once_it_ran_out_it_is_taken_afresh_and_not_renewed() -> None:
    after = held(sent=100.0)
    assert lease.next_asking(after, 100.0 + TERM) is Asking.LOOK
    after = seen(row(4, "a/1"), 100.0 + TERM, after)
    assert lease.next_asking(after, 100.0 + TERM) is Asking.TAKE


def test_a_lease_that_is_given_back_is_over_at_once() -> None:
    assert not lease.given_back(held(sent=100.0)).holds(100.2)


def test_an_answer_is_awaited_no_longer_than_it_is_of_use() -> None:
    assert lease.patience(OURS, 0.0) == TERM * ATTEMPT
    assert lease.patience(held(sent=100.0), 103.0) == TERM * ATTEMPT
    assert lease.patience(held(sent=100.0), 109.0) == pytest.approx(0.5)


# A world: a server with one row, replicas with clocks of their own, messages that take as long as they like.


@dataclass
class Server:
    """The row, by the rules of `prober.probes.lease_table`; its wall clock may be stepped."""

    row: Row | None = None
    expires: float = NEVER
    step: float = 0.0
    stamps: itertools.count[int] = field(default_factory=lambda: itertools.count(1))
    passings: list[tuple[float, int, str]] = field(default_factory=list)

    def do(self, at: float, asking: Asking, was: Lease) -> Row | None:
        wall, now = at + self.step, self.row
        match asking:
            case Asking.LOOK:
                return now
            case Asking.TAKE:
                same = now is not None and was.seen is not None and now == was.seen
                if now is not None and not now.free and now.holder != was.holder and not same:
                    return None
                self.passings.append((at, (now.fence if now else 0) + 1, was.holder))
                return self._set(was, (now.fence if now else 0) + 1, wall)
            case Asking.RENEW:
                mine = now is not None and not now.free and (now.holder, now.fence) == (was.holder, was.fence)
                return self._set(was, was.fence, wall) if mine and self.expires > wall else None

    def _set(self, was: Lease, fence: int, wall: float) -> Row:
        self.expires = wall + was.term
        self.row = Row(holder=was.holder, fence=fence, term=was.term, stamp=next(self.stamps))
        return self.row


@dataclass(frozen=True)
class Belief:
    """A replica may begin writes from `since` to `until` (true time)."""

    holder: str
    fence: int
    since: float
    until: float


Draw = Callable[[str], float]


class Replica:
    """The loop of `prober.daemon.leadership`, on a clock that runs at `rate` and is frozen now and then."""

    def __init__(self, world: World, name: str, rate: float, term: float) -> None:
        self.world, self.name, self.rate = world, name, rate
        self.life = 0
        self.term = term
        self.begin()

    def begin(self) -> None:
        self.life += 1
        self.lease = Lease(holder=f"{self.name}/{self.life}", term=self.term)
        self.frozen_until = NEVER

    def clock(self, at: float) -> float:
        return 1000.0 + at * self.rate

    def true(self, clock: float) -> float:
        return (clock - 1000.0) / self.rate

    def turn(self, at: float) -> None:
        """Ask what is due; a freeze strikes anywhere in between."""
        life, was, now = self.life, self.lease, self.clock(at)
        if now < was.ask_at:
            self.world.at(
                max(at + 0.001, self.true(was.ask_at)), self.name, lambda t: self.alive(life, t, self.turn)
            )
            return
        asking, patience = lease.next_asking(was, now), lease.patience(was, now)
        sent = at + self.world.draw("before sending")
        reached = sent + self.world.draw("way there")
        back = reached + self.world.draw("way back")
        self.world.at(
            reached, "server", lambda t: self.reach(life, t, asking, was, at, back, at + patience / self.rate)
        )

    def reach(
        self, life: int, at: float, asking: Asking, was: Lease, sent: float, back: float, give_up: float
    ) -> None:
        row = self.world.server.do(at, asking, was)  # also when nobody waits for the answer any more
        if back > give_up:
            self.world.at(max(at, give_up), self.name, lambda t: self.alive(life, t, self.fail))
        else:
            self.world.at(
                back, self.name, lambda t: self.alive(life, t, lambda u: self.hear(u, asking, row, sent))
            )

    def hear(self, at: float, asking: Asking, row: Row | None, sent: float) -> None:
        self.lease = lease.answered(self.lease, asking, row, sent=self.clock(sent), now=self.clock(at))
        if self.lease.holds(self.clock(at)):
            self.world.beliefs.append(Belief(self.lease.holder, self.lease.fence, at, self.true(self.lease.until)))
        self.turn(at)

    def fail(self, at: float) -> None:
        self.lease = lease.failed(self.lease, self.clock(at))
        self.turn(at)

    def alive(self, life: int, at: float, then: Callable[[float], None]) -> None:
        """Go on, unless this life is over; later, if it is frozen."""
        if life != self.life:
            return
        if at < self.frozen_until:
            self.world.at(self.frozen_until, self.name, lambda t: self.alive(life, t, then))
        else:
            then(at)

    def die(self, at: float) -> None:
        """Killed, and started again after a while."""
        self.begin()
        self.world.beliefs = [
            replace(b, until=min(b.until, at)) if b.holder == f"{self.name}/{self.life - 1}" else b
            for b in self.world.beliefs
        ]
        life = self.life
        self.world.at(at + self.world.draw("down"), self.name, lambda t: self.alive(life, t, self.turn))

    def freeze(self, at: float) -> None:
        self.frozen_until = at + self.world.draw("frozen")


class World:
    def __init__(self, draw: Draw) -> None:
        self.draw = draw
        self.server = Server()
        self.beliefs: list[Belief] = []
        self.queue: list[tuple[float, int, Callable[[float], None]]] = []
        self.numbers = itertools.count()

    def at(self, when: float, _who: str, what: Callable[[float], None]) -> None:
        heapq.heappush(self.queue, (when, next(self.numbers), what))

    def run(self, until: float) -> None:
        while self.queue and self.queue[0][0] <= until:
            when, _, what = heapq.heappop(self.queue)
            what(when)


rates = st.floats(1 - DRIFT / 2.1, 1 + DRIFT / 2.1)
BOUNDS = {
    "before sending": (0.0, 3 * TERM),
    "way there": (0.0, 3 * TERM),
    "way back": (0.0, 3 * TERM),
    "down": (0.0, 3 * TERM),
    "frozen": (0.0, 4 * TERM),
}


def drawing(seed: int) -> Draw:
    """Mostly short ways, sometimes anything."""
    random = Random(seed)

    def pick(what: str) -> float:
        low, high = BOUNDS[what]
        if what in ("down", "frozen") or random.random() < 0.15:
            return random.uniform(low, high)
        return random.uniform(0.0, 0.02 * TERM)

    return pick


drawings = st.builds(drawing, st.integers(0, 2**32))


@settings(max_examples=300, deadline=None)
@given(
    pick=drawings,
    clocks=st.lists(st.tuples(rates, st.sampled_from([TERM, TERM / 2, 2 * TERM])), min_size=2, max_size=4),
    troubles=st.lists(
        st.tuples(
            st.floats(0, 30 * TERM),
            st.integers(0, 3),
            st.sampled_from(["die", "freeze", "step"]),
            st.floats(-5 * TERM, 5 * TERM),
        ),
        max_size=20,
    ),
)
def test_two_never_believe_at_once_that_they_may_begin(
    pick: Draw,
    clocks: list[tuple[float, float]],
    troubles: list[tuple[float, int, str, float]],
) -> None:
    """Whatever is late, frozen, killed, cut off or stepped: also the server's clock."""
    world = World(pick)
    replicas = [Replica(world, f"r{n}", rate, term) for n, (rate, term) in enumerate(clocks)]
    for replica in replicas:
        world.at(0.0, replica.name, replica.turn)
    for when, who, what, step in troubles:
        one = replicas[who % len(replicas)]
        if what == "step":
            world.at(when, "server", lambda _, step=step: setattr(world.server, "step", step))  # type: ignore[misc]
        else:
            world.at(when, one.name, one.die if what == "die" else one.freeze)
    world.run(30 * TERM)
    assert world.server.passings
    fences = [fence for _, fence, _ in world.server.passings]
    assert fences == list(range(1, len(fences) + 1))
    for this, that in itertools.combinations(world.beliefs, 2):
        if this.holder != that.holder:
            assert this.until <= that.since or that.until <= this.since, (this, that)
    # What somebody believes was taken by him, and by nobody else before his belief ends.
    for belief in world.beliefs:
        later = [at for at, fence, _ in world.server.passings if fence > belief.fence]
        assert not later or belief.until <= later[0] or belief.holder == world.server.passings[belief.fence][2]


@settings(max_examples=100, deadline=None)
@given(pick=drawings, clocks=st.lists(rates, min_size=2, max_size=4), lost=st.floats(2 * TERM, 4 * TERM))
def test_another_writes_within_two_terms_of_the_loss(pick: Draw, clocks: list[float], lost: float) -> None:
    """On ways that work: whenever the holder falls silent, and whoever it is."""

    def short(what: str) -> float:
        return min(pick(what), 0.02 * TERM)

    world = World(short)
    replicas = [Replica(world, f"r{n}", rate, TERM) for n, rate in enumerate(clocks)]
    for replica in replicas:
        world.at(0.0, replica.name, replica.turn)
    world.run(lost)
    writers = {b.holder for b in world.beliefs if b.since <= lost < b.until}
    assert len(writers) == 1
    (writer,) = writers
    next(r for r in replicas if writer.startswith(f"{r.name}/")).frozen_until = float("inf")
    world.run(lost + 2 * TERM)
    assert [b for b in world.beliefs if b.holder != writer and b.since > lost]
