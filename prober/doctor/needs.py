"""What a role needs to run a statement: which privileges on which columns of which tables.

Read from the statement itself, with the columns of the tables from the catalogue, because PostgreSQL tells only
the first table that is refused. PostgreSQL has the last word all the same: `prober doctor` has it plan each
statement, which checks every privilege and executes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from prober.sql import RESERVED, quoted

_TOKEN = re.compile(
    r"""
      (?P<skip> \b[eE]'(?:\\.|''|[^'\\])*' | '(?:''|[^'])*'
              | (?<![\w$])\$(?P<tag>(?:[A-Za-z_]\w*)?)\$.*?\$(?P=tag)\$
              | --[^\n]* | /\*.*?\*/ | ::\s*(?:"[^"]*"|[\w.]+) | \s+ )
    | "(?P<quoted>(?:""|[^"])*)"
    | (?P<word>[^\W\d]\w*)
    | (?P<other>.)
    """,
    re.VERBOSE | re.DOTALL,
)
# After a table these begin something else than its alias.
_CLAUSES = frozenset(
    """
    as cross default do except fetch for from full group having inner intersect join left limit natural offset on
    order overriding returning right select set tablesample union using values when where window with
    """.split()  # noqa: SIM905 - a list of words is read more easily than a list of strings
)
_SET_OPERATIONS = frozenset({"union", "except", "intersect"})

Columns = Mapping[str, Iterable[str]]


@dataclass(frozen=True, slots=True, order=True)
class Need:
    """One privilege on one column; on the whole table where `column` is empty."""

    table: str
    privilege: str
    column: str = ""


def tables(query: str) -> tuple[str, ...]:
    """The names that a statement uses in place of a table, functions and subqueries left out."""
    return tuple(dict.fromkeys(_Reading(query, None).named))


def needs(query: str, columns: Columns) -> frozenset[Need]:
    """What a role needs to run `query`; `columns`: of each table in it, by the name that the statement uses."""
    return frozenset(_Reading(query, {table: frozenset(names) for table, names in columns.items()}).needs)


def grants(wanted: Iterable[Need], role: str) -> list[str]:
    """The GRANT statements for these needs, one a table; `role` is an SQL identifier."""
    by_table: dict[str, dict[str, list[str]]] = {}
    for need in sorted(wanted):
        by_table.setdefault(need.table, {}).setdefault(need.privilege, []).append(need.column)
    return [
        f"GRANT {', '.join(_privilege(name, columns) for name, columns in _in_order(found))} "
        f"ON {'.'.join(quoted(part) for part in table.split('.'))} TO {role}"
        for table, found in by_table.items()
    ]


def _in_order(found: Mapping[str, list[str]]) -> list[tuple[str, list[str]]]:
    order = ("SELECT", "INSERT", "UPDATE", "DELETE")
    return [(name, found[name]) for name in order if name in found]


def _privilege(name: str, columns: list[str]) -> str:
    return name if "" in columns else f"{name} ({', '.join(quoted(column) for column in columns)})"


@dataclass(frozen=True, slots=True)
class _Token:
    text: str
    is_quoted: bool = False
    is_name: bool = False

    def says(self, *words: str) -> bool:
        return not self.is_quoted and self.text in words


@dataclass(eq=False, slots=True)
class _Scope:
    """What a query between two parentheses can name."""

    parent: _Scope | None
    tables: dict[str, str] = field(default_factory=dict)  # alias → table
    target: str = ""  # of an INSERT: its columns can be named only in what follows ON CONFLICT and RETURNING
    clause: str = ""  # the word that began the clause we are in


class _Reading:
    """One pass for tables and aliases, since a SELECT names columns before their table; a second for columns."""

    def __init__(self, query: str, columns: Mapping[str, frozenset[str]] | None) -> None:
        self._columns = columns
        self._tokens = list(_tokens(query))
        self._done: set[int] = set()  # tokens that are no columns: tables, aliases, lists of new names
        self.named: list[str] = []
        self.needs: set[Need] = set()
        self._read: set[str] = set()  # tables of a FROM or USING, whose rows are read
        scopes = self._find_tables()
        if columns is not None:
            self._find_columns(scopes)
            seen = {need.table for need in self.needs if need.privilege == "SELECT"}
            self.needs |= {Need(table, "SELECT") for table in self._read - seen}

    def _at(self, index: int) -> _Token:
        return self._tokens[index] if 0 <= index < len(self._tokens) else _Token("")

    def _find_tables(self) -> list[_Scope]:
        scopes: list[_Scope] = []
        scope = _Scope(None)
        for index, token in enumerate(self._tokens):
            if token.says("("):
                scope = _Scope(scope)
            scopes.append(scope)
            if token.says(")"):
                scope = scope.parent or scope
            elif token.says(*_SET_OPERATIONS):
                scope = _Scope(scope.parent)
            elif token.says("update") and self._at(index - 1).says("for", "key", "do"):
                pass  # FOR UPDATE names no table, and DO UPDATE that of the INSERT
            elif token.says("from", "join", "using", "into", "update"):
                self._relation(index + 1, scope, token.text, self._at(index - 1).says("delete"))
            elif token.says(",") and scope.clause in ("from", "using"):
                self._relation(index + 1, scope, "from", False)
            if token.says(*_CLAUSES - {"as", "on", "left", "right", "inner", "full", "cross", "natural", "join"}):
                scope.clause = token.text
        return scopes

    def _relation(self, index: int, scope: _Scope, word: str, deleted: bool) -> None:
        """The table at `index`, which follows `word`, with its alias."""
        while self._at(index).says("only", "lateral"):
            index += 1
        if not self._at(index).is_name or self._at(index).says("set"):
            self._alias_list(index)
            return
        table, end = self._dotted(index)
        if self._at(end).says("(") and word != "into":
            self._alias_list(self._closed(end))
            return
        self._done |= set(range(index, end))
        self.named.append(table)
        alias, end = self._alias(end)
        if self._columns is None or table not in self._columns:
            return
        alias = alias or table.rpartition(".")[2]
        if word == "into":
            scope.target = table
            self._insert(table, end)
            return
        scope.tables[alias] = table
        if deleted:
            self.needs.add(Need(table, "DELETE"))
        elif word == "update":
            self._update(table, end)
        else:
            self._read.add(table)

    def _dotted(self, index: int) -> tuple[str, int]:
        name, end = self._at(index).text, index + 1
        while self._at(end).says(".") and self._at(end + 1).is_name:
            name, end = f"{name}.{self._at(end + 1).text}", end + 2
        return name, end

    def _alias(self, index: int) -> tuple[str, int]:
        start = index
        index += self._at(index).says("as")
        token = self._at(index)
        if not token.is_name or (not token.is_quoted and token.text in _CLAUSES):
            return "", start
        self._done.add(index)
        return token.text, index + 1

    def _alias_list(self, index: int) -> None:
        """What a function or subquery calls its columns, as in `AS w(message_sid)`: no columns of any table."""
        while self._at(index).says("with", "ordinality", "as"):
            index += 1
        if self._at(index).is_name and self._at(index + 1).says("("):
            self._done |= set(range(index, self._closed(index + 1)))

    def _closed(self, index: int) -> int:
        """The place after the parenthesis that closes the one at `index`."""
        depth = 0
        for place in range(index, len(self._tokens)):
            depth += self._at(place).says("(") - self._at(place).says(")")
            if depth == 0:
                return place + 1
        return len(self._tokens)

    def _insert(self, table: str, index: int) -> None:
        if not self._at(index).says("(") or self._at(index + 1).says("select", "values", "with"):
            self.needs.add(Need(table, "INSERT"))
            return
        end = self._closed(index)
        for place in range(index, end):
            if self._at(place).is_name:
                self.needs.add(Need(table, "INSERT", self._at(place).text))
        self._done |= set(range(index, end))

    def _update(self, table: str, index: int) -> None:
        """The columns of `SET a = …, b = …`."""
        depth = 0
        for place in range(index, len(self._tokens)):
            token = self._at(place)
            depth += token.says("(") - token.says(")")
            if depth < 0 or (depth == 0 and token.says("where", "from", "returning")):
                return
            if depth == 0 and token.is_name and self._at(place + 1).says("=") and self._begins(place):
                self.needs.add(Need(table, "UPDATE", token.text))
                self._done.add(place)

    def _begins(self, place: int) -> bool:
        return self._at(place - 1).says("set", ",")

    def _find_columns(self, scopes: list[_Scope]) -> None:
        shown: set[_Scope] = set()
        for index, (token, scope) in enumerate(zip(self._tokens, scopes, strict=True)):
            if token.says("conflict", "returning"):
                shown.add(scope)
                if scope.target and token.says("conflict"):
                    self._update(scope.target, index)
            if token.says("*"):
                self._star(index, scope)
            if token.says("for") and self._at(index + 1).says("update", "share", "no", "key"):
                self._lock(index, scope, scopes)
            if index in self._done or not token.is_name or self._at(index - 1).says(".", "as"):
                continue
            if self._at(index + 1).says("."):
                self._qualified(token.text, self._at(index + 2), scope, shown)
            elif not token.says(*RESERVED) and not self._at(index + 1).says("("):
                self._bare(token.text, scope, shown)

    def _lock(self, index: int, scope: _Scope, scopes: list[_Scope]) -> None:
        """Locking a row wants UPDATE on any of its columns: those that the statement returns will do."""
        ours = [place for place in range(index) if scopes[place] is scope]
        begins = max((place for place in ours if self._at(place).says("select")), default=index)
        for place in ours:
            token = self._at(place)
            if place > begins and token.says("from"):
                return
            if place > begins and token.is_name:
                for table in scope.tables.values():
                    if token.text in self._columns_of(table):
                        self.needs.add(Need(table, "UPDATE", token.text))

    def _star(self, index: int, scope: _Scope) -> None:
        if self._at(index - 1).says("select", ",", "returning"):
            for table in scope.tables.values():
                self._select(table, *self._columns_of(table))

    def _qualified(self, alias: str, column: _Token, scope: _Scope | None, shown: set[_Scope]) -> None:
        while scope is not None:
            table = scope.tables.get(alias) or (scope.target if scope in shown and scope.target == alias else "")
            if table:
                self._select(table, *(self._columns_of(table) if column.says("*") else [column.text]))
                return
            scope = scope.parent

    def _bare(self, column: str, scope: _Scope | None, shown: set[_Scope]) -> None:
        while scope is not None:
            seen = [*scope.tables.values(), *([scope.target] if scope in shown and scope.target else [])]
            found = [table for table in seen if column in self._columns_of(table)]
            if found:
                for table in found:
                    self._select(table, column)
                return
            scope = scope.parent

    def _select(self, table: str, *columns: str) -> None:
        self.needs |= {Need(table, "SELECT", column) for column in columns}

    def _columns_of(self, table: str) -> frozenset[str]:
        return (self._columns or {}).get(table, frozenset())


def _tokens(query: str) -> Iterator[_Token]:
    for found in _TOKEN.finditer(query):
        if found["quoted"] is not None:
            yield _Token(found["quoted"].replace('""', '"'), is_quoted=True, is_name=True)
        elif found["word"] is not None:
            yield _Token(found["word"].lower(), is_name=True)
        elif found["other"] is not None:
            yield _Token(found["other"])
