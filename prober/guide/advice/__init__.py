"""The guide's tuning advice as data, keyed by breaking point, and which of it a suite's figures call for.

Where the guide is wrong the advice is right, and `corrected` says what the guide says and why it fails. Rows to
which the guide names an action without more have advice of ours, whose source says so.
"""

from __future__ import annotations

from collections.abc import Mapping

from prober.guide.advice import database, race, redis, webhook
from prober.guide.advice.recommendation import Recommendation
from prober.guide.breaking_points import BAD, RANK, BreakingPoint, measures_of, read
from prober.guide.figures import Figures
from prober.guide.judgement import Advice
from prober.guide.saying import say
from prober.outcome import Measure, Suite

BY_ROW: Mapping[Suite, Mapping[tuple[Measure, str], tuple[Recommendation, ...]]] = {
    Suite.WEBHOOK_LOAD: webhook.ROWS,
    Suite.VENDOR_RACE: race.ROWS,
    Suite.REDIS_FAILURE: redis.ROWS,
    Suite.DB_RESTART: database.ROWS,
}

BY_CLUE: Mapping[Suite, tuple[Recommendation, ...]] = {
    Suite.WEBHOOK_LOAD: (),
    Suite.VENDOR_RACE: (),
    Suite.REDIS_FAILURE: redis.BY_CLUE,
    Suite.DB_RESTART: database.BY_CLUE,
}


def all_of(suite: Suite) -> tuple[Recommendation, ...]:
    """Everything that a suite can call for, each once, in the order of its table."""
    found = [each for row in BY_ROW[suite].values() for each in row]
    return tuple(dict.fromkeys([*found, *BY_CLUE[suite]]))


def recommendations(point: BreakingPoint) -> tuple[Recommendation, ...]:
    """What a row calls for before any clue is looked at; nothing for a row that is good."""
    return BY_ROW[point.suite].get((point.measure, point.row), ())


def advise(suite: Suite, figures: Figures) -> tuple[Advice, ...]:
    """What the figures call for, that of the worst row first; each piece once, with all that calls for it.

    A remedy with a clue is left out where the clue was measured and speaks against it, unless it speaks against
    every remedy of the row; it is given also without a bad row where the clue speaks for it.
    """
    reasons: dict[Recommendation, list[str]] = {}
    for point, value in _bad(suite, figures):
        because = f"{point.name} {say(point.measure, value)} is {point.verdict} ({point.row}: {point.action})"
        wanted = recommendations(point)
        fitting = [each for each in wanted if each.clue is None or each.clue.calls(figures) is not False]
        for each in fitting or wanted:
            reasons.setdefault(each, []).append(because)
    for each in BY_CLUE[suite]:
        if each.clue is not None and each.clue.calls(figures):
            reasons.setdefault(each, [])
    return tuple(_advice(each, because, figures) for each, because in reasons.items())


def _bad(suite: Suite, figures: Figures) -> list[tuple[BreakingPoint, float]]:
    """The rows that are warnings or worse, the worst first, otherwise in the order of the table."""
    found = []
    for measure in measures_of(suite):
        value = figures.judged(measure)
        if value is not None:
            point = read(suite, measure, value)
            if point.verdict in BAD:
                found.append((point, value))
    return sorted(found, key=lambda each: -RANK[each[0].verdict])


def _advice(each: Recommendation, because: list[str], figures: Figures) -> Advice:
    reasons = [*because, each.clue.because(figures)] if each.clue is not None else because
    return Advice(
        issue=each.issue,
        title=each.title,
        text=each.text,
        because="; ".join(reasons),
        source=each.source,
        corrected=each.corrected,
    )
