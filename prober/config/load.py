"""From a file to a config: read, parse, fill in secrets, validate; or every problem at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from prober.config.combinations import impossible
from prober.config.document import Document, Mark, Place
from prober.config.document import Path as KeyPath
from prober.config.faults import did_you_mean, problems_of, real_path
from prober.config.fields import FilePath
from prober.config.model import DEFAULT_DATA_DIR, Config, Pause
from prober.config.problem import ConfigError, Problem
from prober.config.schema import secret_values
from prober.config.secret_files import fill_secrets
from prober.config.secrets import Redactor
from prober.config.strict_yaml import Parsed, parse, plain_value
from prober.contract import contract_path, shipped_names

M = TypeVar("M", bound=BaseModel)

LISTEN_VARIABLE = "PROBER_LISTEN"
_LARGEST_FILE = 1 << 20
_OVERRIDES: KeyPath = ("target", "contract_overrides")


def load_config(path: Path, env: Mapping[str, str]) -> Config:
    """Load and check the config at `path`; `env` replaces `${NAME}` and may hold PROBER_LISTEN.

    Raises ConfigError with every problem that could be found.
    """
    parsed = parse(read_text(path), str(path), env)
    if env.get(LISTEN_VARIABLE):
        parsed = replace(parsed, document=parsed.document.overlaid(_listen(env[LISTEN_VARIABLE])))
    config = _validated(parsed, Config, path.absolute().parent)
    document = parsed.document
    problems = [_at(document, fault.path, fault.sentence) for fault in impossible(config)]
    problems += _unreadable_files(config, document)
    problems += _unknown_contract(config, document, path.absolute().parent)
    if problems:
        raise ConfigError(problems)
    return config


class _Home(BaseModel):
    """The part of a config that says where a prober keeps its files, the rest of it unread."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)
    data_dir: FilePath = Field(default=DEFAULT_DATA_DIR, validate_default=True)
    pause: Pause | None = None


def load_home(path: Path, env: Mapping[str, str]) -> _Home:
    """Where the prober of the config at `path` keeps its files, and whether that config pauses it.

    The rest of the config may be wrong and its secrets out of reach: to stop a prober must never need them.
    Raises ConfigError for what is wrong with these keys, or where there is no mapping at all.
    """
    parsed = parse(read_text(path), str(path), env)
    needed = [p for p in parsed.problems if p.path[:1] in ((), ("data_dir",), ("pause",))]
    if needed:
        raise ConfigError(needed)
    return _validated(replace(parsed, problems=()), _Home, path.absolute().parent)


def load_strict(
    path: Path, model: type[M], *, env: Mapping[str, str] | None = None, overlay: Document | None = None
) -> M:
    """Load any YAML file into `model`, with the same errors as the config.

    `overlay` replaces single values, as `target.contract_overrides` does. Without `env`, a `$` is a `$`.
    Raises ConfigError.
    """
    return parse_strict(
        read_text(path), model, source=str(path), env=env, overlay=overlay, base=path.absolute().parent
    )


def parse_strict(
    text: str,
    model: type[M],
    *,
    source: str,
    env: Mapping[str, str] | None = None,
    overlay: Document | None = None,
    base: Path = Path(),
) -> M:
    """Like `load_strict`, for a text that is called `source` in errors; `base` is where relative paths begin."""
    parsed = parse(text, source, env)
    if overlay is not None:
        parsed = replace(parsed, document=parsed.document.overlaid(overlay))
    return _validated(parsed, model, base)


def read_text(path: Path) -> str:
    """The text of a config file; ConfigError when there is none that could be one."""

    def refuse(message: str, line: int | None = None, column: int | None = None) -> ConfigError:
        return ConfigError([Problem(Mark(str(path), line, column), (), message)])

    try:
        with path.open("rb") as stream:
            raw = stream.read(_LARGEST_FILE + 1)
    except FileNotFoundError:
        raise refuse("no such file; expected a config, name it with --config FILE") from None
    except IsADirectoryError:
        raise refuse("found a directory, expected a file") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise refuse(f"cannot be read: {reason}") from None
    if len(raw) > _LARGEST_FILE:
        raise refuse(f"found more than {_LARGEST_FILE} bytes, expected a config of a few kilobytes")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = raw[: error.start]
        line, column = before.count(b"\n") + 1, error.start - before.rfind(b"\n")
        message = f"found the byte 0x{raw[error.start]:02x}, expected UTF-8 text; save the file as UTF-8"
        raise refuse(message, line, column) from None


def _listen(address: str) -> Document:
    mark = Mark(f"environment variable {LISTEN_VARIABLE}")
    return Document(mark.source, {"listen": address}, {("listen",): Place(mark, mark, written=address)})


def _validated(parsed: Parsed, model: type[M], base: Path) -> M:
    """The model, or ConfigError with the problems of parsing, of secret files and of validation together."""
    if parsed.problems and not parsed.document.value:
        raise ConfigError(parsed.problems)
    parsed = fill_secrets(parsed, model, base)
    document = parsed.document
    context = {"base": base, "document": document, "overlay": _OVERRIDES}
    try:
        try:
            result = model.model_validate(document.value, context=context)
        except ValidationError as error:
            retyped = _retyped(error, document)
            if retyped is document:
                raise
            result = model.model_validate(retyped.value, context=context)
        problems: list[Problem] = []
    except ValidationError as error:
        problems = problems_of(error, document, model, parsed.broken)
    problems = [*parsed.problems, *problems]
    if problems:
        redact = Redactor(secret_values(model, document.value))
        raise ConfigError(replace(problem, message=redact(problem.message)) for problem in problems)
    return result


_TYPED = frozenset({"int_type", "float_type", "bool_type"})


def _retyped(error: ValidationError, document: Document) -> Document:
    """The document with `${NAME}` read as number or boolean where the model wants one.

    Only the model knows whether `${X}` with X=10 is a number or a password of digits.
    """
    for details in error.errors(include_url=False):
        path = real_path(details, document)
        place = document.places.get(path)
        if details["type"] in _TYPED and place and place.substituted and place.plain:
            document = document.with_value(path, plain_value(str(details["input"])))
    return document


def _at(document: Document, path: KeyPath, message: str) -> Problem:
    """A problem at the value of `path`, or at the key of the mapping that lacks it."""
    place = document.place(path)
    return Problem(place.value if path in document.places else place.key, path, message)


def _unknown_contract(config: Config, document: Document, base: Path) -> Iterator[Problem]:
    if contract_path(config.target.contract, base).is_file():
        return
    path = ("target", "contract")
    shipped = shipped_names()
    hint = did_you_mean(config.target.contract, shipped)
    yield _at(
        document,
        path,
        f'found "{document.place(path).written}", expected {" or ".join(shipped)}, or the path of a file from '
        f"the config's folder on{hint}",
    )


def _unreadable_files(config: Config, document: Document) -> Iterator[Problem]:
    files: list[tuple[KeyPath, Path | None]] = [(("web_config",), config.web_config)]
    tls: list[tuple[KeyPath, Any]] = [
        (("target", "tls"), config.target.tls),
        (("probes", "redis", "tls"), config.probes.redis.tls),
    ]
    files += [((*path, "ca_file"), settings.ca_file) for path, settings in tls if settings]
    for path, file in files:
        if file is None:
            continue
        try:
            with file.open("rb") as stream:
                stream.read(1)
        except OSError as error:
            # As written: what a variable held may have been meant for another key, and be a secret.
            written = document.place(path).written
            message = (
                f'cannot read "{written}": {error.strerror}; a relative path counts from the config\'s folder'
            )
            yield _at(document, path, message)
