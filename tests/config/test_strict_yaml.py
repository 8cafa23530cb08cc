"""YAML is read by the core schema of 1.2, with places, and no text makes the parser raise or run away."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prober.config.document import Mark
from prober.config.strict_yaml import parse


def value(text: str) -> Any:
    parsed = parse(f"key: {text}\n", "x")
    assert parsed.problems == ()
    return parsed.document.value["key"]


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("true", True),
        ("False", False),
        ("5", 5),
        ("-5", -5),
        ("1.50", 1.5),
        ("null", None),
        ("~", None),
        ("", None),
    ],
)
def test_reads_the_few_values_that_are_not_text(text: str, meant: object) -> None:
    assert value(text) == meant
    assert type(value(text)) is type(meant)


@pytest.mark.parametrize(
    "text",
    ["yes", "off", "0755", "1:30", "+977", "0x1F", "1_000", "1e5", ".inf", "2026-01-01", "0o7", "=", "9" * 40],
)
def test_reads_as_text_what_yaml_1_1_would_turn_into_something_else(text: str) -> None:
    assert value(text) == text


@pytest.mark.parametrize("text", ["'5'", '"5"', "|-\n  5", ">-\n  5"])
def test_quotes_make_text(text: str) -> None:
    assert value(text) == "5"


def test_every_key_and_value_has_its_place() -> None:
    places = parse("a:\n  b: [x, {c: y}]\n", "f").document.places
    assert (places["a", "b"].key, places["a", "b"].value) == (Mark("f", 2, 3), Mark("f", 2, 6))
    assert places["a", "b", 1, "c"].value == Mark("f", 2, 14)


def test_a_key_of_ones_own_wins_over_a_merged_one() -> None:
    parsed = parse("x: &x {a: 1, b: 2}\ny: &y {b: 3, c: 4}\nz:\n  a: 0\n  <<: [*x, *y]\n", "f")
    assert parsed.problems == ()
    assert parsed.document.value["z"] == {"a": 0, "b": 2, "c": 4}
    assert parsed.document.places["z", "a"].value == Mark("f", 4, 6)
    assert parsed.document.places["z", "c"].value == Mark("f", 2, 17)


@pytest.mark.parametrize("text", ["a: &a {<<: *a}", "a: &a [*a]", "a: &a {b: {<<: *a}}"])
def test_an_anchor_inside_itself_is_a_problem(text: str) -> None:
    (problem,) = parse(text, "f").problems
    assert problem.message == "found an anchor that contains itself"


def test_aliases_that_multiply_are_stopped() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    (problem,) = parse("\n".join(lines), "f").problems
    assert problem.message == "the file holds more than 20000 values"


def test_merges_that_multiply_are_stopped() -> None:
    lines = ["a0: &a0 {k: v}"]
    lines += [f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 10)}]}}" for n in range(1, 12)]
    (problem,) = parse("\n".join(lines), "f").problems
    assert problem.message == "the file holds more than 20000 values"


@pytest.mark.parametrize("opening", ["[", "{a: ", "- "])
def test_depth_without_end_is_stopped(opening: str) -> None:
    (problem,) = parse("a: \n" + opening * 50_000, "f").problems
    assert problem.message


@given(st.text(alphabet=st.sampled_from("ab:- \n\t[]{}&*<>|'\"#!%@`?,$~0\\\x00\ud800\u2028"), max_size=60))
@settings(deadline=None)
def test_no_text_makes_it_raise(text: str) -> None:
    for env in (None, {"a": "b"}):
        parsed = parse(text, "f", env)
        assert isinstance(parsed.document.value, dict)
        assert all(problem.mark.line and problem.message for problem in parsed.problems)
