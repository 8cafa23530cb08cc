"""What waits in memory is bounded, and what is dropped first is what matters least."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from prober.outcome import RaceOutcome, Settlement
from prober.publish.journal.backlog import Backlog, Write, shed
from prober.publish.journal.entries import Cleaned, Entry, Forgotten, State, is_expendable
from tests.publish.journal_samples import awaited, mark, outage, race, redis_result, settled, violation

numbers = st.integers(0, 5)
entries: st.SearchStrategy[Entry] = st.one_of(
    st.builds(outage, numbers),
    st.builds(mark, numbers),
    st.builds(lambda n: Cleaned(kind="orders", id=f"order-{n}"), numbers),
    st.builds(awaited, numbers),
    st.builds(lambda n: Forgotten(message_sid=f"SM{n:032x}"), numbers),
    st.builds(settled, numbers, st.sampled_from([Settlement.DONE, Settlement.LOST])),
    st.builds(violation, numbers),
    st.builds(lambda n: State(key=f"key-{n}", value=n), numbers),
)


def test_the_oldest_results_go_first_and_are_counted() -> None:
    backlog = Backlog(results_kept=3)
    results = [redis_result(n) for n in range(5)]
    for result in results:
        backlog.put_result(result)
    assert backlog.take_dropped() == 2
    assert backlog.take_dropped() == 0
    assert backlog.take_results(10) == results[2:]


def test_results_put_back_stay_before_newer_ones() -> None:
    backlog = Backlog(results_kept=3)
    results = [redis_result(n) for n in range(4)]
    backlog.put_result(results[0])
    backlog.put_result(results[1])
    taken = backlog.take_results(2)
    backlog.put_result(results[2])
    backlog.put_result(results[3])
    backlog.return_results(taken)
    assert backlog.take_results(10) == results[1:]
    assert backlog.take_dropped() == 1


def test_results_never_push_out_what_matters() -> None:
    backlog = Backlog(results_kept=2)
    write = Write((mark(1),))
    backlog.put_write(write)
    for n in range(100):
        backlog.put_result(redis_result(n))
    assert list(backlog.take_writes()) == [write]


def test_the_evidence_of_a_violation_is_no_ordinary_result() -> None:
    assert is_expendable(race(1))
    assert is_expendable(redis_result(1))
    assert not is_expendable(race(1, RaceOutcome.MULTIPLE_WINNERS))
    assert not is_expendable(violation(1))


def test_writes_are_bounded_even_if_the_thread_hangs() -> None:
    backlog = Backlog(writes_kept=100)
    for n in range(1_000):
        backlog.put_write(Write((violation(n),)))
    assert len(backlog) <= 100
    kept = [write.entries[0] for write in backlog.take_writes()]
    assert kept[-1] == violation(999)
    assert backlog.take_dropped() == 1_000 - len(kept)


def test_shedding_loses_nothing_that_a_later_entry_says_too() -> None:
    writes = [
        Write((outage(1, began=1.0),)),
        Write((mark(1),)),
        Write((violation(1),)),
        Write((outage(1, began=1.0, ended=2.0),)),
        Write((Cleaned(kind="orders", id="order-1"),)),
    ]
    kept, dropped = shed(writes, limit=3)
    assert kept == writes[2:]
    assert dropped == 0


def test_violations_outlast_all_else() -> None:
    kept, dropped = shed(
        [Write((violation(1),)), Write((outage(2),)), Write((mark(3),)), Write((awaited(4),))], limit=1
    )
    assert [write.entries for write in kept] == [(violation(1),)]
    assert dropped == 3


@given(st.lists(entries, max_size=60), st.integers(1, 40))
def test_shedding_keeps_order_and_bound_and_counts_what_is_missing(many: list[Entry], limit: int) -> None:
    writes = [Write((entry,)) for entry in many]
    kept, dropped = shed(writes, limit)
    positions = [writes.index(write) for write in kept]
    assert positions == sorted(positions)
    assert len(kept) <= limit
    # Overtaken ones are no loss: the last entry about everything is kept or counted.
    assert len(kept) + dropped <= len(writes)
    if dropped:
        assert len(kept) == limit
