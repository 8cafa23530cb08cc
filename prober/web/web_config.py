"""Reading a `web_config` file, of the same form as Prometheus exporters use, into plain settings.

It runs in the prober process and in `prober config check`, where pydantic is loaded anyway and errors name
file, line and key; the web process gets the values. What the form knows and this server cannot do is an
error: a setting of security must not be passed over in silence.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, SecretStr, model_validator

from prober.config.document import Mark
from prober.config.fields import FilePath, Lenient, SecretField, fault
from prober.config.load import load_strict
from prober.config.model import Section
from prober.config.problem import ConfigError, Problem
from prober.web.settings import ClientAuth, TlsSettings, TlsVersion, WebSettings
from prober.web.tls import ServerTls, TlsUnusableError

_BCRYPT = re.compile(r"\$2[aby]\$(?:0[4-9]|1[0-7])\$[./A-Za-z0-9]{53}", re.ASCII)


def _bcrypt_hash(secret: SecretStr) -> SecretStr:
    if not _BCRYPT.fullmatch(secret.get_secret_value()):
        raise fault(
            "expected a bcrypt hash of cost 4 to 17 ($2b$12$ and 53 characters), such as `htpasswd -nBC 12 NAME` "
            "prints after the colon"
        )
    return secret


def _user_name(name: str) -> str:
    if not name or ":" in name:
        raise fault("expected a user name of at least one character and without a colon")
    return name


def _header_value(value: str) -> str:
    if not value.isascii() or not value.isprintable():
        raise fault("expected printable ASCII text on one line")
    return value


_Header = Literal[
    "Strict-Transport-Security",
    "X-Content-Type-Options",
    "X-Frame-Options",
    "X-XSS-Protection",
    "Content-Security-Policy",
]


class TlsServerConfig(Section):
    """The key `tls_server_config`."""

    cert_file: FilePath
    key_file: FilePath
    client_ca_file: FilePath | None = None
    client_auth_type: Annotated[ClientAuth, Lenient] = ClientAuth.NONE
    min_version: Annotated[TlsVersion, Lenient] = TlsVersion.TLS12
    max_version: Annotated[TlsVersion, Lenient] = TlsVersion.TLS13

    @model_validator(mode="after")
    def _agree(self) -> TlsServerConfig:
        checked = self.client_auth_type is not ClientAuth.NONE
        if checked and self.client_ca_file is None:
            raise fault(f"client_auth_type {self.client_auth_type} needs client_ca_file, to verify against")
        if self.client_ca_file is not None and not checked:
            raise fault(
                "client_ca_file has no effect without client_auth_type; write RequireAndVerifyClientCert or "
                "VerifyClientCertIfGiven, or leave it out"
            )
        if self.min_version > self.max_version:
            raise fault(f"min_version {self.min_version} is above max_version {self.max_version}")
        return self


class HttpServerConfig(Section):
    """The key `http_server_config`. `http2` may stand there, but HTTP/1.1 is what is spoken."""

    http2: bool = True
    headers: Mapping[_Header, Annotated[str, AfterValidator(_header_value)]] = {}


class WebConfig(Section):
    """The whole file."""

    tls_server_config: TlsServerConfig | None = None
    http_server_config: HttpServerConfig = HttpServerConfig()
    basic_auth_users: Mapping[
        Annotated[str, AfterValidator(_user_name)], Annotated[SecretField, AfterValidator(_bcrypt_hash)]
    ] = {}


def read_web_config(path: Path) -> WebSettings:
    """Read and check the file, and that its certificate can be used. Raises ConfigError."""
    config = load_strict(path, WebConfig)
    tls = config.tls_server_config
    settings = WebSettings(
        tls=None
        if tls is None
        else TlsSettings(
            cert_file=tls.cert_file,
            key_file=tls.key_file,
            client_ca_file=tls.client_ca_file,
            client_auth=tls.client_auth_type,
            min_version=tls.min_version,
            max_version=tls.max_version,
        ),
        users={name: secret.get_secret_value() for name, secret in config.basic_auth_users.items()},
        headers={str(name): value for name, value in config.http_server_config.headers.items()},
    )
    if settings.tls is not None:
        try:
            ServerTls(settings.tls)
        except TlsUnusableError as error:
            raise ConfigError([Problem(Mark(str(path)), ("tls_server_config",), str(error))]) from error
    return settings
