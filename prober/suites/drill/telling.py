"""What a drill says: sentences on stderr as it goes, how far it is, and in the end what happened in one."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Sequence

from prober.outcome import Service
from prober.suites.report.progress import Progress
from prober.suites.results_drill import Followed, PhaseFigures, Recovery

EVERY = 0.1  # seconds between two looks how far it is


class Telling:
    """Sentences and a bar on one stream, so that neither is drawn over the other."""

    def __init__(self, command: str, total: float) -> None:
        """`total` is how long the drill takes (seconds), if all goes well."""
        self._command = command
        self._progress = Progress(total, sys.stderr)
        self.doing = ""

    def say(self, sentence: str) -> None:
        """A line of its own."""
        self._progress.end()
        print(f"{self._command}: {sentence}", file=sys.stderr, flush=True)

    async def forever(self, start: float) -> None:
        """Say how far it is, from the instant `start` on, until cancelled."""
        try:
            while True:
                self._progress.at(max(0.0, time.monotonic() - start), self.doing)
                await asyncio.sleep(EVERY)
        finally:
            self._progress.end()


def summed_up(
    service: Service,
    scenario: str,
    phases: Sequence[PhaseFigures],
    recovery: Recovery,
    followed: Followed | None,
) -> str:
    """What happened, for a person, in one sentence."""
    parts = [f"{phase.accepted} of {phase.sent} messages accepted {phase.name} the fault" for phase in phases]
    if recovery.service_seconds is not None:
        parts.append(f"{service} answered again {recovery.service_seconds:.2f} s after its end")
    if recovery.webhook_seconds is not None:
        parts.append(f"the webhook path had its first effect after {recovery.webhook_seconds:.2f} s")
    if followed is not None:
        parts.append(f"{followed.lost} accepted messages were lost, {followed.late} came late")
        if followed.not_known:
            parts.append(f"of {followed.not_known} the end is not known")
    return f"{service} {scenario}: {'; '.join(parts)}"
