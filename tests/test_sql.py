"""`:name` becomes `$n` wherever it is a parameter to PostgreSQL, and nowhere else."""

from __future__ import annotations

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prober.sql import Sql

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
