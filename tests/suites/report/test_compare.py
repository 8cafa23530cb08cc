"""Two runs: what got better or worse beyond the noise, what did not, and what cannot be compared."""

from __future__ import annotations

import pytest

from prober.outcome import Change, Ending, Suite
from prober.suites.report.compare import CAUTION, Comparison, NotComparableError, compare
from prober.suites.report.compare_html import comparison_page
from prober.suites.report.compare_text import comparison_markdown, comparison_text
from prober.suites.report.quantities import quantities
from prober.suites.results import Results

from . import samples


def changes(comparison: Comparison) -> dict[str, Change]:
    return {one.name: one.change for one in comparison.compared}


@pytest.mark.parametrize("seed", range(2, 8))
def test_two_runs_of_the_same_system_differ_in_nothing(seed: int) -> None:
    for before, after in (
        (samples.load(seed=1), samples.load(seed=seed)),
        (samples.race(seed=1), samples.race(seed=seed)),
        (samples.drill(seed=1, working=0.3), samples.drill(seed=seed, working=0.3)),
    ):
        found = changes(compare(before, after))
        assert not {Change.BETTER, Change.WORSE} & set(found.values()), found


def test_a_slower_system_is_worse_and_the_other_way_round_better() -> None:
    fast, slow = samples.load(seed=1, median=0.02), samples.load(seed=2, median=0.03, rate=300)
    there, back = changes(compare(fast, slow)), changes(compare(slow, fast))
    for name in ("accepted a second", "p50 answer time", "p95 answer time", "p99 answer time"):
        assert (there[name], back[name]) == (Change.WORSE, Change.BETTER), name
    assert there["failed or refused"] is Change.SAME


def test_more_failures_are_worse() -> None:
    found = changes(compare(samples.load(failing=0.0005), samples.load(seed=2, failing=0.02)))
    assert found["failed or refused"] is Change.WORSE


def test_one_violation_more_than_none_is_no_noise() -> None:
    lossy = compare(samples.load(), samples.load(seed=2, lost=1))
    assert changes(lossy)["lost messages"] is Change.WORSE
    doubled = compare(samples.race(), samples.race(seed=2, double=1))
    assert changes(doubled)["races with exactly one winner"] is Change.WORSE


def test_a_violation_that_is_not_seen_again_is_not_gone() -> None:
    found = {one.name: one for one in compare(samples.load(lost=1), samples.load(seed=2)).compared}[
        "lost messages"
    ]
    assert found.change is Change.SAME
    assert "too few" in found.sentence
    many = changes(compare(samples.race(double=20), samples.race(seed=2)))
    assert many["races with exactly one winner"] is Change.BETTER


def test_slower_races_are_worse() -> None:
    found = changes(compare(samples.race(slow=0.03), samples.race(seed=2, slow=0.045)))
    assert found["mean race"] is Change.WORSE
    assert found["mean answer"] is Change.WORSE


def test_a_drill_with_a_fallback_does_better_while_the_fault_lasts() -> None:
    found = changes(compare(samples.drill(working=0.0), samples.drill(seed=2, working=0.9)))
    assert found["success during the fault"] is Change.BETTER
    assert found["success before the fault"] is Change.SAME


def test_what_a_run_has_once_is_never_beyond_the_noise() -> None:
    before = samples.drill()
    detail = before.detail.model_dump()
    detail["recovery"]["webhook_seconds"] = 24.0
    after = Results.model_validate(before.model_dump() | {"detail": detail})
    found = {one.name: one for one in compare(before, after).compared}["webhook path back after the fault's end"]
    assert found.change is Change.ONCE
    assert found.sentence == "10.0 times as much; a run has one such figure, so this may be chance"


def test_a_limited_target_has_no_throughput_to_compare() -> None:
    found = {one.name: one for one in compare(samples.load(), samples.load(rate_limited=True)).compared}
    assert found["accepted a second"].change is Change.NOT_KNOWN
    assert "rate limit" in found["accepted a second"].sentence


def test_other_suites_and_other_faults_are_refused() -> None:
    with pytest.raises(NotComparableError, match="two runs of one suite"):
        compare(samples.load(), samples.race())
    with pytest.raises(NotComparableError, match="another fault"):
        compare(samples.drill(), samples.drill(scenario="timeout"))
    with pytest.raises(NotComparableError, match="two runs of one suite"):
        compare(samples.drill(), samples.drill(Suite.DB_RESTART))


def test_what_else_changed_is_said() -> None:
    before, after = samples.load(), samples.load(seed=2, ending=Ending.INTERRUPTED)
    other = Results.model_validate(
        after.model_dump()
        | {
            "scenario": "heavy",
            "parameters": {"concurrency": 200, "duration": 30.0, "rate": None},
            "target": after.target.model_dump() | {"url": "http://127.0.0.1:9"},
        }
    )
    said = "\n".join(compare(before, other).warnings)
    for expected in ("different scenarios", "different targets", "different parameter concurrency", "interrupted"):
        assert expected in said
    assert "duration" not in said


def test_every_run_of_a_suite_has_the_same_quantities() -> None:
    for one in samples.every_kind().values():
        names = [quantity.name for quantity in quantities(one)]
        assert len(set(names)) == len(names)


@pytest.mark.parametrize("kind", samples.every_kind())
def test_every_form_of_a_comparison_says_the_same(kind: str) -> None:
    before = samples.every_kind()[kind]
    after = {
        "load": samples.load(seed=2, median=0.4),
        "race": samples.race(seed=2),
        "redis-drill": samples.drill(seed=2, working=0.8),
        "db-drill": samples.drill(Suite.DB_RESTART, seed=2, working=0.9),
    }[kind]
    comparison = compare(before, after)
    text, marked, html = (
        comparison_text(comparison),
        comparison_markdown(comparison),
        comparison_page(comparison, before, after),
    )
    assert max(len(line) for line in text.splitlines()) <= 120
    assert text.splitlines()[1].strip().split(":")[0] in comparison.sentence
    for one in comparison.compared:
        assert one.name in text
        assert one.before in text
    assert CAUTION.split(":")[0] in marked
    assert html.count("<polyline") >= 2
    assert not any("None" in form for form in (text, marked, html))
