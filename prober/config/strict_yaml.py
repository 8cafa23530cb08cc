"""YAML text into plain values with the place of each, refusing what YAML would silently take otherwise.

Scalars follow the core schema of YAML 1.2: only `true` and `false` are booleans, `0755`, `1:30`, `yes` and
`+977` are text. Duplicate keys, several documents, tags and keys that are not text are problems.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from prober.config.document import Document, Mark, Path, Place
from prober.config.problem import Problem
from prober.config.substitution import UnsetError, substitute
from prober.config.syntax import syntax_problem

_TAG = "tag:yaml.org,2002:"
_NULL = re.compile(r"~|null|Null|NULL|")
_BOOL = re.compile(r"true|True|TRUE|false|False|FALSE")
_INT = re.compile(r"-?(?:0|[1-9][0-9]*)", re.ASCII)
_FLOAT = re.compile(r"-?(?:0|[1-9][0-9]*)\.[0-9]+", re.ASCII)

# An alias can stand for a mapping full of aliases; a config has a few hundred values.
_MOST_NODES = 20_000


class _Loader(yaml.SafeLoader):
    """Composes nodes; its own ideas of what a plain scalar means are not used."""

    yaml_implicit_resolvers: dict[str, Any] = {"<": [(f"{_TAG}merge", re.compile("<<"))]}  # noqa: RUF012


def plain_value(text: str) -> str | int | float | bool | None:
    """What an unquoted scalar means."""
    if _NULL.fullmatch(text):
        return None
    if _BOOL.fullmatch(text):
        return text.lower() == "true"
    if len(text) < 19 and _INT.fullmatch(text):
        return int(text)
    if len(text) < 40 and _FLOAT.fullmatch(text):
        return float(text)
    return text


@dataclass(frozen=True, slots=True)
class Parsed:
    """A document, what is wrong with it, and the paths whose values are therefore not to be judged."""

    document: Document
    problems: tuple[Problem, ...] = ()
    broken: frozenset[Path] = frozenset()


def parse(text: str, source: str, env: Mapping[str, str] | None = None) -> Parsed:
    """Read one YAML mapping. With `env`, `${NAME}` in scalars is replaced from it.

    Never raises for what the text holds: everything wrong is in `problems`.
    """
    empty = Document(source)
    try:
        root = _Loader(text).get_single_node()
        if root is None:
            problem = Problem(Mark(source, 1, 1), (), "the file is empty; expected a mapping of keys")
            return Parsed(empty, (problem,))
        reader = _Reader(source, env)
        if not isinstance(root, MappingNode):
            kind = "a list" if isinstance(root, SequenceNode) else "a single value"
            reader.problem(root, (), f"found {kind}, expected a mapping of keys, one `key: value` a line")
            return Parsed(empty, tuple(reader.problems))
        value = reader.mapping(root, ())
    except yaml.YAMLError as error:
        return Parsed(empty, (syntax_problem(error, text, source),))
    except RecursionError:
        problem = Problem(Mark(source, 1, 1), (), "the file nests deeper than any config does")
        return Parsed(empty, (problem,))
    except _TooLargeError:
        problem = Problem(Mark(source, 1, 1), (), f"the file holds more than {_MOST_NODES} values")
        return Parsed(empty, (problem,))
    return Parsed(Document(source, value, reader.places), tuple(reader.problems), frozenset(reader.broken))


class _TooLargeError(Exception):
    pass


@dataclass(slots=True)
class _Reader:
    """Walks the nodes of one document, collecting values, places and problems."""

    source: str
    env: Mapping[str, str] | None
    problems: list[Problem] = field(default_factory=list)
    broken: set[Path] = field(default_factory=set)
    places: dict[Path, Place] = field(default_factory=dict)
    _open: list[Node] = field(default_factory=list)
    _nodes: int = 0

    def mark(self, node: Node) -> Mark:
        return Mark(self.source, node.start_mark.line + 1, node.start_mark.column + 1)

    def problem(self, node: Node, path: Path, message: str, *, broken: bool = True) -> None:
        self.problems.append(Problem(self.mark(node), path, message))
        if broken:
            self.broken.add(path)

    def value(self, node: Node, path: Path, key: Node) -> Any:
        """The value of any node; its place is that of `key` and its own."""
        self._nodes += 1
        if self._nodes > _MOST_NODES:
            raise _TooLargeError
        self.places[path] = Place(self.mark(key), self.mark(node))
        if any(node is outer for outer in self._open):
            self.problem(node, path, "found an anchor that contains itself")
            return None
        if isinstance(node, ScalarNode):
            return self.scalar(node, path, key)
        self._open.append(node)
        try:
            if isinstance(node, MappingNode):
                return self.mapping(node, path)
            self._check_tag(node, path, "seq")
            return [self.value(item, (*path, index), item) for index, item in enumerate(node.value)]
        finally:
            self._open.pop()

    def scalar(self, node: ScalarNode, path: Path, key: Node) -> Any:
        plain = node.style is None
        self._check_tag(node, path, "str")
        text, substituted = node.value, False
        if self.env is not None and "$" in text:
            try:
                text, substituted = substitute(text, self.env), "${" in text
            except UnsetError as error:
                self.problem(node, path, str(error))
        self.places[path] = Place(
            self.mark(key), self.mark(node), written=node.value, plain=plain, substituted=substituted
        )
        if substituted:
            # A token of digits out of the environment is text; whoever validates may ask for `plain_value`.
            return text if text or not plain else None
        return plain_value(text) if plain else text

    def mapping(self, node: MappingNode, path: Path) -> dict[str, Any]:
        self._check_tag(node, path, "map")
        if not path:
            self.places[path] = Place(self.mark(node), self.mark(node))
        result: dict[str, Any] = {}
        seen: dict[str, Node] = {}
        merges: list[tuple[Node, Node]] = []
        for key, value in node.value:
            if key.tag == f"{_TAG}merge":
                merges.append((key, value))
                continue
            name = self._key(key, path)
            if name is None:
                continue
            if name in seen:
                line = seen[name].start_mark.line + 1
                message = f"found twice; it stands in line {line} already"
                self.problem(key, (*path, name), message, broken=False)
                continue
            seen[name] = key
            result[name] = self.value(value, (*path, name), key)
        for key, value in merges:
            self._merge(key, value, path, result)
        return result

    def _merge(self, key: Node, value: Node, path: Path, result: dict[str, Any]) -> None:
        """Take the keys of the mappings behind `<<` that are not there yet."""
        for node in value.value if isinstance(value, SequenceNode) else [value]:
            if not isinstance(node, MappingNode):
                self.problem(key, path, "found << before something that is no mapping; expected an alias")
                continue
            if any(node is outer for outer in self._open):
                self.problem(key, path, "found an anchor that contains itself")
                continue
            before = dict(self.places)
            self._open.append(node)
            merged = self.mapping(node, path)
            self._open.pop()
            for name, item in merged.items():
                result.setdefault(name, item)
            # What was there before keeps its place.
            self.places.update(before)

    def _key(self, key: Node, path: Path) -> str | None:
        if not isinstance(key, ScalarNode):
            self.problem(key, path, "found a key that is a mapping or a list; expected text")
            return None
        if key.style is None and not isinstance(plain_value(key.value), str):
            self.problem(key, path, f"found the key {key.value or '(empty)'}; expected text, put it in quotes")
            return None
        return str(key.value)

    def _check_tag(self, node: Node, path: Path, kind: str) -> None:
        if node.tag != f"{_TAG}{kind}":
            self.problem(
                node, path, "found a tag (!…), expected a plain value; put text beginning with ! in quotes"
            )
