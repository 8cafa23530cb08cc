"""TLS, client certificates and basic authentication of a real web process, from a `web_config` file."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import bcrypt
import pytest

from prober.clock import now
from prober.web.settings import WebSettings
from prober.web.web_config import read_web_config
from tests.certificates import write_certificate
from tests.system.web_client import curl, get, offers, web_process
from tests.web.event_samples import started

TLS = "tls_server_config:\n  cert_file: server.pem\n  key_file: server.key\n"


def web_config(directory: Path, text: str) -> WebSettings:
    file = directory / "web.yml"
    file.write_text(text)
    return read_web_config(file)


@pytest.fixture
def certificates(tmp_path: Path) -> Path:
    write_certificate(tmp_path, "server")
    write_certificate(tmp_path, "client")
    write_certificate(tmp_path, "stranger")
    return tmp_path


async def test_https_with_a_certificate_that_a_client_can_check(certificates: Path) -> None:
    headers = "http_server_config:\n  headers:\n    Strict-Transport-Security: max-age=60\n"
    async with web_process(web_config(certificates, TLS + headers)) as link:
        link.send(started(at=now()))
        assert link.ready.url.startswith("https://127.0.0.1:")
        answer = await get(link, "/metrics", "--cacert", str(certificates / "server.pem"))
        assert answer.status == 200
        assert answer.headers["strict-transport-security"] == "max-age=60"
        code, _ = await curl(link.ready.url, "--cacert", str(certificates / "stranger.pem"))
        assert code == 60  # curl: the certificate cannot be checked
        code, plain = await curl(f"http://127.0.0.1:{link.ready.port}/metrics")
        assert (code != 0, plain.body) == (True, b"")
        assert await asyncio.to_thread(offers, link.ready.port, ssl.TLSVersion.TLSv1_2)


async def test_an_old_version_of_tls_is_not_spoken(certificates: Path) -> None:
    async with web_process(web_config(certificates, f"{TLS}  min_version: TLS13\n")) as link:
        assert await asyncio.to_thread(offers, link.ready.port, ssl.TLSVersion.TLSv1_3)
        assert not await asyncio.to_thread(offers, link.ready.port, ssl.TLSVersion.TLSv1_2)


async def test_only_clients_with_the_right_certificate_come_in(certificates: Path) -> None:
    text = f"{TLS}  client_ca_file: client.pem\n  client_auth_type: RequireAndVerifyClientCert\n"

    def shown(name: str) -> tuple[str, ...]:
        return ("--cert", str(certificates / f"{name}.pem"), "--key", str(certificates / f"{name}.key"))

    async with web_process(web_config(certificates, text)) as link:
        trusting = ("--cacert", str(certificates / "server.pem"), link.ready.url + "/-/ready")
        code, answer = await curl(*shown("client"), *trusting)
        assert (code, answer.status) == (0, 503)
        for stranger in ((), shown("stranger")):
            code, answer = await curl(*stranger, *trusting)
            assert (code != 0, answer.status) == (True, 0)


async def test_every_page_asks_for_the_password(tmp_path: Path) -> None:
    hashed = bcrypt.hashpw(b"right", bcrypt.gensalt(6)).decode()
    async with web_process(web_config(tmp_path, f"basic_auth_users:\n  prometheus: {hashed}\n")) as link:
        link.send(started(at=now()))
        for path in ("/", "/metrics", "/-/healthy", "/-/ready", "/nowhere"):
            refused = await get(link, path)
            assert refused.status == 401
            assert refused.headers["www-authenticate"] == 'Basic realm="prober", charset="UTF-8"'
            assert "expected the user name and password" in refused.error["error"]
        assert (await get(link, "/metrics", "--user", "prometheus:right")).status == 200
        assert (await get(link, "/metrics", "--user", "prometheus:wrong")).status == 401
        assert (await get(link, "/metrics", "--user", "nobody:right")).status == 401


async def test_guessing_passwords_does_not_stall_who_is_known(tmp_path: Path) -> None:
    """bcrypt takes its time by design; it must not be the scraper's."""
    hashed = bcrypt.hashpw(b"right", bcrypt.gensalt(12)).decode()
    async with web_process(web_config(tmp_path, f"basic_auth_users:\n  prometheus: {hashed}\n")) as link:
        known = ("--user", "prometheus:right")
        assert (await get(link, "/-/ready", *known)).status == 503
        guesses = [asyncio.create_task(get(link, "/-/ready", "--user", f"prometheus:{n}")) for n in range(8)]
        await asyncio.wait(guesses, return_when=asyncio.FIRST_COMPLETED)
        assert (await get(link, "/-/ready", *known)).status == 503
        # One check after the other, these take seconds; who is known was answered in between.
        assert not all(guess.done() for guess in guesses)
        assert {answer.status for answer in await asyncio.gather(*guesses)} == {401}
