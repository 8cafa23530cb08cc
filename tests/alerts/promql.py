"""Reads as much of PromQL as our rules use, into a tree that tests can ask: a second opinion on their texts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

AGGREGATIONS = frozenset({"sum", "avg", "min", "max", "count", "quantile"})
SETS = frozenset({"and", "or", "unless"})
COMPARISONS = frozenset({"==", "!=", "<=", ">=", "<", ">"})
_LEVELS = (("or",), ("and", "unless"), tuple(COMPARISONS), ("+", "-"), ("*", "/"))
_TOKEN = re.compile(
    r"\s*(?:(?P<number>\d+(?:\.\d+)?(?:e-?\d+)?(?![\w.]))|(?P<duration>\d+[smhdw])|(?P<name>[A-Za-z_:][\w:]*)"
    r"|(?P<string>\"(?:[^\"\\]|\\.)*\")|(?P<symbol>=~|!~|==|!=|<=|>=|[-+*/<>(){}\[\],=]))"
)


@dataclass(frozen=True)
class Number:
    value: float


@dataclass(frozen=True)
class Selector:
    name: str
    matchers: tuple[tuple[str, str, str], ...]  # label, operator, value
    window: str | None = None


@dataclass(frozen=True)
class Call:
    function: str
    arguments: tuple[Node, ...]


@dataclass(frozen=True)
class Aggregation:
    function: str
    by: tuple[str, ...]
    arguments: tuple[Node, ...]


@dataclass(frozen=True)
class Binary:
    operator: str
    left: Node
    right: Node
    is_bool: bool = False
    on: tuple[str, ...] | None = None
    ignoring: tuple[str, ...] = field(default=())
    group_left: bool = False


Node = Number | Selector | Call | Aggregation | Binary


def parse(text: str) -> Node:
    """Read one expression; ValueError with the place where it is none."""
    reader = _Reader(text)
    node = reader.binary(0)
    if reader.kind is not None:
        raise ValueError(f"expected the end, got {reader.word!r} at {reader.place} of {text!r}")
    return node


def walk(node: Node) -> Iterator[Node]:
    """The node and all below it."""
    yield node
    match node:
        case Call(arguments=below) | Aggregation(arguments=below):
            for each in below:
                yield from walk(each)
        case Binary(left=left, right=right):
            yield from walk(left)
            yield from walk(right)


def selectors(node: Node) -> list[Selector]:
    return [each for each in walk(node) if isinstance(each, Selector)]


class _Reader:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self.advance()

    def advance(self) -> None:
        self.place = self._at
        match = _TOKEN.match(self._text, self._at)
        if match is None:
            if self._text[self._at :].strip():
                raise ValueError(f"cannot read {self._text[self._at :][:30]!r}")
            self.kind, self.word = None, ""
            return
        self.kind, self.word, self._at = match.lastgroup, match[match.lastgroup or 0], match.end()

    def take(self, word: str) -> bool:
        if self.word != word:
            return False
        self.advance()
        return True

    def expect(self, word: str) -> None:
        if not self.take(word):
            raise ValueError(f"expected {word!r}, got {self.word!r} at {self.place} of {self._text!r}")

    def binary(self, level: int) -> Node:
        if level == len(_LEVELS):
            return self.unit()
        left = self.binary(level + 1)
        while self.word in _LEVELS[level]:
            operator = self.word
            self.advance()
            is_bool = self.take("bool")
            on = self.labels() if self.take("on") else None
            ignoring = self.labels() if self.take("ignoring") else ()
            group_left = self.take("group_left")
            if group_left and self.word == "(":
                self.labels()
            left = Binary(operator, left, self.binary(level + 1), is_bool, on, ignoring, group_left)
        return left

    def labels(self) -> tuple[str, ...]:
        self.expect("(")
        found = []
        while not self.take(")"):
            found.append(self.word)
            self.advance()
            self.take(",")
        return tuple(found)

    def unit(self) -> Node:
        if self.take("("):
            inner = self.binary(0)
            self.expect(")")
            return inner
        if self.kind == "number":
            value = float(self.word)
            self.advance()
            return Number(value)
        if self.kind != "name":
            raise ValueError(f"expected a value, got {self.word!r} at {self.place} of {self._text!r}")
        name = self.word
        self.advance()
        if name in AGGREGATIONS:
            by = self.labels() if self.take("by") else ()
            return Aggregation(name, by, self.arguments())
        if self.word == "(":
            return Call(name, self.arguments())
        return self.selector(name)

    def arguments(self) -> tuple[Node, ...]:
        self.expect("(")
        found: list[Node] = []
        while not self.take(")"):
            found.append(self.binary(0))
            self.take(",")
        return tuple(found)

    def selector(self, name: str) -> Selector:
        matchers = []
        if self.take("{"):
            while not self.take("}"):
                label = self.word
                self.advance()
                operator = self.word
                self.advance()
                matchers.append((label, operator, self.word[1:-1]))
                self.advance()
                self.take(",")
        window = None
        if self.take("["):
            window = self.word
            self.advance()
            self.expect("]")
        return Selector(name, tuple(matchers), window)
