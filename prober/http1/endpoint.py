"""Where requests go: scheme, host, port and path prefix, read from a URL and checked once."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

_DEFAULT_PORTS = {"http": 80, "https": 443}
_NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?\.?")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One server and the path that everything on it begins with.

    `host` is a name in ASCII (IDNA where needed) or an IP address without brackets; `path` is "" or begins
    with a slash and does not end with one. `server_name` is what TLS asks for and finds in the certificate,
    where that is not the host.
    """

    scheme: str
    host: str
    port: int
    path: str = ""
    server_name: str | None = None

    @classmethod
    def parse(cls, url: str) -> Endpoint:
        """Read `http://host[:port][/prefix]` or `https://…`; ValueError says what is wrong with it."""
        if any(ord(c) <= 0x20 or ord(c) == 0x7F for c in url):
            raise ValueError(f"{url!r}: a URL has no blanks or control characters")
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:  # bad brackets, or a port that is no number up to 65535
            raise ValueError(f"{url!r}: {error}") from None
        scheme = parts.scheme.lower()
        if scheme not in _DEFAULT_PORTS:
            raise ValueError(f"{url!r}: expected http:// or https://, found {parts.scheme or 'no scheme'!r}")
        if parts.username is not None or parts.password is not None:
            # The URL itself may be a secret here, so it is not repeated.
            raise ValueError("a user or password in a URL is not supported; send an Authorization header")
        if parts.query or parts.fragment or url.endswith(("?", "#")):
            raise ValueError(f"{url!r}: expected a base URL, found a query or a fragment")
        if port == 0:
            raise ValueError(f"{url!r}: port 0 cannot be connected to; expected 1 to 65535")
        if not parts.path.isascii():
            raise ValueError(f"{url!r}: the path has to be percent-encoded")
        host = _checked_host(parts.hostname or "", url)
        return cls(scheme, host, port or _DEFAULT_PORTS[scheme], parts.path.rstrip("/"))

    @property
    def tls(self) -> bool:
        """Whether the connection is encrypted."""
        return self.scheme == "https"

    @property
    def address(self) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
        """The host as an IP address; None when it is a name, which has to be resolved."""
        try:
            return ipaddress.ip_address(self.host)
        except ValueError:
            return None

    @property
    def authority(self) -> str:
        """The value of the Host header (RFC 9112, 3.2): the port only where it is not the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}{self.path}"


def _checked_host(host: str, url: str) -> str:
    """The host in ASCII; ValueError when it is neither a name nor an address."""
    if not host:
        raise ValueError(f"{url!r}: expected a host after the scheme, found none")
    if ":" in host:  # urlsplit took the brackets off, so this is meant as IPv6
        if "%" in host:
            raise ValueError(f"{url!r}: an IPv6 zone is not supported; use a global address or a name")
        return str(ipaddress.IPv6Address(host))
    try:
        name = host if host.isascii() else host.encode("idna").decode("ascii")
    except UnicodeError as error:
        raise ValueError(f"{url!r}: {host!r} is no host name ({error})") from None
    labels = name.removesuffix(".").split(".")
    if not _NAME.fullmatch(name) or not all(0 < len(label) < 64 for label in labels) or len(name) > 253:
        raise ValueError(f"{url!r}: {host!r} is neither a host name nor an IP address")
    return name
