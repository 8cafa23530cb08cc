"""How the web process serves, as plain values: made in the prober process, sent over the link."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path


class ClientAuth(StrEnum):
    """Whether clients show certificates of their own; names as in the `web_config` of Prometheus exporters."""

    NONE = "NoClientCert"
    IF_GIVEN = "VerifyClientCertIfGiven"
    REQUIRED = "RequireAndVerifyClientCert"


class TlsVersion(StrEnum):
    """The versions of TLS that are still safe to offer; names as in `web_config`."""

    TLS12 = "TLS12"
    TLS13 = "TLS13"


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsSettings:
    """Certificate and key (PEM), and what is asked of clients."""

    cert_file: Path
    key_file: Path
    client_ca_file: Path | None = None
    client_auth: ClientAuth = ClientAuth.NONE
    min_version: TlsVersion = TlsVersion.TLS12
    max_version: TlsVersion = TlsVersion.TLS13


@dataclass(frozen=True, slots=True, kw_only=True)
class WebSettings:
    """Everything about serving but the address. `users` maps names to bcrypt hashes; empty means no login."""

    tls: TlsSettings | None = None
    users: Mapping[str, str] = field(default_factory=dict, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict)
    reload: bool = False  # whether `POST /-/reload` is taken

    def reloading(self, allowed: bool) -> WebSettings:
        """The same, but for whether `POST /-/reload` is taken."""
        return replace(self, reload=allowed)
