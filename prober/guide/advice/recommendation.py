"""What one piece of advice is, and the figures that tell whether it fits."""

from __future__ import annotations

from dataclasses import dataclass
from textwrap import dedent

from prober.guide.figures import Figures
from prober.guide.ranges import Range, above, at_least
from prober.guide.saying import say
from prober.outcome import Measure


@dataclass(frozen=True, slots=True)
class Clue:
    """A figure beside the breaking points that tells one remedy from another."""

    measure: Measure
    range: Range  # where the remedy is called for
    words: str  # with {figure}: what the figure says
    unknown: str  # what is said where it was not measured

    def calls(self, figures: Figures) -> bool | None:
        """Whether the remedy is called for; None where that was not measured."""
        value = figures.judged(self.measure)
        return None if value is None else value in self.range

    def because(self, figures: Figures) -> str:
        """The figure as a reason."""
        value = figures.judged(self.measure)
        return self.unknown if value is None else self.words.format(figure=say(self.measure, value))


@dataclass(frozen=True, slots=True)
class Recommendation:
    """One piece of advice: the guide's, corrected where it fails, or ours where the guide names an action only."""

    issue: str  # the guide's heading, or the row
    title: str
    text: str  # Markdown
    source: str
    corrected: str | None = None
    clue: Clue | None = None


def block(text: str) -> str:
    """Markdown written indented in the source."""
    return dedent(text).strip()


# The p50: behind a breaker some wait, since one attempt is let through now and then; without one all do.
# 0.5 s: what the guide calls the end of a good latency ("p99 latency < 500ms").
WAITED = Clue(
    Measure.TYPICAL_WAIT_DURING,
    at_least(0.5),
    "while the fault lasted half of the callers waited {figure} or longer: each request tried what was down",
    "how long callers waited while the fault lasted was not measured",
)

# 1 s: twice the timeout that the remedy sets, so that nobody is told to do what is done.
UNBOUNDED = Clue(
    Measure.WAIT_DURING,
    above(1.0),
    "while the fault lasted one in a hundred callers waited {figure} or longer: nothing bounds what is tried",
    "how long callers waited at most while the fault lasted was not measured",
)

NOT_KEPT = Clue(
    Measure.NOT_KEPT_DURING,
    above(0.0),
    "{figure} of the messages sent while the fault lasted were refused, or accepted and lost: nothing kept them",
    "how many messages were refused or lost while the fault lasted was not measured",
)
