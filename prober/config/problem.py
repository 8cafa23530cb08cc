"""What is wrong with a config, in sentences that say where, what was found and what is allowed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from prober.config.document import Mark, Path, dotted


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, at one place; `path` is empty when it is about the whole file."""

    mark: Mark
    path: Path
    message: str

    def __str__(self) -> str:
        key = f"{dotted(self.path)}: " if self.path else ""
        return f"{self.mark}: {key}{self.message}"


class ConfigError(Exception):
    """A config that cannot be used. `problems` are in the order of the file; none quotes a secret."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(
            sorted(problems, key=lambda problem: (problem.mark.line or 0, problem.mark.column or 0))
        )
        super().__init__("\n".join(map(str, self.problems)))
