"""What a YAML file held, with the place of every key and value, so that any error can point at its line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import PlainSerializer, PlainValidator, ValidationInfo
from pydantic_core import PydanticCustomError

Path = tuple[str | int, ...]
"""The way to a value: keys of mappings, indices of lists."""


def dotted(path: Path) -> str:
    """Print a path as people write it: `probes.redis.sentinel.hosts[1]`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


@dataclass(frozen=True, slots=True)
class Mark:
    """A place in a source; line and column count from 1 and are None where there is no file."""

    source: str
    line: int | None = None
    column: int | None = None

    def __str__(self) -> str:
        return self.source if self.line is None else f"{self.source}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a key and its value stand. `written` is a scalar as written, `${NAME}` not replaced."""

    key: Mark
    value: Mark
    written: str | None = None
    plain: bool = False  # not in quotes
    substituted: bool = False


@dataclass(frozen=True, slots=True)
class Document:
    """A mapping with the places of all that is in it; `source` names where it came from.

    Two documents are equal when their values are.
    """

    source: str = field(compare=False)
    value: Mapping[str, Any] = field(default_factory=dict)
    places: Mapping[Path, Place] = field(default_factory=dict, compare=False)

    def place(self, path: Path) -> Place:
        """Where `path` stands, or the nearest mapping around it that has a place."""
        for end in range(len(path), -1, -1):
            if path[:end] in self.places:
                return self.places[path[:end]]
        return Place(Mark(self.source), Mark(self.source))

    def at(self, path: Path) -> Document:
        """The mapping at `path` as a document of its own."""
        value: Any = self.value
        for part in path:
            value = value[part]
        depth = len(path)
        places = {where[depth:]: place for where, place in self.places.items() if where[:depth] == path}
        return Document(self.source, value, places)

    def with_value(self, path: Path, value: Any) -> Document:
        """This document with another value at `path`, whose place stays."""
        return Document(self.source, _with(self.value, path, value), self.places)

    def overlaid(self, overlay: Document) -> Document:
        """This document with the values of `overlay` in place of its own.

        The overlay's outermost keys may be dotted (`webhook.path`); mappings are merged, all else is replaced.
        """
        value, places = self.value, dict(self.places)
        for path, node in _leaves(overlay.value):
            target = (*str(path[0]).split("."), *path[1:])
            value = _with(value, target, node)
            for stale in [where for where in places if where[: len(target)] == target]:
                del places[stale]
            places[target] = overlay.place(path)
            for where, place in overlay.places.items():
                if where[: len(path)] == path:
                    places[target + where[len(path) :]] = place
            for end in range(1, len(target)):
                places.setdefault(target[:end], overlay.place(path))
        return Document(self.source, value, places)


def _leaves(value: Mapping[str, Any], path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Every value that is not itself a non-empty mapping, with its path."""
    for key, node in value.items():
        if isinstance(node, Mapping) and node:
            yield from _leaves(node, (*path, key))
        else:
            yield (*path, key), node


def _with(value: Any, path: Path, node: Any) -> Any:
    """A copy of `value` with `node` at `path`; mappings that are missing on the way are made."""
    if not path:
        return node
    if isinstance(value, list) and isinstance(path[0], int):
        return [_with(item, path[1:], node) if n == path[0] else item for n, item in enumerate(value)]
    inner = value if isinstance(value, Mapping) else {}
    return {**inner, path[0]: _with(inner.get(path[0]), path[1:], node)}


def _overlay(value: object, info: ValidationInfo) -> Document:
    if isinstance(value, Document):
        return value
    if not isinstance(value, Mapping):
        raise PydanticCustomError("value", "{sentence}", {"sentence": "expected a mapping of the contract's keys"})
    document, path = (info.context or {}).get("document"), (info.context or {}).get("overlay")
    if document is not None and path is not None:
        return Document(document.source, value, document.at(path).places)
    return Document(info.field_name or "overrides", value)


OverlayField = Annotated[
    Document, PlainValidator(_overlay), PlainSerializer(lambda document: document.value, return_type=dict)
]
"""A mapping kept with its places, for a file that is read later: `Document.overlaid`."""
