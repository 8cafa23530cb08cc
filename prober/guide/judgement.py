"""What the guide says of a suite's figures: the values that `prober.guide` returns and results files hold."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from prober.outcome import Measure, Verdict


class Statement(BaseModel):
    """Frozen, and strict about unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class RowVerdict(Statement):
    """One breaking point: the figure and the row of the guide's table that it falls into.

    `verdict`, `row` and `action` are None without a figure: no samples, no verdict. `why_not` then says why. It
    also withholds the verdict of a figure that says nothing of the target (rate limited, generator-bound).
    """

    measure: Measure
    name: str  # as the guide writes it: "p99 Latency"
    value: float | None
    verdict: Verdict | None
    row: str | None  # "500-2000ms"
    action: str | None  # "Database bottleneck"
    source: str  # the guide's section and table
    why_not: str | None = None


class TargetVerdict(Statement):
    """One production target: met, missed, or (None) not measured."""

    measure: Measure
    text: str  # as the guide writes it: "p95 latency < 200ms"
    value: float | None
    met: bool | None
    source: str
    why_not: str | None = None


class BudgetVerdict(Statement):
    """One of the guide's budgets per feature: kept, exceeded, or (None) not measured."""

    measure: Measure
    text: str  # "Database operation: Must be < 100ms p99"
    value: float | None
    met: bool | None
    source: str
    why_not: str | None = None


class Decision(Statement):
    """One question of the guide's decision tree: how it is answered here, and what follows."""

    question: str
    answer: bool | None  # None: not measured
    path: tuple[str, ...]  # the branches taken, in order
    source: str


class Advice(Statement):
    """One piece of the guide's advice that applies, corrected where the guide is wrong."""

    issue: str  # "RPS < 100 (Critical)"
    title: str
    text: str  # Markdown: what to do, with code
    because: str  # the figure that calls for it
    source: str
    corrected: str | None = None  # what the guide says instead, and why that does not work


class Judgement(Statement):
    """All that the guide says of one scenario's figures."""

    verdict: Verdict | None  # the worst of the breaking points; None when none could be judged
    breaking_points: tuple[RowVerdict, ...]
    targets: tuple[TargetVerdict, ...]
    budgets: tuple[BudgetVerdict, ...]
    decisions: tuple[Decision, ...]
    advice: tuple[Advice, ...]
