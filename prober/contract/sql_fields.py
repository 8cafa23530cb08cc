"""What an SQL statement of a contract may say, by what it is for: its parameters, and the columns it returns."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from pydantic import PlainValidator

from prober.contract.fields import fault
from prober.sql import Sql


def _sql(known: Iterable[str], one_of: Iterable[str] = (), columns: tuple[str, ...] = ()) -> PlainValidator:
    """A statement that may use the parameters `known`, and must use at least one of `one_of`."""
    allowed, needed = frozenset(known), tuple(one_of)

    def read(value: object) -> Sql:
        if isinstance(value, Sql):
            return value
        if not isinstance(value, str):
            raise fault("expected an SQL statement as text")
        try:
            sql = Sql.parse(value, columns)
        except ValueError as error:
            raise fault(str(error)) from None
        for name in sql.parameters:
            if name not in allowed:
                raise fault(f"expected only the parameters {_named(sorted(allowed))}; :{name} is none")
        if needed and not set(needed) & set(sql.parameters):
            # Without it a statement would be about every row, also those that are not ours.
            raise fault(f"expected a statement about our own rows alone, by {_named(needed, ' or ')}")
        return sql

    return PlainValidator(read)


def _named(names: Iterable[str], between: str = ", ") -> str:
    return between.join(f":{name}" for name in names)


_MESSAGES = ("message_sids", "bodies")
_MESSAGES_SQL = ("from_number", *_MESSAGES)

ClaimSql = Annotated[Sql, _sql(("message_sid", "from_number"), ("message_sid",))]
EffectSql = Annotated[Sql, _sql(_MESSAGES_SQL, ("message_sids",), ("message_sid", "effects", "done"))]
MessageCleanupSql = Annotated[Sql, _sql(_MESSAGES_SQL, _MESSAGES)]

_FIXTURES = ("retailer_id", "vendor_ids")
_ORDER = ("order_id", "routing_id")

FixtureSql = Annotated[Sql, _sql(_FIXTURES, _FIXTURES)]
PresentSql = Annotated[Sql, _sql(_FIXTURES, _FIXTURES, ("id", "offered"))]
CreateSql = Annotated[Sql, _sql((*_FIXTURES, *_ORDER), _ORDER)]
# A sweep has no vendors any more.
OrderCleanupSql = Annotated[Sql, _sql(("retailer_id", *_ORDER), _ORDER)]
RowsSql = Annotated[Sql, _sql((*_FIXTURES, *_ORDER), _ORDER, ("locked_vendor", "accepted_vendors"))]
