"""The types of single config values that are no units: addresses, URLs, numbers to call, names, files."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, ValidationInfo
from pydantic_core import PydanticCustomError

from prober.config.secrets import MASK, Secret, SecretUrl

Lenient = Field(strict=False)
"""For enums and tuples: YAML has only text and lists, which strict pydantic would refuse for them."""


def fault(sentence: str) -> PydanticCustomError:
    """A validation error whose message is `sentence`; it must not quote the value, which may be a secret."""
    return PydanticCustomError("value", "{sentence}", {"sentence": sentence})


def _text(value: object, expected: str) -> str:
    if not isinstance(value, str):
        raise fault(expected)
    return value


@dataclass(frozen=True, slots=True)
class Address:
    """A host and a port to listen on or to connect to; port 0 lets the system choose."""

    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


_ADDRESS = re.compile(r"(?:\[(?P<six>[0-9a-fA-F:.%]+)\]|(?P<host>[A-Za-z0-9._-]+)):(?P<port>\d{1,5})", re.ASCII)


def parse_address(value: object) -> Address:
    """Read `127.0.0.1:9877`, `[::1]:9877` or `host:9877`."""
    expected = "expected HOST:PORT, such as 127.0.0.1:9877 or [::]:9877 (all addresses)"
    match = _ADDRESS.fullmatch(_text(value, expected))
    if not match:
        raise fault(expected)
    port = int(match["port"])
    if port > 65535:
        raise fault("expected a port from 0 to 65535")
    return Address(match["six"] or match["host"], port)


AddressField = Annotated[Address, BeforeValidator(parse_address), PlainSerializer(str, return_type=str)]
"""An `Address`, written as HOST:PORT."""


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, as far as that can be told without asking anybody."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise fault("expected a URL; its host or port cannot be read") from None
    return parts


def _base_url(url: str) -> str:
    parts = _split(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise fault("expected a URL that begins with http:// or https:// and names a host")
    if "@" in parts.netloc:
        raise fault("expected a URL without user and password")
    if parts.query or parts.fragment or "?" in url or "#" in url:
        raise fault("expected a URL without ? and #: the paths come from the contract")
    if any(not "!" <= char <= "~" for char in url):
        raise fault("expected a URL of printable ASCII without spaces")
    return url.rstrip("/")


BaseUrl = Annotated[str, AfterValidator(_base_url)]
"""`https://host[:port][/prefix]` without a trailing slash; the contract's paths are appended to it."""


def _server_url(url: SecretUrl, schemes: tuple[str, ...], example: str) -> SplitResult:
    text = url.get_secret_value()
    if f":{MASK}@" in text:
        raise fault(f"expected the real password, found the mask {MASK} of a printed config")
    try:
        parts = urlsplit(text)
    except ValueError:
        raise fault(f"expected a URL such as {example}; its host cannot be read") from None
    if parts.scheme not in schemes:
        raise fault(f"expected a URL such as {example} (schemes: {', '.join(schemes)})")
    if "@" in parts.path or "@" in parts.fragment or parts.netloc.count("@") > 1:
        raise fault("expected a URL in which @, /, ? and # of the password are percent-encoded (%40 %2F %3F %23)")
    return parts


def _port(parts: SplitResult) -> None:
    try:
        _ = parts.port
    except ValueError:
        raise fault("expected a port from 0 to 65535 after the host") from None


def _redis_url(url: SecretUrl) -> SecretUrl:
    example = "redis://host:6379/0"
    parts = _server_url(url, ("redis", "rediss", "unix"), example)
    if parts.query or parts.fragment:
        raise fault(f"expected a URL without ? and #, such as {example}; the other settings are keys of their own")
    if parts.scheme == "unix":
        if not parts.path.startswith("/"):
            raise fault("expected the absolute path of a socket, such as unix:///run/redis.sock")
        return url
    _port(parts)
    if not parts.hostname:
        raise fault(f"expected a URL that names a host, such as {example}")
    if not re.fullmatch(r"(/\d{0,5})?", parts.path, re.ASCII):
        raise fault(f"expected the number of a database after the host, such as {example}")
    return url


def _postgres_dsn(url: SecretUrl) -> SecretUrl:
    example = "postgresql://user@host:5432/database"
    parts = _server_url(url, ("postgresql", "postgres"), example)
    if "," not in parts.netloc:
        _port(parts)
    if not parts.hostname and "host=" not in parts.query:
        raise fault(f"expected a URL that names a host, such as {example}")
    if not parts.path.strip("/") and not re.search(r"(^|&)(dbname|database)=", parts.query):
        raise fault(f"expected a URL that names a database, such as {example}")
    return url


RedisUrl = Annotated[SecretUrl, AfterValidator(_redis_url)]
"""`redis://`, `rediss://` (TLS) or `unix://`, with or without user, password and database."""

PostgresDsn = Annotated[SecretUrl, AfterValidator(_postgres_dsn)]
"""`postgresql://user[:password]@host[:port]/database[?parameters]`."""


def _pattern(pattern: str, expected: str) -> AfterValidator:
    compiled = re.compile(pattern, re.ASCII)

    def check(value: str) -> str:
        if not compiled.fullmatch(value):
            raise fault(expected)
        return value

    return AfterValidator(check)


PhoneNumber = Annotated[
    str, _pattern(r"\+[1-9]\d{6,14}", "expected a number in E.164 form, such as +9779800000000")
]
AccountSid = Annotated[
    str, _pattern(r"AC[0-9a-fA-F]{32}", "expected a Twilio account SID: AC and 32 hexadecimal digits")
]
InstanceName = Annotated[str, _pattern(r"[a-z0-9-]{1,32}", "expected 1 to 32 characters out of a-z, 0-9 and -")]
Name = Annotated[str, _pattern(r".*\S.*", "expected a name, not an empty text")]


def _not_masked(secret: Secret) -> Secret:
    value = secret.get_secret_value()
    if value == MASK:
        raise fault(f"expected the real secret, found the mask {MASK} of a printed config")
    if not value.strip():
        raise fault("expected a secret, found an empty one")
    if any(ord(char) < 32 or ord(char) == 127 for char in value):
        raise fault("expected a secret of one line without control characters")
    return secret


SecretField = Annotated[Secret, AfterValidator(_not_masked)]
"""A secret written in the config, mostly as `${NAME}`; its key has a sister `…_file`."""


def _beside_config(value: object, info: ValidationInfo) -> Path:
    text = str(value) if isinstance(value, Path) else _text(value, "expected the path of a file")
    if not text.strip() or "\0" in text:
        raise fault("expected the path of a file, found an empty one")
    if text.startswith("~"):
        raise fault("expected a path without ~: the daemon runs as another user, write it out")
    path = Path(text)
    base = (info.context or {}).get("base")
    return path if base is None else Path(base) / path


FilePath = Annotated[Path, BeforeValidator(_beside_config), PlainSerializer(str, return_type=str)]
"""A path; a relative one counts from the folder of the config file (context `base`), not from the shell's."""
