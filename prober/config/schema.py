"""What a model allows at a path: its keys, and whether the value there is a secret."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import Enum
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from prober.config.document import Path, dotted
from prober.config.secrets import SecretUrl, url_passwords

Model = type[BaseModel]


def fields(model: Model) -> dict[str, FieldInfo]:
    """The fields of a model by the key that a file uses for them (the alias where there is one)."""
    return {info.alias or name: info for name, info in model.model_fields.items()}


def annotation_at(model: Model, path: Path) -> Any:
    """The type of the value at `path`, without `Annotated` and `None`; None when the model has no such path."""
    kind: Any = model
    for part in path:
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            info = fields(kind).get(str(part))
            kind = _bare(info.annotation) if info else None
        elif get_origin(kind) in (tuple, list):
            kind = _bare(get_args(kind)[0])
        elif isinstance(get_origin(kind), type) and issubclass(get_origin(kind), Mapping):
            kind = _bare(get_args(kind)[1])
        else:
            return None
    return kind


def model_at(model: Model, path: Path) -> Model | None:
    """The model of the mapping at `path`; None when it is no mapping with known keys."""
    kind = annotation_at(model, path)
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


def is_secret(model: Model, path: Path) -> bool:
    """Whether the value at `path` must not be shown at all; a URL that may hold a password is not meant."""
    return annotation_at(model, path) is SecretStr


def choices(annotation: Any) -> list[object]:
    """The values of an enum or a Literal; empty for any other type."""
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return [member.value for member in annotation]
    return list(get_args(annotation)) if get_origin(annotation) is Literal else []


def keys(model: Model, path: Path = ()) -> Iterator[Path]:
    """Every path of the model that is not itself a mapping with known keys."""
    for name, info in fields(model).items():
        inner = _bare(info.annotation)
        if get_origin(inner) in (tuple, list):
            inner = _bare(get_args(inner)[0])  # a list of mappings has the keys of one
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from keys(inner, (*path, name))
        else:
            yield (*path, name)


def homes(model: Model, key: str) -> list[str]:
    """The dotted paths at which the model does have `key`."""
    return [dotted(path) for path in keys(model) if path[-1] == key]


def secret_values(model: Model, value: object) -> Iterator[str]:
    """Every text in an unvalidated `value` that stands where `model` has a secret, and the passwords of URLs."""
    if not isinstance(value, Mapping):
        return
    for name, info in fields(model).items():
        kind, item = _bare(info.annotation), value.get(name)
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from secret_values(kind, item)
        elif kind is SecretStr and item is not None:
            yield str(item)
        elif kind is SecretUrl and isinstance(item, str):
            # Without a scheme it may be the keywords of libpq, password and all.
            yield from url_passwords(item) if "://" in item else [item]


def _bare(annotation: Any) -> Any:
    """An annotation without `Annotated` and without `| None`."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _bare(get_args(annotation)[0])
    if origin in (Union, UnionType):
        kinds = [kind for kind in get_args(annotation) if kind is not NoneType]
        return _bare(kinds[0]) if len(kinds) == 1 else None
    return annotation
