"""What a statement needs of the tables that it names, read from the statement itself."""

from __future__ import annotations

import pytest

from prober.doctor.needs import Need, grants, needs, tables
from prober.sql import quoted

COLUMNS = {
    "orders": ["id", "retailerId", "amount", "from"],
    "routings": ["id", "orderId", "locked"],
    "app.log": ["id", "text"],
}


def wanted(*texts: str) -> frozenset[Need]:
    """`orders SELECT id` and so on; a `*` is the whole table."""
    parts = [text.split() for text in texts]
    return frozenset(Need(table, privilege, "" if column == "*" else column) for table, privilege, column in parts)


CASES: list[tuple[str, frozenset[Need]]] = [
    ("SELECT id FROM orders", wanted("orders SELECT id")),
    ("select ID from ORDERS", wanted("orders SELECT id")),
    ('SELECT "retailerId" FROM orders o', wanted("orders SELECT retailerId")),
    ('SELECT o."retailerId" AS id FROM orders AS o', wanted("orders SELECT retailerId")),
    ("SELECT orders.id FROM orders", wanted("orders SELECT id")),
    ("SELECT count(*) FROM orders WHERE id = $1", wanted("orders SELECT id")),
    ("SELECT count(*) FROM orders", wanted("orders SELECT *")),
    ("SELECT 1 FROM orders", wanted("orders SELECT *")),
    ("SELECT id, text FROM app.log", wanted("app.log SELECT id", "app.log SELECT text")),
    ("SELECT l.* FROM app.log l", wanted("app.log SELECT id", "app.log SELECT text")),
    ("SELECT * FROM routings", wanted(*(f"routings SELECT {c}" for c in COLUMNS["routings"]))),
    ("SELECT 2 * amount FROM orders", wanted("orders SELECT amount")),
    # text, comments, casts and functions are no columns
    ("SELECT 'id', now() /* amount */ FROM orders -- amount\n WHERE id = $1::text", wanted("orders SELECT id")),
    ("SELECT $$amount$$ FROM orders WHERE id = 'a''amount'", wanted("orders SELECT id")),
    ("SELECT amount(id) FROM orders", wanted("orders SELECT id")),
    ("SELECT unknown FROM orders WHERE id = 1", wanted("orders SELECT id")),
    # several tables
    (
        'SELECT o.id, locked FROM orders o JOIN routings r ON r."orderId" = o.id',
        wanted("orders SELECT id", "routings SELECT locked", "routings SELECT orderId"),
    ),
    ("SELECT amount, locked FROM orders, routings", wanted("orders SELECT amount", "routings SELECT locked")),
    (
        "SELECT u.id FROM unnest($1::text[]) AS u(id) LEFT JOIN orders o ON o.id = u.id",
        wanted("orders SELECT id"),
    ),
    ("SELECT v.id FROM unnest($1::text[]) WITH ORDINALITY AS v(id, amount)", frozenset()),
    (
        "SELECT x.id FROM (SELECT id FROM orders WHERE amount > 1) AS x",
        wanted("orders SELECT id", "orders SELECT amount"),
    ),
    (
        "SELECT (SELECT locked FROM routings WHERE id = o.id) FROM orders o",
        wanted("routings SELECT locked", "routings SELECT id", "orders SELECT id"),
    ),
    # a name belongs to the innermost query that has it
    (
        'SELECT amount FROM orders WHERE EXISTS (SELECT FROM routings WHERE id = $1 AND amount > 0)',
        wanted("orders SELECT amount", "routings SELECT id"),
    ),
    ("SELECT id FROM orders UNION ALL SELECT id FROM routings", wanted("orders SELECT id", "routings SELECT id")),
    ("SELECT amount FROM orders UNION SELECT locked FROM routings WHERE locked = $1",
     wanted("orders SELECT amount", "routings SELECT locked")),
    ("WITH x AS (SELECT id FROM orders) SELECT id FROM x", wanted("orders SELECT id")),
    # writes
    ("INSERT INTO orders (id, \"from\") VALUES ($1, 'x')", wanted("orders INSERT id", "orders INSERT from")),
    ("INSERT INTO orders VALUES ($1)", wanted("orders INSERT *")),
    ("INSERT INTO orders (id) SELECT id FROM routings", wanted("orders INSERT id", "routings SELECT id")),
    ("INSERT INTO orders (id) SELECT v.id FROM unnest($1) AS v(id)", wanted("orders INSERT id")),
    (
        "INSERT INTO orders (id) VALUES ($1) ON CONFLICT (id) DO NOTHING",
        wanted("orders INSERT id", "orders SELECT id"),
    ),
    ("INSERT INTO orders (id) VALUES ($1) RETURNING amount", wanted("orders INSERT id", "orders SELECT amount")),
    (
        "INSERT INTO orders (id) VALUES ($1) ON CONFLICT (id) DO UPDATE SET amount = 1",
        wanted("orders INSERT id", "orders SELECT id", "orders UPDATE amount"),
    ),
    ("UPDATE orders SET amount = 1, \"from\" = $2 WHERE id = $1",
     wanted("orders UPDATE amount", "orders UPDATE from", "orders SELECT id")),
    ("UPDATE orders SET amount = amount + 1", wanted("orders UPDATE amount", "orders SELECT amount")),
    ("DELETE FROM orders", wanted("orders DELETE *")),
    ("DELETE FROM orders WHERE id = $1", wanted("orders DELETE *", "orders SELECT id")),
    (
        'DELETE FROM routings r USING orders o WHERE r."orderId" = o.id',
        wanted("routings DELETE *", "routings SELECT orderId", "orders SELECT id"),
    ),
    ("SELECT id FROM orders FOR UPDATE", wanted("orders SELECT id", "orders UPDATE id")),
]  # fmt: skip


@pytest.mark.parametrize(("query", "expected"), CASES, ids=[query[:60] for query, _ in CASES])
def test_reads_what_is_needed(query: str, expected: frozenset[Need]) -> None:
    assert needs(query, COLUMNS) == expected


def test_names_the_tables_it_cannot_know() -> None:
    query = 'DELETE FROM "Old Orders" USING app.log l, f(1) AS g WHERE EXISTS (SELECT FROM only_here)'
    assert tables(query) == ("Old Orders", "app.log", "only_here")
    assert needs(query, {}) == frozenset()


def test_writes_one_grant_a_table_with_quotes_where_they_are_needed() -> None:
    assert grants(
        wanted("orders SELECT retailerId", "orders SELECT id", "orders DELETE *", "orders INSERT from")
        | wanted("app.log INSERT text"),
        "prober",
    ) == [
        "GRANT INSERT (text) ON app.log TO prober",
        'GRANT SELECT (id, "retailerId"), INSERT ("from"), DELETE ON orders TO prober',
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "written"), [("id", "id"), ("Id", '"Id"'), ("from", '"from"'), ('a"b', '"a""b"'), ("a-b", '"a-b"')]
)
def test_quotes_a_name_only_where_it_has_to(name: str, written: str) -> None:
    assert quoted(name) == written
