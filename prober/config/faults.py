"""Turns what pydantic complains about into problems that name line, key, what was found and what is allowed."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from prober.config.document import Document, Path
from prober.config.problem import Problem
from prober.config.schema import Model, annotation_at, choices, fields, homes, is_secret, model_at
from prober.config.secrets import SecretUrl, mask_url
from prober.config.strict_yaml import plain_value

_LONGEST_QUOTE = 60
_HINT = re.compile(r"; (?:did you mean|write) .*")
_LENGTHS = frozenset({"too_short", "too_long"})


def problems_of(
    error: ValidationError, document: Document, model: Model, broken: frozenset[Path]
) -> list[Problem]:
    """Every complaint as a problem; those about `broken` paths are left out, they have been told already."""
    found: list[Problem] = []
    for details in error.errors(include_url=False):
        path = real_path(details, document)
        if details["type"] == "default_factory_not_called":
            continue  # what it would have been made of is a problem itself
        if any(path[: len(known)] == known for known in broken):
            continue
        found.append(_problem(details, path, document, model))
    return list(dict.fromkeys(found))


def real_path(details: ErrorDetails, document: Document) -> Path:
    """The part of pydantic's location that stands in the document: it also names branches of unions."""
    path: Path = ()
    value: Any = document.value
    for part in details["loc"]:
        if isinstance(value, Mapping) and part in value:
            value, path = value[part], (*path, part)
        elif isinstance(value, Sequence) and not isinstance(value, str) and isinstance(part, int):
            value, path = value[part] if part < len(value) else None, (*path, part)
    if details["type"] == "missing":
        path = (*path, details["loc"][-1])
    return path


def _problem(details: ErrorDetails, path: Path, document: Document, model: Model) -> Problem:
    kind = details["type"]
    place = document.place(path)
    if kind == "extra_forbidden":
        return Problem(place.key, path, _unknown_key(path, model))
    if kind == "missing":
        return Problem(place.key, path, _missing(path, model))
    expected = _expected(details, path, model)
    if place.substituted:
        # A hint repeats what the variable held, which may have been meant for another key, and be a secret.
        expected = _HINT.sub("", expected)
    written = place.written if path in document.places else None
    found = _found(details, path, written, model)
    return Problem(place.value, path, f"{found}, {expected}" if found else expected)


def _unknown_key(path: Path, model: Model) -> str:
    key, parent = str(path[-1]), model_at(model, path[:-1])
    allowed = list(fields(parent)) if parent else []
    elsewhere = homes(model, key)
    hint = did_you_mean(key, allowed)
    if not hint and len(elsewhere) == 1:
        hint = f'; did you mean "{elsewhere[0]}"?'
    return f"unknown key{hint or ';'} allowed: {', '.join(allowed)}"


def _missing(path: Path, model: Model) -> str:
    key, parent = str(path[-1]), model_at(model, path[:-1])
    if parent and f"{key}_file" in fields(parent):
        return f"missing; expected {key}: ${{NAME}} from the environment, or {key}_file"
    inner = model_at(model, path)
    if inner:
        required = [name for name, info in fields(inner).items() if info.is_required()]
        return f"missing; expected a mapping with at least {', '.join(required)}"
    words = [str(word) for word in choices(annotation_at(model, path))]
    if words:
        return f"missing; expected one of {', '.join(words)}"
    return "missing; this key has no default, give it a value"


def did_you_mean(found: str, allowed: Sequence[str]) -> str:
    """`; did you mean "interval"?`, or nothing when no allowed word is close."""
    lower = {word.lower(): word for word in allowed}
    close = difflib.get_close_matches(found.lower().replace("-", "_"), lower, n=1, cutoff=0.6)
    return f'; did you mean "{lower[close[0]]}"?' if close else ""


def _found(details: ErrorDetails, path: Path, written: str | None, model: Model) -> str:
    """What stands there, quoted as written; nothing at all where it may be a secret or is about a whole."""
    value = details["input"]
    if value is None:
        return "found nothing"
    if isinstance(value, BaseModel) or details["type"] == "value_error":
        return ""
    if isinstance(value, Mapping):
        return "" if model_at(model, path) and details["type"] == "value" else "found a mapping"
    if isinstance(value, list | tuple):
        return f"found {len(value)} in the list" if details["type"] in _LENGTHS else "found a list"
    if is_secret(model, path):
        return "" if isinstance(value, str) else "found a number or a boolean"
    written = mask_url(str(value) if written is None else written)
    if annotation_at(model, path) is SecretUrl and "://" not in written:
        return "found no URL"
    if len(written) > _LONGEST_QUOTE:
        written = f"{written[:_LONGEST_QUOTE]}…"
    quoted = '"' + written.replace("\n", "\\n") + '"'
    return f"found {quoted}" if isinstance(value, str) else f"found {_kind(value)} {written}"


def _kind(value: object) -> str:
    if isinstance(value, bool):
        return "the boolean"
    return "the number" if isinstance(value, int | float) else "a value"


def _quoted(details: ErrorDetails) -> str:
    """The words pydantic allows, out of `'a', 'b' or 'c'`."""
    return str(details.get("ctx", {}).get("expected", ""))


def _choice(details: ErrorDetails, _: str) -> str:
    words = re.findall(r"'([^']*)'", _quoted(details))
    value = details["input"]
    hint = did_you_mean(value, words) if isinstance(value, str) else ""
    return f"expected one of {', '.join(words)}{hint}"


def _bool(details: ErrorDetails, _: str) -> str:
    said = str(details["input"]).lower()
    if said in ("true", "false"):
        return "expected true or false, without quotes"
    hint = {"yes": "true", "on": "true", "no": "false", "off": "false"}.get(said)
    return "expected true or false" + (f"; write {hint}" if hint else "")


def _whole(details: ErrorDetails, _: str) -> str:
    quoted = isinstance(details["input"], str) and isinstance(plain_value(details["input"]), int)
    return "expected a whole number" + (", without quotes" if quoted else "")


def _mapping(_: ErrorDetails, allowed: str) -> str:
    return f"expected a mapping (keys: {allowed})" if allowed else "expected a mapping"


def _bound(words: str, name: str) -> Callable[[ErrorDetails, str], str]:
    return lambda details, _: f"expected {words} {details['ctx'][name]}"


def _said(details: ErrorDetails, _: str) -> str:
    return str(details["ctx"]["sentence"])


_EXPECTED: dict[str, Callable[[ErrorDetails, str], str]] = {
    "unit": _said,
    "value": _said,
    "value_error": lambda details, _: details["msg"].removeprefix("Value error, "),
    "string_type": lambda details, _: (
        "expected text; put it in quotes" if isinstance(details["input"], int | float) else "expected text"
    ),
    "bool_type": _bool,
    "int_type": _whole,
    "int_parsing": _whole,
    "int_from_float": _whole,
    "float_type": lambda *_: "expected a number",
    "literal_error": _choice,
    "enum": _choice,
    "model_type": _mapping,
    "model_attributes_type": _mapping,
    "dict_type": _mapping,
    "mapping_type": _mapping,
    "list_type": lambda *_: "expected a list",
    "tuple_type": lambda *_: "expected a list",
    "greater_than": _bound("more than", "gt"),
    "greater_than_equal": _bound("at least", "ge"),
    "less_than": _bound("less than", "lt"),
    "less_than_equal": _bound("at most", "le"),
    "too_short": _bound("at least", "min_length"),
    "too_long": _bound("at most", "max_length"),
}


def _expected(details: ErrorDetails, path: Path, model: Model) -> str:
    say = _EXPECTED.get(details["type"])
    if say is None:
        return details["msg"][:1].lower() + details["msg"][1:]
    inner = model_at(model, path)
    return say(details, ", ".join(fields(inner)) if inner else "")
