"""`:name` becomes `$n` wherever it is a parameter to PostgreSQL, and nowhere else."""

from __future__ import annotations

import math
from typing import Any

import asyncpg
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from prober.sql import Sql, literal

TRANSLATED = [
    ("SELECT :a", "SELECT $1", ("a",)),
    ("SELECT :a, :b", "SELECT $1, $2", ("a", "b")),
    ("SELECT :b, :a, :b", "SELECT $1, $2, $1", ("b", "a")),
    ("SELECT :a::text", "SELECT $1::text", ("a",)),
    ("SELECT :a::text[], x::int", "SELECT $1::text[], x::int", ("a",)),
    ("SELECT ':a', :a", "SELECT ':a', $1", ("a",)),
    ("SELECT 'it''s :a', :b", "SELECT 'it''s :a', $1", ("b",)),
    (r"SELECT E'\' :a', :b", r"SELECT E'\' :a', $1", ("b",)),
    ('SELECT ":a" FROM t WHERE "x" = :a', 'SELECT ":a" FROM t WHERE "x" = $1', ("a",)),
    ("SELECT 1 -- :a\n WHERE :b", "SELECT 1 -- :a\n WHERE $1", ("b",)),
    ("SELECT /* :a; $1 */ :b", "SELECT /* :a; $1 */ $1", ("b",)),
    ("SELECT $$:a; $1$$, $x$ :b $x$, :c", "SELECT $$:a; $1$$, $x$ :b $x$, $1", ("c",)),
    ("SELECT xs[1:n], xs[:lower]", "SELECT xs[1:n], xs[$1]", ("lower",)),
    ("SELECT :a_1, :aB", "SELECT $1, $2", ("a_1", "aB")),
    ("SELECT :a;\n", "SELECT $1;\n", ("a",)),
    ("SELECT ';', :a; -- the end", "SELECT ';', $1; -- the end", ("a",)),
    ("SELECT 12:a", "SELECT 12:a", ()),
]


@pytest.mark.parametrize(("text", "query", "parameters"), TRANSLATED)
def test_translates_parameters_alone(text: str, query: str, parameters: tuple[str, ...]) -> None:
    sql = Sql.parse(text)
    assert (sql.text, sql.query, sql.parameters) == (text, query, parameters)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "expected an SQL statement"),
        (" \n; ", "expected an SQL statement"),
        ("-- nothing", "expected an SQL statement"),
        ("SELECT 1; SELECT 2", "expected one statement; write several as a list"),
        ("SELECT :a; /* and */ DROP TABLE orders", "expected one statement; write several as a list"),
        ("SELECT $1, :a", r"expected parameters by name \(:name\), found \$1"),
    ],
)
def test_refuses_what_is_no_single_statement_with_names(text: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=f"^{sentence}$"):
        Sql.parse(text)


def test_picks_the_arguments_in_the_order_of_their_numbers() -> None:
    sql = Sql.parse("SELECT :b, :a, :b")
    assert sql.arguments({"a": 1, "b": 2, "c": 3}) == [2, 1]
    with pytest.raises(KeyError):
        sql.arguments({"a": 1})


names = st.from_regex(r"[a-z_][a-z0-9_]{0,10}", fullmatch=True)
# Without a backslash, which begins an escape after E alone, and without zero, which PostgreSQL has not in text.
texts = st.text(st.characters(codec="utf-8", exclude_characters="\0\\"), max_size=20)


@given(st.lists(st.tuples(names, texts), min_size=1, max_size=8))
def test_numbers_every_parameter_whatever_is_quoted_between(parts: list[tuple[str, str]]) -> None:
    quoted = [(name, text.replace("'", "''")) for name, text in parts]
    sql = Sql.parse("SELECT " + ", ".join(f":{name}::text || '{text}'" for name, text in quoted))
    order = list(dict.fromkeys(name for name, _ in parts))
    assert list(sql.parameters) == order
    expected = ", ".join(f"${order.index(name) + 1}::text || '{text}'" for name, text in quoted)
    assert sql.query == f"SELECT {expected}"


async def test_postgresql_reads_it_as_we_do(database: str) -> None:
    statement = """
        SELECT :b::int AS b, ':b' AS text, E'\\':a' AS escaped, "q:a", $x$:c; $1$x$ AS dollars, /* :a */
               (ARRAY[10, 20, 30])[:a:3] AS slice, :b + 1 AS more -- :d
          FROM (SELECT 5 AS "q:a") AS q;
    """
    sql = Sql.parse(statement)
    connection = await asyncpg.connect(database)
    try:
        row = await connection.fetchrow(sql.query, *sql.arguments({"a": 2, "b": 7}))
    finally:
        await connection.close()
    assert row is not None
    assert dict(row) == {
        "b": 7,
        "text": ":b",
        "escaped": "':a",
        "q:a": 5,
        "dollars": ":c; $1",
        "slice": [20, 30],
        "more": 8,
    }


LITERALS = [
    (None, "NULL"),
    (True, "('true')"),
    (-5, "('-5')"),
    (1.5, "('1.5')"),
    ("it's", "('it''s')"),
    ("back\\slash'", r"(E'back\\slash''')"),
    ("$1 :name % {}", "('$1 :name % {}')"),
    ([], "('{}')"),
    (["a", 'q"q', "b\\"], r"""(E'{"a","q\\"q","b\\\\"}')"""),
]


@pytest.mark.parametrize(("value", "expected"), LITERALS)
def test_writes_a_value_as_a_literal_without_a_type(value: object, expected: str) -> None:
    assert literal(value) == expected


@pytest.mark.parametrize("value", ["a\0b", ["a\0b"], "half a \ud800 pair"])
def test_refuses_text_that_postgresql_has_not(value: object) -> None:
    with pytest.raises(ValueError, match="expected text"):
        literal(value)


@pytest.mark.parametrize("value", [b"bytes", {"a": 1}, [1], [None], object()])
def test_refuses_a_value_of_another_type(value: object) -> None:
    with pytest.raises(TypeError, match="expected"):
        literal(value)


anything = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=60)
nasty = st.text(st.sampled_from("'\\\"$:;-{}, %\nE1aé\U0001f600"), max_size=30)
values = st.fixed_dictionaries(
    {
        "text": anything | nasty,
        "number": st.integers(-(2**63), 2**63 - 1),
        "real": st.floats(),
        "flag": st.booleans(),
        "texts": st.lists(anything | nasty, max_size=5),
        "nothing": st.none(),
    }
)
EDGE = {"text": "", "number": 0, "real": -0.0, "flag": True, "texts": ["x", "NULL"], "nothing": None}


@pytest.mark.parametrize("conforming", ["on", "off"])
async def test_a_literal_comes_back_as_it_was(database: str, conforming: str) -> None:
    """Through a real PostgreSQL, in either of its ways to read a backslash, alone and beside operators."""
    sql = Sql.parse(
        "SELECT :text::text AS text, :number::bigint AS number, :real::float8 AS real, :flag::bool AS flag,"
        " :texts::text[] AS texts, :nothing::text AS nothing, ':text' || :text AS joined,"
        " -:number::numeric AS minus, 'x' = ANY(:texts) AS has, (:texts::text[])[1] AS first"
    )
    kept: list[dict[str, Any]] = []

    @given(values)
    @example(EDGE)
    def generated(value: dict[str, Any]) -> None:
        kept.append(value)

    generated()
    settings = {"standard_conforming_strings": conforming, "escape_string_warning": "off"}
    connection = await asyncpg.connect(database, server_settings=settings)
    try:
        for value in kept:
            query = sql.filled({name: literal(each) for name, each in value.items()})
            row = dict(await connection.fetchrow(query) or {})
            assert (row.pop("joined"), row.pop("minus")) == (":text" + value["text"], -value["number"])
            assert (row.pop("has"), row.pop("first")) == ("x" in value["texts"], next(iter(value["texts"]), None))
            real = row.pop("real")
            assert math.isnan(real) if math.isnan(value["real"]) else real == value["real"]
            assert row == {name: each for name, each in value.items() if name != "real"}
    finally:
        await connection.close()
    assert len(kept) > 50
