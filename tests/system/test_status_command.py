"""`prober status` against a real web process: TLS, a password, and addresses where no prober is."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from contextlib import AsyncExitStack
from pathlib import Path

import bcrypt
import pytest

from prober.clock import now
from prober.event import ViolationsStand
from prober.outcome import Outcome, ProbeName, Violation
from prober.publish.link import Link
from prober.web.web_config import read_web_config
from tests.certificates import write_certificate
from tests.system.web_client import curl, eventually, get, web_process
from tests.web.event_samples import ran, started, webhook


async def status(*arguments: str, **environment: str) -> tuple[int, str, str]:
    """Run the command as a process of its own: exit code, stdout, stderr."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "prober", "status", *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        # A proxy of the environment must not be asked.
        env={**os.environ, "http_proxy": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9", **environment},
    )
    out, err = await process.communicate()
    assert process.returncode is not None
    assert b"Traceback" not in err, err.decode()
    return process.returncode, out.decode(), err.decode()


async def filled(link: Link, *arguments: str) -> None:
    """Give the web process something to tell, and wait until it knows."""
    at = now()
    link.send(started(at=at, probes={ProbeName.WEBHOOK: 1.0}))
    link.send(ran(webhook(started=at, outcome=Outcome.OK), fresh_until=at.mono + 600))
    link.send(ViolationsStand(at=at, open={Violation.SPLIT_ORDER: 1}, known={}))

    async def knows() -> bool:
        _, answer = await curl(*arguments, link.ready.url + "/api/v1/status")
        return answer.status == 200 and "split_order" in answer.text

    await eventually(knows)


async def test_over_tls_with_a_password(tmp_path: Path) -> None:
    certificate, _ = write_certificate(tmp_path, "server")
    hashed = bcrypt.hashpw(b"right", bcrypt.gensalt(6)).decode()
    file = tmp_path / "web.yml"
    file.write_text(
        "tls_server_config:\n  cert_file: server.pem\n  key_file: server.key\n"
        f"basic_auth_users:\n  on-call: {hashed}\n"
    )
    async with web_process(read_web_config(file)) as link:
        await filled(link, "--cacert", str(certificate), "--user", "on-call:right")
        url = ("--url", link.ready.url)
        authority = ("--ca-file", str(certificate))
        user = ("--user", "on-call")
        code, out, err = await status(*url, *authority, *user, PROBER_STATUS_PASSWORD="right")
        assert (code, err) == (1, "")
        assert "1 violation is open (split_order)" in out.splitlines()[0]
        for wrong in ((), user):
            code, out, err = await status(*url, *authority, *wrong, PROBER_STATUS_PASSWORD="guessed")
            assert (code, out) == (3, "")
            assert "give --user NAME, and the password in PROBER_STATUS_PASSWORD" in err
            assert "guessed" not in err
        code, _, err = await status(*url, *user, PROBER_STATUS_PASSWORD="right")
        assert code == 3
        assert "give its authority as --ca-file" in err
        code, _, err = await status(*url, "--ca-file", str(tmp_path / "nowhere.pem"))
        assert code == 3
        assert "nowhere.pem" in err


async def test_the_document_as_it_came() -> None:
    async with web_process() as link:
        await filled(link)
        code, out, _ = await status("--url", link.ready.url + "/", "--json")
        assert code == 1
        assert json.loads(out)["violations"]["open"] == {"split_order": 1}
        answer = await get(link, "/api/v1/status")
        assert answer.headers["content-type"] == "application/json; charset=utf-8"
        assert answer.headers["cache-control"] == "no-store"


async def test_a_prober_that_has_not_begun_is_none_yet() -> None:
    async with web_process() as link:
        assert (await get(link, "/api/v1/status")).status == 503
        code, _, err = await status("--url", link.ready.url)
        assert code == 3
        assert "answers 503: the prober process has not started yet" in err


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"+PONG\r\n", "does not speak HTTP"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "answers, but with no JSON"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n[42]", "not as a prober of this version"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", "not as a prober of this version"),
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "is that the address of a prober"),
        (b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/\r\nContent-Length: 0\r\n\r\n", "answers 302"),
        (b"HTTP/1.1 500 \x1b[2J\r\nContent-Length: 0\r\n\r\n", "answers 500"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n{", "answers, but with no JSON"),
    ],
)
async def test_whoever_else_listens_there_is_no_prober(answer: bytes, said: str) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()
        await writer.wait_closed()

    async with AsyncExitStack() as stack:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        await stack.enter_async_context(server)
        port = server.sockets[0].getsockname()[1]
        code, out, err = await status("--url", f"http://127.0.0.1:{port}")
        assert (code, out) == (3, "")
        assert said in err
        assert "\x1b" not in err


async def test_nobody_there_and_no_address(port: int) -> None:
    code, _, err = await status("--url", f"http://127.0.0.1:{port}")
    assert code == 3
    assert f"http://127.0.0.1:{port}/api/v1/status cannot be reached: Connection refused" in err
    for url in ("file:///etc/passwd", "http://name:secret@127.0.0.1", "127.0.0.1:9877", "http://[::1"):
        code, _, err = await status("--url", url)
        assert code == 3
        assert "expected --url as http://HOST:PORT" in err
        assert "secret" not in err
