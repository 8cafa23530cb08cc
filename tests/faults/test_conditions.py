"""Conditions read from JSON: what is changed, what stays, and a sentence for what cannot be."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prober.faults.conditions import (
    CLEAR,
    LARGEST,
    LONGEST,
    ConditionError,
    Conditions,
    Ending,
    Line,
    Moment,
    changed,
)


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({}, CLEAR),
        ({"latency": 0.05, "jitter": 0.02}, Conditions(Line(0.05, 0.02), Line(0.05, 0.02))),
        ({"latency": 1, "down": {"latency": 2}}, Conditions(up=Line(1.0), down=Line(2.0))),
        ({"up": {"bandwidth": 1000}}, Conditions(up=Line(bandwidth=1000.0))),
        ({"reset": 0.01}, Conditions(reset=Ending(0.01))),
        (
            {"reset": {"share": 0.5, "when": "bytes", "within": 2000}},
            Conditions(reset=Ending(0.5, Moment.BYTES, 2000)),
        ),
        (
            {"stall": {"share": 1, "when": "seconds", "within": 0.5}},
            Conditions(stall=Ending(1, Moment.SECONDS, 0.5)),
        ),
        ({"stall": {"share": 1, "when": "answer"}}, Conditions(stall=Ending(1, Moment.ANSWER))),
        ({"refuse": True, "freeze": True}, Conditions(refuse=True, freeze=True)),
    ],
)
def test_what_is_named_is_changed(changes: dict[str, Any], wanted: Conditions) -> None:
    assert changed(CLEAR, changes) == wanted


def test_what_is_not_named_stays() -> None:
    before = changed(CLEAR, {"latency": 0.05, "jitter": 0.02, "reset": 0.5, "freeze": True})
    after = changed(before, {"freeze": False, "up": {"bandwidth": 10}, "latency": 1})
    assert after == Conditions(Line(1.0, 0.02, 10.0), Line(1.0, 0.02), Ending(0.5))
    assert changed(after, {"bandwidth": None}) == Conditions(Line(1.0, 0.02), Line(1.0, 0.02), Ending(0.5))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"latancy": 1}, "'latancy' is not a condition; known are latency, jitter, bandwidth, up, down, reset, "),
        ({"latency": -1}, "latency (up) is -1; expected a number from 0 to 3600 (seconds)"),
        ({"latency": "50ms"}, "latency (up) is '50ms'; expected a number from 0 to 3600 (seconds)"),
        ({"latency": True}, "latency (up) is True; expected a number"),
        ({"latency": float("nan")}, "latency (up) is nan; expected a number"),
        ({"latency": float("inf")}, "latency (up) is inf; expected a number"),
        ({"jitter": 0.02}, "jitter (up) is 0.02 s with a latency of 0 s; expected no more jitter than latency"),
        ({"down": {"latency": 1, "jitter": 2}}, "jitter (down) is 2 s with a latency of 1 s"),
        ({"down": 3}, "down is 3; expected a mapping with latency, jitter, bandwidth"),
        ({"down": {"reset": 1}}, "'reset' is not a condition of `down`; known are latency, jitter, bandwidth"),
        ({"bandwidth": 0}, "bandwidth (up) is 0; expected a number from 1 to 1e+12 (bytes a second)"),
        ({"reset": 1.5}, "reset is 1.5; expected a number from 0 to 1 (of the new connections)"),
        ({"reset": "always"}, "reset is 'always'; expected a number from 0 to 1"),
        ({"reset": {"chance": 1}}, "'chance' is not a part of `reset`; known are share, when, within"),
        (
            {"reset": {"share": 1, "when": "later"}},
            "reset.when is 'later'; expected one of accept, bytes, seconds, ",
        ),
        ({"reset": {"share": 1, "when": ["accept"]}}, "reset.when is ['accept']; expected one of accept"),
        ({"reset": {"share": 1, "when": "bytes"}}, "reset.within is 0; expected a number from 1 to 1e+12 (bytes)"),
        ({"stall": {"share": 1, "within": 5}}, "stall.within is 5; `when: accept` takes none"),
        ({"reset": 0.6, "stall": 0.6}, "reset 0.6 and stall 0.6 are shares of the same connections; expected at"),
        ({"refuse": 1}, "refuse is 1; expected true or false"),
        ({"freeze": "yes"}, "freeze is 'yes'; expected true or false"),
    ],
)
def test_what_cannot_be_is_told(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConditionError, match=re.escape(sentence)):
        changed(CLEAR, changes)


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(Moment),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["share", "when", "within", "latency", "x"]), inner)
    ),
    max_leaves=6,
)
NAMES = ["latency", "jitter", "bandwidth", "up", "down", "reset", "stall", "refuse", "freeze", "other"]


def read(changes: dict[str, Any]) -> tuple[Conditions | None, str]:
    try:
        return changed(CLEAR, changes), ""
    except ConditionError as error:
        return None, str(error)


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(NAMES), ANY_JSON))
def test_anything_is_either_valid_conditions_or_a_sentence(changes: dict[str, Any]) -> None:
    conditions, sentence = read(changes)
    if conditions is None:
        assert re.search("expected|known are|takes none", sentence)
        return
    for line in (conditions.up, conditions.down):
        assert 0 <= line.jitter <= line.latency <= LONGEST
        assert line.bandwidth is None or 1 <= line.bandwidth <= LARGEST
    assert 0 <= conditions.reset.share + conditions.stall.share <= 1
    assert changed(CLEAR, json.loads(json.dumps(conditions.as_json()))) == conditions
