"""What an impossible combination of settings is said as."""

from __future__ import annotations

from dataclasses import dataclass

from prober.config.document import Path


@dataclass(frozen=True, slots=True)
class Fault:
    """An impossible combination: the key to change first, and the sentence."""

    path: Path
    sentence: str
