"""Fills in the secrets that a config keeps in files: `auth_token_file: …` becomes the value of `auth_token`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from prober.config.document import Path as KeyPath
from prober.config.problem import Problem
from prober.config.schema import Model, fields, model_at
from prober.config.secrets import read_secret
from prober.config.strict_yaml import Parsed

SUFFIX = "_file"


def fill_secrets(parsed: Parsed, model: Model, base: Path) -> Parsed:
    """Read the file of every `X_file` whose model has an `X` too. What cannot be read is a problem."""
    document, problems, broken = parsed.document, list(parsed.problems), set(parsed.broken)
    places = dict(document.places)
    for parent, key in _file_keys(model, document.value, ()):
        secret_key = key.removesuffix(SUFFIX)
        at_file, at_secret = (*parent, key), (*parent, secret_key)
        siblings = document.at(parent).value
        if at_file in broken:
            broken.add(at_secret)
            continue
        place = document.place(at_file)
        if siblings.get(secret_key) is not None:
            message = f"given twice, as {secret_key} and as {key}; keep one of them"
            problems.append(Problem(place.key, at_file, message))
            continue
        try:
            secret = read_secret(base / siblings[key], f'"{place.written}"')
        except ValueError as error:
            problems.append(Problem(place.value, at_file, str(error)))
            broken.add(at_secret)
            continue
        document = document.with_value(at_secret, secret)
        places[at_secret] = replace(place, written=None)
    return Parsed(replace(document, places=places), tuple(problems), frozenset(broken))


def _file_keys(model: Model, value: object, path: KeyPath) -> Iterator[tuple[KeyPath, str]]:
    """The `X_file` keys of `value` that hold text, with the path of the mapping they stand in."""
    if not isinstance(value, Mapping):
        return
    known = fields(model)
    for name in known:
        inner = model_at(model, (name,))
        if inner:
            yield from _file_keys(inner, value.get(name), (*path, name))
        elif name.endswith(SUFFIX) and name.removesuffix(SUFFIX) in known and isinstance(value.get(name), str):
            yield path, name
