"""The table of faults: complete, strict, and the same after the way to another process."""

from __future__ import annotations

import pytest

from prober.demo.target.faults import FAULTS, FaultName, LateWinner, Slow, State, Switch, parse_fault


def test_every_name_has_a_fault_with_defaults_and_a_meaning() -> None:
    assert set(FAULTS) == set(FaultName)
    for name, kind in FAULTS.items():
        assert kind.name is name
        assert isinstance(parse_fault(name, None), kind)
        assert kind.__doc__
        assert set(kind.model_json_schema().get("required", [])) == set()


@pytest.mark.parametrize(
    ("name", "parameters", "said"),
    [
        ("unheard_of", {}, "known are"),
        ("slow", {"delay": 5}, "Extra inputs"),
        ("lost_message", {"probability": 1.5}, "less than or equal to 1"),
        ("stuck_queue", {"pile": "delayed"}, "'wait', 'paused' or 'prioritized'"),
        ("no_winner", {"x": 1}, "its parameters: none"),
        ("slow", "much", "slow"),
    ],
)
def test_what_is_wrong_is_said(name: str, parameters: object, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        parse_fault(name, parameters)


def test_a_state_survives_the_way_to_another_process() -> None:
    switches = {**dict.fromkeys(Switch, True), Switch.DURABLE_ACCEPT: False}
    state = State({name: parse_fault(name, None) for name in FaultName}, switches)
    assert State.from_json(state.to_json()) == state


def test_what_is_not_planted_is_none() -> None:
    state = State({FaultName.SLOW: Slow(delay_ms=5)})
    assert state.planted(Slow) == Slow(delay_ms=5)
    assert state.planted(LateWinner) is None
    assert all(state.on(switch) for switch in Switch)
