"""The stretches of time of a load that say something."""

from __future__ import annotations

from prober.suites.results_load import Slot


def whole_slots(series: tuple[Slot, ...]) -> tuple[Slot, ...]:
    """Without the rest of a slot at the end: in a few milliseconds no rate and no percentile means anything."""
    usual = max((slot.seconds for slot in series), default=0.0)
    return series[:-1] if len(series) > 1 and series[-1].seconds < usual / 2 else series
