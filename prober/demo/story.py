"""What a demo has seen, in words: a line every few seconds and a summary at the end, from the journal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from prober.outcome import Outcome, ProbeName, RaceOutcome, WebhookCheck
from prober.publish.journal.reader import Reader
from prober.publish.journal.stored import StoredOutage, StoredRace, StoredResult, StoredViolation

PAGE = 1000

R = TypeVar("R", bound="_Row", covariant=True)


@dataclass(kw_only=True)
class Seen:
    """Everything since a moment. Lengths in seconds."""

    results: list[StoredResult] = field(default_factory=list)
    races: list[StoredRace] = field(default_factory=list)
    outages: list[StoredOutage] = field(default_factory=list)
    violations: list[StoredViolation] = field(default_factory=list)


def look(reader: Reader, since_wall: float) -> Seen:
    """Read everything that began at `since_wall` or later; UnreadableError where there is no journal yet."""
    return Seen(
        results=_pages(reader.results, lambda r: r.started_wall >= since_wall),
        races=_pages(reader.races, lambda r: r.released_wall >= since_wall),
        outages=_pages(reader.outages, lambda o: o.ended_wall is None or o.ended_wall >= since_wall),
        violations=_pages(reader.violations, lambda v: v.last_wall >= since_wall),
    )


def line(seen: Seen, at: str) -> str:
    """What the last few seconds showed, on one line."""
    webhooks = _webhooks(seen.results)
    accepted = [r.duration for r in webhooks if _accepted(r)]
    parts = [f"webhook {len(accepted)}/{len(webhooks)} accepted{_milliseconds(accepted)}"]
    if seen.races:
        parts.append(f"races {_counted(race.outcome for race in seen.races)}")
    for probe in (ProbeName.REDIS, ProbeName.DATABASE):
        latest = next((r for r in seen.results if r.probe == probe), None)
        if latest is not None:
            parts.append(f"{probe} {_said(latest)}")
    down = [outage.probe for outage in seen.outages if outage.ended_wall is None]
    parts.append(f"DOWN: {', '.join(down)}" if down else "all up")
    if seen.violations:
        parts.append(f"VIOLATIONS {_counted(violation.kind for violation in seen.violations)}")
    return f"{at}  " + " | ".join(parts)


def summary(seen: Seen) -> str:
    """The whole demo for a person: webhooks, races, outages, violations."""
    webhooks = _webhooks(seen.results)
    accepted = sorted(r.duration for r in webhooks if _accepted(r))
    lost = sum(v.kind == "lost_message" for v in seen.violations)
    lines = ["", "What prober saw", f"  webhooks   {len(webhooks)} sent, {len(accepted)} accepted, {lost} lost"]
    if accepted:
        shares = " ".join(f"p{p} {percentile(accepted, p) * 1000:.1f} ms" for p in (50, 95, 99))
        lines.append(f"  latency    {shares}")
    refused = Counter(r.outcome for r in webhooks if not _accepted(r))
    if refused:
        lines.append(f"  not accepted: {', '.join(f'{n} {outcome}' for outcome, n in refused.most_common())}")
    judged = [r for r in seen.races if RaceOutcome(r.outcome).is_judged]
    won = sum(r.outcome == RaceOutcome.ONE_WINNER for r in judged)
    lines.append(f"  races      {len(seen.races)}: {_counted(r.outcome for r in seen.races) or 'none'}")
    if judged:
        lines.append(f"  win rate   {won / len(judged):.4f} of {len(judged)} judged")
    lines.append(f"  outages    {len(seen.outages) or 'none'}")
    lines += [f"    {_outage(outage)}" for outage in reversed(seen.outages)]
    lines.append(f"  violations {len(seen.violations) or 'none'}")
    lines += _violations(seen.violations)
    return "\n".join(lines)


def _violations(violations: Sequence[StoredViolation]) -> list[str]:
    """Each kind with how often, and the first of it as evidence."""
    lines = []
    for kind, count in Counter(v.kind for v in violations).most_common():
        first = min((v for v in violations if v.kind == kind), key=lambda v: v.first_wall)
        lines += [f"    {kind}: {count}, the first of them {first.id}:", f"      {first.sentence}"]
    return lines


def percentile(ordered: Sequence[float], percent: float) -> float:
    """The nearest-rank percentile of a sorted, non-empty sequence."""
    rank = max(1, -(-len(ordered) * percent // 100))
    return ordered[int(rank) - 1]


class _Row(Protocol):
    @property
    def seq(self) -> int: ...


class _Read(Protocol[R]):
    def __call__(self, *, limit: int, before: int | None) -> tuple[R, ...]: ...


def _pages(read: _Read[R], belongs: Callable[[R], bool]) -> list[R]:
    """Read pages, newest first, until one ends with a row that is too old."""
    found: list[R] = []
    before: int | None = None
    while True:
        page = read(limit=PAGE, before=before)
        found += [row for row in page if belongs(row)]
        if len(page) < PAGE or not belongs(page[-1]):
            return found
        before = page[-1].seq


def _webhooks(results: Iterable[StoredResult]) -> list[StoredResult]:
    return [
        r for r in results if r.probe == ProbeName.WEBHOOK and r.specifics.get("check") == WebhookCheck.DELIVERY
    ]


def _accepted(result: StoredResult) -> bool:
    return bool(result.specifics.get("accepted"))


def _milliseconds(durations: Sequence[float]) -> str:
    return f", p50 {percentile(sorted(durations), 50) * 1000:.1f} ms" if durations else ""


def _counted(outcomes: Iterable[str]) -> str:
    return ", ".join(f"{n} {outcome}" for outcome, n in Counter(outcomes).most_common())


def _said(result: StoredResult) -> str:
    return f"{result.duration * 1000:.1f} ms" if result.outcome == Outcome.OK else result.outcome


def _outage(outage: StoredOutage) -> str:
    if outage.duration is None:
        return f"{outage.probe}: still down ({outage.cause}: {outage.detail})"
    known = f", known to within {outage.uncertainty:.3f} s" if outage.uncertainty is not None else ""
    return f"{outage.probe}: {outage.duration:.3f} s{known} ({outage.cause})"
