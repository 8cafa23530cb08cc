"""Permits for tests that are about something else: each from a gate of its own."""

from __future__ import annotations

from prober.cap import Cap, Demand
from prober.gate import Gate, Permit, Routes

ROUTES = Routes(webhook="/api/v1/whatsapp/webhook", routing="/api/v1/vendor-routing/routing/")
WIDE = Cap(rate=100.0, burst=200, in_flight=256, webhook=200, webhook_window=1.0)


def permit_for(*, webhook: int = 0, routing: int = 0, pages: int = 0, gate: Gate | None = None) -> Permit:
    """A permit for so many requests."""
    permit = (gate or Gate(WIDE, ROUTES)).at_once(Demand(webhook=webhook, routing=routing, pages=pages))
    assert isinstance(permit, Permit)
    return permit


def any_permit() -> Permit:
    """A permit for more than a test asks, whatever it asks."""
    return permit_for(webhook=50, routing=50, pages=50)
