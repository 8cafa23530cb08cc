"""What config and contract come to together: the gate with its limits, and a contract that is too large."""

from __future__ import annotations

from pathlib import Path

import pytest

from prober.cap import Cap
from prober.config import Config, ConfigError, parse_strict
from prober.daemon.assembly import load_contract, make_gate
from prober.outcome import RouteFamily
from tests.config.examples import ENV, MINIMAL


def config_of(text: str) -> Config:
    return parse_strict(text, Config, source="x", env=ENV)


@pytest.mark.parametrize("contract", ["whatsapp-ordering-system", "guide"])
def test_the_gate_has_the_limits_of_the_config_and_the_routes_of_the_contract(contract: str) -> None:
    text = MINIMAL.replace("orders.example.com", f"orders.example.com/shop\n  contract: {contract}")
    config = config_of(text + "cap: {requests: 300/1m, burst: 30, in_flight: 40}\n")
    loaded = load_contract(config, Path())
    gate = make_gate(config, loaded)
    assert gate.cap == Cap(rate=5.0, burst=30, in_flight=40, webhook=100, webhook_window=60.0)
    assert gate.routes.family(f"/shop{loaded.webhook.path}") is RouteFamily.WEBHOOK
    path = "/shop" + loaded.race.accept.path.format(order_id="o1", routing_id="r1", vendor_id="v1")
    assert gate.routes.family(path) is RouteFamily.ROUTING
    assert all(gate.routes.family(f"/shop{page.path}") is RouteFamily.PAGES for page in loaded.health.pages)


def test_a_contract_with_more_pages_than_the_cap_allows_at_once_is_refused() -> None:
    text = MINIMAL + "  race: {enabled: false}\ncap: {burst: 6}\n"
    with pytest.raises(ConfigError, match=r"found 7 pages and routes.*expected at most 6.*raise cap.burst"):
        load_contract(config_of(text), Path())
    load_contract(config_of(text.replace("race:", "health: {enabled: false}\n  race:")), Path())
