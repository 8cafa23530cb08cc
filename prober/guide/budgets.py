"""The guide's four budgets per feature as data, and which suite can answer which.

Source: "Performance Support", "Performance budgets per feature".
"""

from __future__ import annotations

from dataclasses import dataclass

from prober.guide.figures import Figures
from prober.guide.judgement import BudgetVerdict
from prober.guide.ranges import Range, above, below
from prober.outcome import Measure, Suite

SOURCE = "Performance budgets per feature"


@dataclass(frozen=True, slots=True)
class Budget:
    """One line of the guide's list."""

    measure: Measure
    text: str  # as the guide writes it
    range: Range
    answered_by: frozenset[Suite]
    otherwise: str  # why the other suites do not answer it


_BESIDE = frozenset({Suite.WEBHOOK_LOAD, Suite.REDIS_FAILURE, Suite.DB_RESTART})

BUDGETS: tuple[Budget, ...] = (
    Budget(
        Measure.RPS,
        "New endpoint: Must achieve > 100 RPS",
        above(100.0),
        frozenset({Suite.WEBHOOK_LOAD}),
        "only the load suite drives an endpoint to its limit: `prober load`",
    ),
    Budget(
        Measure.DATABASE_P99,
        "Database operation: Must be < 100ms p99",
        below(0.1),
        _BESIDE,
        "only the load suite and the drills time database operations of their own while they run",
    ),
    Budget(
        Measure.QUEUE_P99,
        "Queue operation: Must be < 50ms p99",
        below(0.05),
        _BESIDE,
        "only the load suite and the drills time queue operations of their own while they run",
    ),
    Budget(
        Measure.CACHE_MISS_P99,
        "Cache miss penalty: Must be < 200ms p99",
        below(0.2),
        frozenset(),
        "from outside nobody can tell whether the target answered out of a cache, and its contract names none",
    ),
)


def answer_budgets(suite: Suite, figures: Figures) -> tuple[BudgetVerdict, ...]:
    """All four, in the guide's order; those that this suite does not answer with the reason."""
    return tuple(_answer(budget, suite, figures) for budget in BUDGETS)


def _answer(budget: Budget, suite: Suite, figures: Figures) -> BudgetVerdict:
    answers = suite in budget.answered_by
    value = figures.judged(budget.measure) if answers else None
    return BudgetVerdict(
        measure=budget.measure,
        text=budget.text,
        value=figures.measured(budget.measure) if answers else None,
        met=None if value is None else value in budget.range,
        source=SOURCE,
        why_not=figures.why_not(budget.measure) if answers else budget.otherwise,
    )
