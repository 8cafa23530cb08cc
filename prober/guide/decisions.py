"""The guide's tuning decision tree as data, and the way through it that a suite's figures take.

Source: "Tuning Decision Tree". It has one question for each suite. `> 500ms` takes in 500 ms itself, which neither
of the guide's branches does, because the breaking points call that figure a warning.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from prober.guide.breaking_points import BAD, measures_of, read
from prober.guide.figures import Figures
from prober.guide.judgement import Decision
from prober.guide.ranges import Range, above, at_least, at_most, below, between
from prober.guide.saying import say
from prober.outcome import Measure, Suite

SOURCE = "Tuning Decision Tree"


@dataclass(frozen=True, slots=True)
class Branch:
    """One way on from a question: for which figures, and what to do."""

    label: str  # as the guide writes it
    range: Range
    steps: tuple[str, ...] = ()  # the first, and what to do when it did not help
    question: Question | None = None  # or another question
    is_fine: bool = False  # the guide's "OK"


@dataclass(frozen=True, slots=True)
class Question:
    """A question about one figure. The branches leave no figure out."""

    text: str  # as the guide writes it
    name: str  # of the figure
    measure: Measure
    branches: tuple[Branch, ...]


_LATENCY = Question(
    "Check p99 latency",
    "p99 latency",
    Measure.LATENCY_P99,
    (
        Branch("> 2000ms", above(2.0), ("Add database indexing",)),
        Branch("> 500ms", between(0.5, 2.0), ("Review slow queries",)),
        Branch("< 500ms", below(0.5), ("OK, monitor only",), is_fine=True),
    ),
)

TREE: Mapping[Suite, Question] = {
    Suite.WEBHOOK_LOAD: Question(
        "Does webhook RPS < 100?",
        "RPS",
        Measure.RPS,
        (
            Branch(
                "YES",
                below(100.0),
                (
                    "Increase DB pool size first",
                    "If still low: Enable response caching",
                    "If still low: Implement webhook queuing",
                ),
            ),
            Branch("NO", at_least(100.0), question=_LATENCY),
        ),
    ),
    Suite.VENDOR_RACE: Question(
        "Does vendor race have conditions?",
        "races with a condition",
        Measure.RACE_CONDITIONS,
        (
            Branch("YES", above(0.0), ("Add UNIQUE constraint", "If persists: Enable pessimistic locking")),
            Branch("NO", at_most(0.0), ("OK, monitor acceptance time",), is_fine=True),
        ),
    ),
    Suite.REDIS_FAILURE: Question(
        "Does Redis failure cause > 20% errors?",
        "error rate",
        Measure.ERROR_RATE,
        (
            Branch("YES", above(0.20), ("Implement fallback queue", "Monitor backlog and scale workers")),
            Branch("NO", at_most(0.20), ("OK, system resilient",), is_fine=True),
        ),
    ),
    Suite.DB_RESTART: Question(
        "Does DB recovery take > 30s?",
        "recovery time",
        Measure.RECOVERY_TIME,
        (
            Branch("YES", above(30.0), ("Implement connection pool warmup", "Monitor recovery logs")),
            Branch("NO", at_most(30.0), ("OK, acceptable recovery time",), is_fine=True),
        ),
    ),
}


def decide(suite: Suite, figures: Figures) -> tuple[Decision, ...]:
    """The suite's question answered: the branches taken and what follows, each as a sentence.

    Where the tree ends in "OK" and a breaking point of the same suite does not, the last sentences say so.
    """
    question = TREE[suite]
    value = figures.judged(question.measure)
    return (
        Decision(
            question=question.text,
            answer=None if value is None else _branch(question, value).label == "YES",
            path=tuple(_walk(suite, question, figures)),
            source=SOURCE,
        ),
    )


def _walk(suite: Suite, question: Question, figures: Figures) -> list[str]:
    value = figures.judged(question.measure)
    if value is None:
        return [f"{question.name}: not answered, because {figures.why_not(question.measure)}"]
    branch = _branch(question, value)
    label = branch.label if branch.label[0] in "<>" else branch.label.lower()
    taken = f"{question.text.removesuffix('?')}: {label}, {question.name} is {say(question.measure, value)}"
    if branch.question is not None:
        return [taken, *_walk(suite, branch.question, figures)]
    return [taken, *branch.steps, *(_contradictions(suite, figures) if branch.is_fine else ())]


def _branch(question: Question, value: float) -> Branch:
    return next(branch for branch in question.branches if value in branch.range)


def _contradictions(suite: Suite, figures: Figures) -> list[str]:
    found = []
    for measure in measures_of(suite):
        value = figures.judged(measure)
        if value is None:
            continue
        point = read(suite, measure, value)
        if point.verdict in BAD:
            found.append(
                f"But by the breaking points {point.name} {say(measure, value)} is {point.verdict} "
                f"({point.row}: {point.action})"
            )
    return found
