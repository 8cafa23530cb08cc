"""Holding what the health pages claim against what our own probes saw at that time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from prober.clock import Instant
from prober.outcome import ProbeName
from prober.result import PageAnswer

# A page may look at its services every few seconds only: it has this long to notice.
GRACE = 5.0


def lies(
    pages: Sequence[PageAnswer],
    covers: Mapping[str, Sequence[ProbeName]],
    down_since: Mapping[ProbeName, Instant],
    asked: Instant,
) -> tuple[str, ...]:
    """Name the pages that claim health although a service they cover is down.

    `down_since` holds the services that our own probes saw down, without a good probe in between, from that
    moment until after the pages had answered.
    """
    return tuple(
        page.path
        for page in pages
        if page.claims_healthy
        and any(
            service in down_since and asked.mono - down_since[service].mono >= GRACE
            for service in covers.get(page.path, ())
        )
    )
