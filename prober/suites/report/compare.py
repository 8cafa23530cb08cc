"""Two runs of one suite: what got better or worse beyond the noise, and what one may not conclude."""

from __future__ import annotations

from dataclasses import dataclass, field

from prober.outcome import Change, Ending, Measure, Verdict
from prober.suites.report.noise import Estimate, difference
from prober.suites.report.quantities import Quantity, quantities
from prober.suites.report.wording import title, verdict_word
from prober.suites.results import Results
from prober.suites.results_drill import DrillDetail

# What two runs on one and the same machine differ by anyway; a smaller change is not worth a sentence.
FLOOR = 0.05

CAUTION = (
    "One run each: what changes from run to run (neighbours, caches, the hour) is not seen in here; "
    "repeat both before you believe a small change."
)


class NotComparableError(Exception):
    """Two runs of which a comparison would say nothing; the text says why."""


@dataclass(frozen=True, slots=True)
class Compared:
    """One figure in both runs, in words, and what that says; `low` and `high` bound the difference where known."""

    name: str
    before: str
    after: str
    change: Change
    sentence: str
    difference: float | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class VerdictChange:
    """One breaking point in both runs."""

    measure: Measure
    name: str
    before: Verdict | None
    after: Verdict | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """All that two runs say of each other."""

    title: str
    before: str  # run ids with their times
    after: str
    sentence: str
    warnings: tuple[str, ...]
    compared: tuple[Compared, ...]
    verdicts: tuple[VerdictChange, ...]
    caution: str = field(default=CAUTION)


def compare(before: Results, after: Results) -> Comparison:
    """Compare two runs; NotComparableError for different suites, and for drills with different faults."""
    if before.suite is not after.suite:
        raise NotComparableError(
            f"{before.run_id} is a {before.suite}, {after.run_id} a {after.suite}: expected two runs of one suite"
        )
    if isinstance(before.detail, DrillDetail) and before.scenario != after.scenario:
        raise NotComparableError(
            f"{before.run_id} is the drill {before.scenario}, {after.run_id} the drill {after.scenario}: "
            "another fault is no better or worse; expected two runs of one scenario"
        )
    then = {one.name: one for one in quantities(before)}
    compared = tuple(_compared(then.get(one.name), one) for one in quantities(after))
    return Comparison(
        title=title(after),
        before=f"{before.run_id}, {before.started}",
        after=f"{after.run_id}, {after.started}",
        sentence=_sentence(compared),
        warnings=tuple(_warnings(before, after)),
        compared=compared,
        verdicts=_verdicts(before, after),
    )


def _compared(before: Quantity | None, after: Quantity) -> Compared:
    then = None if before is None else before.value
    now = after.value
    was = "not measured" if then is None else after.say(then)
    has_now = "not measured" if now is None else after.say(now)
    if before is None or then is None or now is None:
        why = after.why_not or (before.why_not if before is not None else None) or "not measured in both runs"
        return Compared(after.name, was, has_now, Change.NOT_KNOWN, why)
    delta = None
    if before.estimate is not None and after.estimate is not None:
        delta = difference(before.estimate, after.estimate)
    change, sentence = _change(before, after, delta)
    if delta is None:
        return Compared(after.name, was, has_now, change, sentence, now - then)
    return Compared(after.name, was, has_now, change, sentence, delta.value, delta.low, delta.high)


def _change(before: Quantity, after: Quantity, delta: Estimate | None) -> tuple[Change, str]:
    """What the difference says. A violation is proof, and none of a violation is not."""
    if after.violations and not before.violations:
        return Change.WORSE, f"a correct system never does this: {after.violations:,} now, none before"
    then, now = before.value or 0.0, after.value or 0.0
    rises = now > then
    direction = Change.BETTER if rises is (after.better == "higher") else Change.WORSE
    if before.violations and not after.violations and (delta is None or delta.low <= 0 <= delta.high):
        return Change.SAME, "not seen this time, in too few to say that it is gone"
    if _small(then, now, after.is_share):
        return Change.SAME, f"less than {FLOOR:.0%} apart" if now != then else "no difference"
    by = _points(then, now) if after.is_share else _by(then, now)
    if delta is None:
        return Change.ONCE, f"{by}; a run has one such figure, so this may be chance"
    if delta.low <= 0 <= delta.high:
        return Change.SAME, f"{by}, within the noise"
    return direction, f"{by}, beyond the noise"


def _small(then: float, now: float, is_share: bool) -> bool:
    """Of shares both sides count: 99.9 % to 99 % is ten times the failures."""
    whole = max(abs(then), abs(now))
    if is_share:
        whole = min(whole, max(1 - then, 1 - now))
    return now == then or abs(now - then) < FLOOR * whole


def _points(then: float, now: float) -> str:
    return f"{abs(now - then) * 100:.2g} points {'more' if now > then else 'less'}"


def _by(then: float, now: float) -> str:
    if then == 0 or now == 0:
        return "none before" if then == 0 else "none now"
    part = now / then
    if part >= 2:
        return f"{part:.1f} times as much"
    return f"{abs(part - 1):.0%} {'more' if part > 1 else 'less'}"


def _warnings(before: Results, after: Results) -> list[str]:
    """What else than the target changed between the two."""
    said = []
    circumstances: tuple[tuple[str, str | int, str | int], ...] = (
        ("scenarios", before.scenario, after.scenario),
        ("targets", before.target.url, after.target.url),
        ("environments", before.target.environment, after.target.environment),
        ("contracts", before.target.contract, after.target.contract),
        ("versions of prober", before.prober.version, after.prober.version),
        ("numbers of cores", before.prober.cores, after.prober.cores),
        ("numbers of processes", before.prober.processes, after.prober.processes),
    )
    for what, then, now in circumstances:
        if then != now:
            said.append(f"different {what}: {then} before, {now} after")
    for name in sorted(before.parameters.keys() | after.parameters.keys()):
        asked, asks = before.parameters.get(name), after.parameters.get(name)
        if asked != asks:
            said.append(f"different parameter {name}: {_given(asked)} before, {_given(asks)} after")
    for which, results in (("first", before), ("second", after)):
        if results.ending is not Ending.COMPLETE:
            said.append(f"the {which} run is {results.ending}: {results.sentence}")
        said.extend(f"the {which} run: {note}" for note in results.notes)
    return said


def _given(value: str | float | int | bool | None) -> str:
    return "not given" if value is None else str(value)


def _verdicts(before: Results, after: Results) -> tuple[VerdictChange, ...]:
    then = {row.measure: row.verdict for row in before.judgement.breaking_points}
    return tuple(
        VerdictChange(row.measure, row.name, then.get(row.measure), row.verdict)
        for row in after.judgement.breaking_points
    )


def _sentence(compared: tuple[Compared, ...]) -> str:
    worse = [one.name for one in compared if one.change is Change.WORSE]
    better = [one.name for one in compared if one.change is Change.BETTER]
    if not worse and not better:
        return "Nothing got better or worse beyond the noise."
    parts = [f"{word}: {', '.join(names)}" for word, names in (("worse", worse), ("better", better)) if names]
    said = "; ".join(parts)
    return f"{said[0].upper()}{said[1:]}. All else is the same within the noise, or cannot be told."


def verdict_change(one: VerdictChange) -> str:
    """In words: `good`, or `good → warning`."""
    if one.before is one.after:
        return verdict_word(one.after)
    return f"{verdict_word(one.before)} → {verdict_word(one.after)}"
