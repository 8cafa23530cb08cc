"""Secrets: values that never print themselves, and the mask for every text that might hold one."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote, quote_plus, unquote

from pydantic import BaseModel, GetCoreSchemaHandler, PlainSerializer, SecretStr
from pydantic_core import CoreSchema, core_schema

MASK = "***"

# In a single URL up to the last @: a password with an unescaped / or @ in it is masked whole rather than half.
_USERINFO = re.compile(r"(?P<before>\b[A-Za-z][A-Za-z0-9+.-]*://[^:@/?#\s]*):(?P<password>.*)@", re.DOTALL)
# In running text only what a well-formed URL may hold, so that nothing beyond the URL is taken for a password.
_USERINFO_IN_TEXT = re.compile(
    r"(?P<before>\b[A-Za-z][A-Za-z0-9+.-]*://[^:@/?#\s\"']*):(?P<password>[^@/?#\s\"']*)@"
)
_PARAMETER = re.compile(r"(?P<before>[?&](?:ssl)?password=)(?P<password>[^&#\s\"']*)", re.IGNORECASE)

# A shorter secret, or one that is a plain word, is masked only where it stands alone: the password
# `postgres` must not turn every `postgresql` into `***ql`.
_SHORT = 8


def mask_url(text: str) -> str:
    """Mask the passwords of one URL, as `postgresql://prober:***@host/db`; works on broken ones too."""
    text = _USERINFO.sub(rf"\g<before>:{MASK}@", text)
    return _PARAMETER.sub(rf"\g<before>{MASK}", text)


def url_passwords(text: str) -> list[str]:
    """The passwords that `mask_url` masks, as written and percent-decoded."""
    found = [match["password"] for pattern in (_USERINFO, _PARAMETER) for match in pattern.finditer(text)]
    return [form for password in found if password for form in dict.fromkeys((password, unquote(password)))]


class SecretUrl:
    """A URL that may hold a password. It prints itself with the password masked."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def get_secret_value(self) -> str:
        """The URL as it is, password included."""
        return self._value

    def __str__(self) -> str:
        return mask_url(self._value)

    def __repr__(self) -> str:
        return f"SecretUrl({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SecretUrl) and self._value == other._value

    def __hash__(self) -> int:
        return hash(self._value)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Let pydantic make one from text."""
        return core_schema.no_info_after_validator_function(
            cls,
            core_schema.str_schema(strict=True),
            serialization=core_schema.plain_serializer_function_ser_schema(str),
        )


Secret = Annotated[SecretStr, PlainSerializer(lambda _: MASK, return_type=str)]
"""Text that prints as `***`; `get_secret_value()` gives it away."""


class Redactor:
    """Masks every occurrence of known secrets in a text: logs, error sentences, results, the journal."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self._patterns: frozenset[str] = frozenset()
        self._known: re.Pattern[str] | None = None
        self.learn(secrets)

    def learn(self, secrets: Iterable[str]) -> None:
        """Mask these too from now on, also in other threads; those of a config that was replaced stay masked."""
        self._patterns |= {pattern for secret in secrets if secret for pattern in _patterns(secret)}
        # The longest first: a secret may contain another one.
        alternatives = "|".join(sorted(self._patterns, key=lambda pattern: (-len(pattern), pattern)))
        self._known = re.compile(alternatives) if alternatives else None

    def __call__(self, text: str) -> str:
        """The text with `***` in place of each secret, whether plain, URL-encoded or escaped."""
        text = _USERINFO_IN_TEXT.sub(rf"\g<before>:{MASK}@", text)
        text = _PARAMETER.sub(rf"\g<before>{MASK}", text)
        known = self._known
        return known.sub(MASK, text) if known else text

    def __repr__(self) -> str:
        return "Redactor(…)"


def _patterns(secret: str) -> Iterator[str]:
    escaped = json.dumps(secret)[1:-1]
    encoded = {quote(secret, safe=""), quote(secret), quote_plus(secret)}
    # Some libraries write %2f where others write %2F.
    lower = {re.sub(r"%[0-9A-F]{2}", lambda code: code[0].lower(), form) for form in encoded}
    forms = {secret, escaped, json.dumps(secret, ensure_ascii=False)[1:-1], repr(secret)[1:-1]}
    for form in forms | encoded | lower:
        pattern = re.escape(form)
        if len(secret) < _SHORT or secret.isalpha():
            pattern = rf"(?<![A-Za-z0-9]){pattern}(?![A-Za-z0-9])"
        yield pattern


def secrets_of(model: BaseModel) -> list[str]:
    """Collect every secret that a model holds, at any depth; for a `Redactor`."""
    found: list[str] = []
    for name in type(model).model_fields:
        value = getattr(model, name)
        if isinstance(value, SecretStr):
            found.append(value.get_secret_value())
        elif isinstance(value, SecretUrl):
            found.extend(url_passwords(value.get_secret_value()))
        elif isinstance(value, BaseModel):
            found.extend(secrets_of(value))
    return found


def read_secret(file: Path, called: str) -> str:
    """Read a secret from a file, its trailing newline stripped.

    Raises ValueError, with a sentence that names the file as `called` and never quotes its text, when it is
    missing, unreadable, empty, not UTF-8, too long or of several lines.
    """
    try:
        with file.open("rb") as stream:
            raw = stream.read(_LONGEST_FILE + 1)
    except OSError as error:
        raise ValueError(f"cannot read the secret file {called}: {error.strerror}") from None
    if len(raw) > _LONGEST_FILE:
        raise ValueError(f"the secret file {called} is longer than {_LONGEST_FILE} bytes: not a secret")
    try:
        secret = raw.decode().rstrip("\r\n")
    except UnicodeDecodeError:
        raise ValueError(f"the secret file {called} is not UTF-8 text") from None
    if not secret.strip():
        raise ValueError(f"the secret file {called} is empty")
    if "\n" in secret or "\r" in secret or "\0" in secret:
        raise ValueError(f"the secret file {called} has more than one line; expected the secret alone")
    return secret


_LONGEST_FILE = 16 * 1024


def readable_by_others(file: Path) -> bool:
    """Whether any user of this machine may read the file."""
    return bool(file.stat().st_mode & 0o004)
