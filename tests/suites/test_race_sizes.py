"""How large a race scenario becomes, and which the caps allow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from prober.cap import Demand, Usage, race_requests, taken
from prober.cap import obstacle as cap_obstacle
from prober.config.load import load_config
from prober.config.model import Config
from prober.suites.race.sizes import MOST_RACES, obstacle, sized, suite_cap
from prober.suites.scenarios import RACE


def config(tmp_path: Path, environment: str = "production", **cap: Any) -> Config:
    document = {
        "instance": "one",
        "target": {
            "environment": environment,
            "url": "https://orders.example.com",
            "account_sid": "AC" + "0" * 32,
            "auth_token": "secret-of-the-tests",
        },
        "probes": {
            "redis": {"url": "redis://redis.example.com:6379/0"},
            "database": {"dsn": "postgresql://prober@db.example.com/orders"},
            "webhook": {"mode": "no_side_effects"},
        },
        "cap": {"requests": "10/1s", "burst": 20, "in_flight": 64, **cap},
    }
    file = tmp_path / "config.yaml"
    file.write_text(yaml.safe_dump(document))
    return load_config(file, {})


@pytest.mark.parametrize(
    ("races", "scale", "wanted"), [(None, 1.0, 50), (None, 0.1, 5), (7, 1.0, 7), (10, 0.5, 5), (None, 0.001, 1)]
)
def test_races_are_scaled_and_vendors_are_not(races: int | None, scale: float, wanted: int) -> None:
    scenario = sized("moderate", races, scale)
    assert (scenario.races, scenario.vendors) == (wanted, 10)


@pytest.mark.parametrize(("races", "scale"), [(0, 1.0), (-3, 1.0), (MOST_RACES + 1, 1.0), (MOST_RACES, 2.0)])
def test_a_number_of_races_that_is_none(races: int, scale: float) -> None:
    with pytest.raises(ValueError, match=r"expected at (least|most)"):
        sized("light", races, scale)


def test_the_caps_of_production_allow_what_fits_and_say_what_would(tmp_path: Path) -> None:
    usual = config(tmp_path)
    assert obstacle(usual, 5) is None
    assert obstacle(usual, 10) == (
        "a race of 10 vendors asks 35 times at once, but cap.burst is 20; within this cap: light"
    )
    assert obstacle(config(tmp_path, burst=100, in_flight=80), 25) is None
    both = obstacle(config(tmp_path, burst=100, in_flight=64), 50)
    assert both is not None
    assert "cap.burst is 100 and cap.in_flight is 64; within this cap: light, moderate" in both


def test_a_suite_has_a_gate_of_its_own_outside_of_production_alone(tmp_path: Path) -> None:
    assert suite_cap(config(tmp_path), 5) is None
    for scenario in RACE.values():
        cap = suite_cap(config(tmp_path, "staging"), scenario.vendors)
        assert cap is not None
        demand = Demand(routing=race_requests(scenario.vendors))
        assert cap_obstacle(cap, Usage(), demand, 0.0) is None
        assert cap_obstacle(cap, taken(cap, Usage(), demand, 0.0), demand, 0.0) is not None


@given(vendors=st.integers(2, 50), burst=st.integers(1, 200), in_flight=st.integers(1, 256))
def test_whatever_has_no_obstacle_fits(
    tmp_path_factory: pytest.TempPathFactory, vendors: int, burst: int, in_flight: int
) -> None:
    usual = config(tmp_path_factory.getbasetemp())
    tried = usual.model_copy(update={"cap": usual.cap.model_copy(update={"burst": burst, "in_flight": in_flight})})
    assert (obstacle(tried, vendors) is None) == (race_requests(vendors) <= min(burst, in_flight))
