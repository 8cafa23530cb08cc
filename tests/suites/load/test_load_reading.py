"""What the counts of a load mean, by tables: what is judged, what is not and why, and whom it blames."""

from __future__ import annotations

from array import array
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prober.outcome import Ending, Measure
from prober.suites.load.documenting import drained, series
from prober.suites.load.generator import Task, share
from prober.suites.load.latencies import counted, distribution, latency, percentile
from prober.suites.load.limits import Effort, judge_generator
from prober.suites.load.memory import metric_in
from prober.suites.load.processes import processes_for
from prober.suites.load.reading import Counted, Reading, read, read_warm_up
from prober.suites.load.tally import Slot, Tally, kind_of, micros
from prober.suites.observing import Look

EFFORT = Effort(
    processes=1,
    cpu_seconds=1.0,
    cpu_share=0.1,
    waited_share=0.0,
    lag_mean=0.0001,
    lag_p99=0.001,
    late_p99=None,
    starved=0,
    sent=1000,
)


def tally_of(
    accepted: int,
    seconds: float = 0.02,
    rejected: dict[str, int] | None = None,
    failed: dict[str, int] | None = None,
) -> Tally:
    slot = Slot(0.0)
    slot.accepted = accepted
    slot.micros = array("I", [micros(seconds)] * accepted)
    slot.rejected = sum((rejected or {}).values())
    slot.failed = sum((failed or {}).values())
    slot.sent = accepted + slot.rejected + slot.failed
    return Tally(slots=[slot], rejected=Counter(rejected or {}), failed=Counter(failed or {}))


def reading(
    tally: Tally,
    *,
    seconds: float = 1.0,
    rate: float | None = None,
    effort: Effort = EFFORT,
    lost: int | None = 0,
    repeated: int | None = 0,
    interrupted: str = "",
) -> Reading:
    spread = latency(counted(slot.micros for slot in tally.slots))
    return read(
        Counted(
            tally=tally,
            latency=spread,
            seconds=seconds,
            in_time=tally.accepted,
            rate=rate,
            concurrency=10,
            limit=judge_generator(effort, spread),
            lost=lost,
            repeated=repeated,
            interrupted=interrupted,
        ),
        "http://target/hook",
    )


def test_a_plain_run_is_judged_whole() -> None:
    said = reading(tally_of(700), lost=0)
    assert said.measures == {
        Measure.RPS: 700.0,
        Measure.LATENCY_P95: 0.02,
        Measure.LATENCY_P99: 0.02,
        Measure.ERROR_RATE: 0.0,
    }
    assert (said.why_not, said.notes, said.violations, said.ending) == ({}, (), 0, Ending.COMPLETE)
    assert "700 of 700 messages were accepted" in said.sentence
    assert "none was lost" in said.sentence


def test_whether_one_was_lost_is_not_said_where_nobody_could_look() -> None:
    assert "lost" not in reading(tally_of(700), lost=None, repeated=None).sentence


def test_refusals_and_failures_are_errors_but_429_is_none() -> None:
    said = reading(tally_of(80, rejected={"403": 10, "rate_limited": 100}, failed={"timeout": 10}))
    assert said.measures[Measure.ERROR_RATE] == 0.2
    assert "100 of 200 messages were answered 429" in said.why_not[Measure.RPS]
    assert "20 of 100 went wrong" in said.sentence
    assert said.measures[Measure.LATENCY_P99] == 0.02  # of the accepted alone


def test_lost_and_repeated_messages_are_violations() -> None:
    said = reading(tally_of(100), lost=3, repeated=2)
    assert said.violations == 5
    assert "3 were accepted and lost" in said.sentence
    assert "2 had their effect more than once" in said.sentence


def test_where_everything_met_the_limit_nothing_was_measured() -> None:
    said = reading(tally_of(0, rejected={"rate_limited": 50}))
    assert said.ending is Ending.FAILED
    assert set(said.why_not) == set(said.measures)
    assert "its rate limit, not its capacity" in said.sentence


def test_a_target_that_dies_under_load_is_a_result() -> None:
    said = reading(tally_of(0, failed={"refused": 50}))
    assert said.ending is Ending.COMPLETE
    assert said.measures[Measure.ERROR_RATE] == 1.0
    assert Measure.ERROR_RATE not in said.why_not
    assert said.measures[Measure.RPS] is None


@pytest.mark.parametrize(
    ("tally", "said"),
    [
        (tally_of(1, failed={"reset": 9}), None),
        (tally_of(0), "sent no answer"),
        (tally_of(0, rejected={"rate_limited": 10}), "answered 429 to all 10 messages"),
        (tally_of(0, rejected={"403": 1}), "answered 403 to the one message: the token, the public URL"),
        (tally_of(0, rejected={"404": 10}), "there is no such path there"),
        (tally_of(0, failed={"refused": 9}, rejected={"403": 1}), "refused () for 9 of 10 messages, and none"),
    ],
)
def test_a_warm_up_without_one_accepted_message_says_why(tally: Tally, said: str | None) -> None:
    found = read_warm_up(tally, "http://target/hook")
    assert (found is None) if said is None else (found is not None and said in found)


@pytest.mark.parametrize(
    ("rps", "rate", "judged"),
    [
        (40, 40.0, False),  # kept up: its capacity is not known
        (40, 100.0, True),  # did not: this is its capacity
        (700, 700.0, True),  # good whatever its capacity
        (1500, 1500.0, True),
    ],
)
def test_an_open_loop_is_judged_by_what_it_shows(rps: int, rate: float, judged: bool) -> None:
    assert (Measure.RPS not in reading(tally_of(rps), rate=rate).why_not) is judged


BUSY = replace(EFFORT, cpu_share=0.9)
WAITING = replace(EFFORT, cpu_share=0.3, waited_share=0.6)


@pytest.mark.parametrize(
    ("effort", "rps", "latency_seconds", "unjudged"),
    [
        (EFFORT, 50, 0.02, set()),
        (BUSY, 50, 0.02, {Measure.RPS}),
        (WAITING, 50, 0.02, {Measure.RPS}),
        (BUSY, 1500, 0.02, set()),  # what is good is good all the more
        (BUSY, 50, 0.9, {Measure.RPS, Measure.LATENCY_P95, Measure.LATENCY_P99}),
        (replace(EFFORT, lag_mean=0.01), 50, 0.02, {Measure.RPS}),
        (replace(EFFORT, lag_mean=0.01), 50, 0.9, set()),  # ten milliseconds of nine hundred
        (replace(EFFORT, lag_p99=0.6), 700, 0.9, {Measure.LATENCY_P95, Measure.LATENCY_P99}),
        (replace(EFFORT, late_p99=0.6), 700, 0.9, {Measure.LATENCY_P95, Measure.LATENCY_P99}),
        (replace(EFFORT, starved=100), 50, 0.02, {Measure.RPS}),
    ],
)
def test_the_target_is_not_blamed_for_what_we_were_too_slow_for(
    effort: Effort, rps: int, latency_seconds: float, unjudged: set[Measure]
) -> None:
    said = reading(tally_of(rps, latency_seconds), effort=replace(effort, sent=rps))
    assert set(said.why_not) == unjudged
    assert not unjudged or any("the generator was the limit" in note for note in said.notes)


def test_what_was_not_sent_is_said() -> None:
    tally = tally_of(100)
    tally.unsent = 30
    assert any("30 messages were due and not sent" in note for note in reading(tally, rate=200.0).notes)


def test_an_interrupted_run_keeps_what_it_has() -> None:
    said = reading(tally_of(100), interrupted="stopped by SIGINT")
    assert said.ending is Ending.INTERRUPTED
    assert said.measures[Measure.RPS] == 100
    assert any("stopped by SIGINT" in note for note in said.notes)


@given(st.lists(st.integers(min_value=1, max_value=3_600_000_000), min_size=1, max_size=300))
@settings(deadline=None, max_examples=50)  # a histogram is large, and a busy machine slow
def test_percentiles_are_right_to_three_digits_and_the_distribution_holds_everything(samples: list[int]) -> None:
    counts = counted([samples])
    found, ordered = latency(counts), sorted(samples)
    assert found.count == len(samples)
    for percent, value in ((50, found.p50), (95, found.p95), (99, found.p99)):
        exact = percentile(samples, percent)
        assert exact is not None
        assert value == pytest.approx(exact, rel=2e-3)
    assert (found.min, found.max) == (ordered[0] / 1e6, ordered[-1] / 1e6)
    edges = [edge for edge, _ in found.distribution]
    assert edges == sorted(set(edges))
    assert sum(count for _, count in distribution(counts)) == len(samples)
    assert edges[-1] >= ordered[-1] / 1e6 * 0.999


def test_without_a_sample_there_is_no_figure() -> None:
    empty = latency({})
    assert (empty.count, empty.p99, empty.mean, empty.distribution) == (0, None, None, ())


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (429, ("rate_limited", False)),
        (500, ("server_error", True)),
        (503, ("server_error", True)),
        (302, ("redirect", False)),
        (404, ("404", False)),
        (204, ("204", False)),
    ],
)
def test_kinds(status: int, kind: tuple[str, bool]) -> None:
    assert kind_of(status) == kind


@pytest.mark.parametrize(
    ("cores", "local", "concurrency", "count"),
    [
        (2, True, 500, 1),
        (2, False, 500, 1),
        (4, True, 500, 2),
        (8, False, 500, 7),
        (8, False, 10, 1),
        (64, False, 500, 10),
        (1, True, 10, 1),
    ],
)
def test_there_are_as_many_generators_as_cores_are_free(
    cores: int, local: bool, concurrency: int, count: int
) -> None:
    assert processes_for(cores, local=local, concurrency=concurrency) == count


@given(concurrency=st.integers(1, 999), count=st.integers(1, 16), rate=st.none() | st.floats(1, 1e5))
def test_generators_share_all_of_a_task(concurrency: int, count: int, rate: float | None) -> None:
    task = Task(run_id="a", concurrency=concurrency, rate=rate, duration=1.0)
    shares = share(task, [str(index) for index in range(count)])
    assert sum(each.concurrency for each in shares) == concurrency
    assert rate is None or sum(each.rate or 0 for each in shares) == pytest.approx(rate)


def test_stretches_hold_the_last_look_in_each() -> None:
    first, second = Slot(0.0), Slot(1.0)
    first.sent = first.accepted = 3
    first.micros = array("I", [1000, 2000, 3000])
    looks = [Look(10.2, pool=0.1), Look(10.9, pool=0.5, backlog=7), Look(11.5, memory=100)]
    found = series(Tally(slots=[first, second]), 1.0, 2.0, looks, 10.0)
    assert [(slot.begins_at, slot.seconds, slot.accepted) for slot in found] == [(0.0, 1.0, 3), (1.0, 1.0, 0)]
    assert (found[0].p50, found[0].p99, found[1].p50) == (0.002, 0.003, None)
    assert [(slot.pool_usage, slot.backlog, slot.target_memory) for slot in found] == [
        (0.5, 7, None),
        (None, None, 100),
    ]


@pytest.mark.parametrize(
    ("backlogs", "seconds"),
    [
        ([(9.0, 0), (11.0, 50), (12.0, 20), (13.0, 0)], 3.0),
        ([(9.0, 5), (11.0, 5)], 1.0),
        ([(9.0, 0), (11.0, 50)], None),
        ([(9.0, None), (11.0, None)], None),
        ([], None),
    ],
)
def test_a_backlog_is_drained_when_it_is_what_it_was(
    backlogs: list[tuple[float, int | None]], seconds: float | None
) -> None:
    assert drained([Look(at, backlog=backlog) for at, backlog in backlogs], 10.0) == seconds


def test_a_metric_is_summed_over_its_labels() -> None:
    text = '# TYPE m gauge\nm{a="1"} 10\nm{a="2"} 2.5e3\nmm 99\nother 1\n'
    assert metric_in(text, "m") == 2510
    assert metric_in(text, "mm") == 99
    assert metric_in(text, "absent") is None


def test_tallies_of_several_generators_add_up_by_stretch() -> None:
    total = Tally()
    total.add(tally_of(3, failed={"reset": 1}))
    total.add(tally_of(2, rejected={"403": 4}))
    assert (total.sent, total.accepted, len(total.slots), len(total.slots[0].micros)) == (10, 5, 1, 5)
    assert (total.failed, total.rejected) == ({"reset": 1}, {"403": 4})
