"""What a step found, as a value; and what all of them come to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

from prober.outcome import StepVerdict


@dataclass(frozen=True, slots=True)
class Finding:
    """One step: its name, what came of it, a sentence, and the setting or command that mends it."""

    name: str
    verdict: StepVerdict
    sentence: str
    mend: str = ""

    @property
    def is_bad(self) -> bool:
        """Whether it has to be mended before prober runs."""
        return self.verdict in (StepVerdict.PROBLEM, StepVerdict.ALARM)

    def document(self) -> dict[str, str]:
        """The finding as JSON has it."""
        return asdict(self)


def ok(name: str, sentence: str) -> Finding:
    """It is as it has to be."""
    return Finding(name, StepVerdict.OK, sentence)


def hint(name: str, sentence: str, mend: str) -> Finding:
    """It works; `mend` is for those who want it otherwise."""
    return Finding(name, StepVerdict.HINT, sentence, mend)


def problem(name: str, sentence: str, mend: str) -> Finding:
    """It does not work until somebody does what `mend` says."""
    return Finding(name, StepVerdict.PROBLEM, sentence, mend)


def alarm(name: str, sentence: str, mend: str) -> Finding:
    """It endangers the target."""
    return Finding(name, StepVerdict.ALARM, sentence, mend)


def skipped(names: Iterable[str], why: str) -> list[Finding]:
    """Steps that could not be taken."""
    return [Finding(name, StepVerdict.SKIPPED, why) for name in names]


def why_not(findings: Sequence[Finding]) -> str:
    """The reason to skip what comes after: the first of `findings` that is bad."""
    return next(f"{finding.name} failed" for finding in findings if finding.is_bad)


def worst(findings: Sequence[Finding]) -> StepVerdict:
    """ALARM before PROBLEM before all else, which is OK."""
    verdicts = {finding.verdict for finding in findings}
    for verdict in (StepVerdict.ALARM, StepVerdict.PROBLEM):
        if verdict in verdicts:
            return verdict
    return StepVerdict.OK
