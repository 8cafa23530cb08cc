"""One SQL statement of a contract: written with `:name` parameters, sent with `$1` ones."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

# The tokens of PostgreSQL (manual, 4.1) in which a colon, a $1 or a semicolon is text, then those that count.
_TOKEN = re.compile(
    r"""
      \b[eE]'(?:\\.|''|[^'\\])*'                              # text with escapes
    | '(?:''|[^'])*' | "(?:""|[^"])*"                         # text, a quoted name
    | (?<![\w$])\$(?P<tag>(?:[A-Za-z_]\w*)?)\$.*?\$(?P=tag)\$ # dollar-quoted text
    | --[^\n]* | /\*.*?\*/                                    # comments
    | ::                                                      # a cast
    | (?<![\w\]]):(?P<name>[A-Za-z_]\w*)                      # a parameter; in a[1:n] it is a slice
    | (?<!\w)\$(?P<number>\d+)
    | (?P<end>;)
    """,
    re.VERBOSE | re.DOTALL | re.ASCII,
)

# Words of SQL that cannot be a name unless quoted (manual, appendix C).
RESERVED = frozenset(
    """
    all analyse analyze and any array as asc asymmetric both case cast check collate column constraint create
    current_catalog current_date current_role current_time current_timestamp current_user default deferrable desc
    distinct do else end except false fetch for foreign from grant group having in initially intersect into
    lateral leading limit localtime localtimestamp not null offset on only or order placing primary references
    returning select session_user some symmetric system_user table then to trailing true union unique user using
    variadic when where window with
    """.split()  # noqa: SIM905 - read more easily than a list of strings
)
_PLAIN = re.compile(r"[a-z_][a-z0-9_]*")


@dataclass(frozen=True, slots=True)
class Sql:
    """One statement. `parameters`: the names in the order of their first use, so the first is `$1` in `query`.

    `columns`: what each of its rows must have; empty where nothing is read from them.
    """

    text: str
    query: str
    parameters: tuple[str, ...]
    columns: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str, columns: tuple[str, ...] = ()) -> Sql:
        """Number the parameters; casts (`::text`), quoted text and comments stay as they are.

        Raises ValueError with a sentence for what is no single statement, or has numbers of its own.
        """
        numbers: dict[str, int] = {}

        def replace(found: re.Match[str]) -> str:
            if found["number"] is not None:
                raise ValueError(f"expected parameters by name (:name), found ${found['number']}")
            if found["end"] is not None and _TOKEN.sub(_without_comment, text[found.end() :]).strip():
                raise ValueError("expected one statement; write several as a list")
            name = found["name"]
            return found[0] if name is None else f"${numbers.setdefault(name, len(numbers) + 1)}"

        if not _TOKEN.sub(_without_comment, text).strip(" \t\r\n;"):
            raise ValueError("expected an SQL statement")
        query = _TOKEN.sub(replace, text)
        return cls(text, query, tuple(numbers), columns)

    def arguments(self, values: Mapping[str, object]) -> list[object]:
        """Pick the parameters from `values`; KeyError if the contract asks for one that does not exist."""
        return [values[name] for name in self.parameters]

    def filled(self, literals: Mapping[str, str]) -> str:
        """The statement with SQL literals in place of its parameters; KeyError as above."""
        return _TOKEN.sub(lambda found: found[0] if found["name"] is None else literals[found["name"]], self.text)


def _without_comment(found: re.Match[str]) -> str:
    return "" if found[0].startswith(("--", "/*")) else found[0]


def quoted(name: str) -> str:
    """A name as SQL writes it: in quotes only where it has to be."""
    if _PLAIN.fullmatch(name) and name not in RESERVED:
        return name
    return '"' + name.replace('"', '""') + '"'


def literal(value: object) -> str:
    """A value as an SQL literal without a type, which PostgreSQL resolves from its place as it does a parameter.

    `value`: None, bool, int, float, str, or a list (or tuple) of str. Right whatever standard_conforming_strings
    is, in an encoding of ASCII's kind. TypeError for any other type, ValueError for text that PostgreSQL has not.
    """
    match value:
        case None:
            return "NULL"
        case bool():
            return "('true')" if value else "('false')"
        case int():
            return f"('{value}')"
        case float():
            return f"('{value!r}')" if math.isfinite(value) else f"('{value}')"
        case str():
            return _text(value)
        case list() | tuple():
            return _text("{" + ",".join(map(_element, value)) + "}")
    raise TypeError(f"expected None, bool, int, float, str or a list of str, got {type(value).__name__}")


def _element(value: object) -> str:
    """One text of an array (manual, 8.15.6)."""
    if not isinstance(value, str):
        raise TypeError(f"expected a list of str, got {type(value).__name__} in it")
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _text(value: str) -> str:
    if "\0" in value:
        raise ValueError("expected text without the character NUL, which PostgreSQL does not have")
    if not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
        raise ValueError("expected text that UTF-8 can hold, found half a surrogate pair")
    doubled = value.replace("'", "''")
    # In parentheses, so that it can neither grow together with what stands beside it nor take part of a cast.
    if "\\" in value:
        escaped = doubled.replace("\\", "\\\\")
        return f"(E'{escaped}')"
    return f"('{doubled}')"
