"""Each pair of windows of each budget by itself: all of its conditions are needed, and just enough is enough."""

from __future__ import annotations

from collections.abc import Iterator

from .together import Together

# Alert, label `slo`, whether an outage that has paged holds it back; per pair of windows the limit and the events.
_ERRORS = ("WebhookErrorBudget", "errors", 0.001)
_P99 = ("WebhookP99Budget", "p99", 0.01)
_P95 = ("WebhookP95Budget", "p95", 0.05)
_FAST = (("1h", "5m", 14.4, 6), ("6h", "30m", 6.0, 6))
_SLOW = (("1d", "2h", 3.0, 10), ("3d", "6h", 1.0, 10))
STEPS = 12  # of 10 s for each phase: longer than `for`
# As `increase` reads whole numbers of events.
ABOVE, BELOW = 0.98, 1.03


def burning() -> Iterator[Together]:
    """A test for each pair of windows of each alert."""
    for name, slo, budget in (_ERRORS, _P99, _P95):
        for long, short, factor, events in _FAST:
            yield _pair(f"{name}BurnsFast", slo, long, short, factor * budget, events, outages=True)
        for long, short, factor, events in _SLOW:
            yield _pair(f"{name}BurnsSlowly", slo, long, short, factor * budget, events, outages=False)


def _pair(alert: str, slo: str, long: str, short: str, limit: float, events: int, *, outages: bool) -> Together:
    labels = f'{{job="prober",slo="{slo}"}}'
    above, below = limit * 1.01, limit * 0.99
    # By turns: everything just above its limit, and one thing just below; at last an outage that has paged.
    quiet = {
        f"slo:whatsapp_webhook_bad:ratio_rate{long}{labels}": below,
        f"slo:whatsapp_webhook_bad:ratio_rate{short}{labels}": below,
        f"slo:whatsapp_webhook_bad:increase{long}{labels}": (events - 1) * BELOW,
    }
    burns = dict.fromkeys(quiet, above) | {f"slo:whatsapp_webhook_bad:increase{long}{labels}": events * ABOVE}
    down = {f'job:prober_down:bool{{job="prober",probe="{probe}"}}': 0.0 for probe in ("redis", "webhook")}
    phases = [{**burns, **down, **change} for only in quiet for change in ({}, {only: quiet[only]})]
    fires = [True, False] * len(quiet)
    if outages:
        phases += [{**burns, **down}, {**burns, **down, next(iter(down)): 1.0}]
        fires += [True, False]
    severity = {"severity": "critical" if outages else "warning", "subject": "webhook"}
    told = [{"job": "prober", "slo": slo, **severity}]
    return Together(
        f"budget-{slo}",
        f"{alert} over {long} and {short} needs all of it, and no more",
        {name: " ".join(f"{phase[name]:.9g}x{STEPS - 1}" for phase in phases) for name in phases[0]},
        alerts=[
            (alert, f"{((place + 1) * STEPS - 1) * 10}s", told if fired else [])
            for place, fired in enumerate(fires)
        ],
    )
