"""Values as JSON: any of our dataclasses, enums as their strings, every text redacted and made storable."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable, Mapping
from enum import Enum

UNKNOWN = "the journal keeps dataclasses, enums, mappings, sequences, text, numbers and None; got {}"

LONGEST_TEXT = 10_000  # characters; what a target sends must not fill the disk

Redact = Callable[[str], str]


def as_is(text: str) -> str:
    """Redact nothing."""
    return text


def storable(redact: Redact) -> Redact:
    """Make the function that every text goes through: redacted, then cut, then free of lone surrogates.

    Redaction comes first, since a secret cut in half would no longer be recognised.
    """

    def clean(text: str) -> str:
        text = redact(text)
        if len(text) > LONGEST_TEXT:
            text = f"{text[:LONGEST_TEXT]}… (cut, {len(text)} characters)"
        return text if text.isascii() else text.encode("utf-8", "replace").decode()

    return clean


_NAMES: dict[type, tuple[str, ...] | None] = {}


def field_names(kind: type) -> tuple[str, ...] | None:
    """Return the names of a dataclass' fields in their order; None for any other class."""
    if kind not in _NAMES:
        known = dataclasses.is_dataclass(kind)
        _NAMES[kind] = tuple(field.name for field in dataclasses.fields(kind)) if known else None
    return _NAMES[kind]


def plain(value: object, text: Redact = as_is) -> object:
    """Turn a value into what JSON can say; every text but names of fields and enums goes through `text`.

    Raises TypeError for what is none of our values. NaN and the infinities become text, as JSON lacks them.
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, str):
        return text(value)
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    names = field_names(type(value))
    if names is not None:
        return {name: plain(getattr(value, name), text) for name in names}
    if isinstance(value, Mapping):
        return {str(plain(key, text)): plain(item, text) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [plain(item, text) for item in value]
    if isinstance(value, set | frozenset):
        return sorted((plain(item, text) for item in value), key=str)
    raise TypeError(UNKNOWN.format(type(value).__name__))


def to_json(value: object, text: Redact = as_is) -> str:
    """Write a value as compact JSON; see `plain`."""
    return dumps(plain(value, text))


def dumps(document: object) -> str:
    """Write what `plain` returned as compact JSON."""
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
