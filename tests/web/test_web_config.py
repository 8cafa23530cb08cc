"""Reading `web_config` files: good ones become settings, bad ones an error that says where and what."""

from __future__ import annotations

from pathlib import Path

import pytest

from prober.config import ConfigError
from prober.web.settings import ClientAuth, TlsVersion, WebSettings
from prober.web.tls import ServerTls, TlsUnusableError
from prober.web.web_config import read_web_config
from tests.certificates import write_certificate

HASH = "$2b$04$S59BxCD4CCXZ1rJtj.SANO5GPj8THyzyEeqD.AOLUNX345gipo4SS"


def read(directory: Path, text: str) -> WebSettings:
    file = directory / "web.yml"
    file.write_text(text)
    return read_web_config(file)


def test_everything_that_the_form_and_we_know(tmp_path: Path) -> None:
    cert_file, key_file = write_certificate(tmp_path, "server")
    settings = read(
        tmp_path,
        f"""
tls_server_config:
  cert_file: server.pem  # relative to this file
  key_file: {key_file}
  client_ca_file: server.pem
  client_auth_type: RequireAndVerifyClientCert
  min_version: TLS13
http_server_config:
  http2: false
  headers:
    Strict-Transport-Security: max-age=31536000
basic_auth_users:
  prometheus: {HASH}
""",
    )
    assert settings.tls is not None
    assert (settings.tls.cert_file, settings.tls.key_file) == (cert_file, key_file)
    assert settings.tls.client_ca_file == cert_file
    assert settings.tls.client_auth is ClientAuth.REQUIRED
    assert settings.tls.min_version is TlsVersion.TLS13
    assert settings.users == {"prometheus": HASH}
    assert settings.headers == {"Strict-Transport-Security": "max-age=31536000"}
    assert HASH not in repr(settings)


def test_users_alone_are_enough(tmp_path: Path) -> None:
    settings = read(tmp_path, f"basic_auth_users:\n  a: {HASH}\n  b: '{HASH}'\n")
    assert settings.tls is None
    assert settings.users == {"a": HASH, "b": HASH}


TLS = "tls_server_config:\n  cert_file: server.pem\n  key_file: server.key\n"


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", "the file is empty"),
        ("basic_auth_user:\n  a: b\n", 'unknown key; did you mean "basic_auth_users"?'),
        ("basic_auth_users:\n  a: plaintext\n", "expected a bcrypt hash"),
        (f"basic_auth_users:\n  a: {HASH}x\n", "expected a bcrypt hash"),
        (f"basic_auth_users:\n  a: {HASH}\n  a: {HASH}\n", "found twice; it stands in line 2 already"),
        (f"basic_auth_users:\n  'a:b': {HASH}\n", "without a colon"),
        ("basic_auth_users:\n  - a\n", "expected a mapping"),
        ("tls_server_config:\n  cert_file: server.pem\n", "tls_server_config.key_file: missing"),
        (f"{TLS}  client_auth_type: RequestClientCert\n", "expected one of NoClientCert"),
        (f"{TLS}  client_auth_type: RequireAndVerifyClientCert\n", "needs client_ca_file"),
        (f"{TLS}  client_ca_file: server.pem\n", "has no effect without client_auth_type"),
        (f"{TLS}  min_version: TLS10\n", "expected one of TLS12, TLS13"),
        (f"{TLS}  min_version: TLS13\n  max_version: TLS12\n", "is above max_version"),
        (f"{TLS}  cipher_suites: [A]\n", "unknown key"),
        ("http_server_config:\n  headers:\n    X-Own: a\n", "expected one of Strict-Transport-Security"),
        ('http_server_config:\n  headers:\n    X-Frame-Options: "a\\r\\nb: c"\n', "on one line"),
        ("http_server_config:\n  http2: maybe\n", "expected true or false"),
        (TLS.replace("server.pem", "absent.pem"), "absent.pem and its key"),
        (TLS.replace("server.key", "locked.key"), "without a passphrase"),
        (TLS.replace("server.key", "other.key"), "mismatch"),
        (f"{TLS}  client_ca_file: web.yml\n  client_auth_type: VerifyClientCertIfGiven\n", "authorities"),
    ],
)
def test_a_bad_file_says_what_is_wrong(tmp_path: Path, text: str, error: str) -> None:
    write_certificate(tmp_path, "server")
    write_certificate(tmp_path, "other")
    write_certificate(tmp_path, "locked", passphrase=b"x")
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, text)
    assert error in str(caught.value)
    assert str(tmp_path / "web.yml") in str(caught.value)
    assert "plaintext" not in str(caught.value)
    assert HASH not in str(caught.value)


def test_a_renewed_certificate_is_taken_up_and_a_bad_one_is_not(tmp_path: Path) -> None:
    cert_file, _ = write_certificate(tmp_path, "server")
    settings = read(tmp_path, TLS).tls
    assert settings is not None
    tls = ServerTls(settings)
    assert not tls.renew()
    write_certificate(tmp_path, "server")
    assert tls.renew()
    assert not tls.renew()
    cert_file.write_text("half written")
    with pytest.raises(TlsUnusableError, match="expected a certificate in"):
        tls.renew()
    assert not tls.renew()  # said once, not at every look
    write_certificate(tmp_path, "server")
    assert tls.renew()
