"""Basic authentication: right and wrong credentials, headers that are none, and the price of bcrypt paid once."""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterator

import bcrypt
import pytest

from prober.web.basic_auth import BasicAuth

PASSWORD = "pässword: with colon"


def basic(text: str | bytes) -> str:
    raw = text.encode() if isinstance(text, str) else text
    return "Basic " + base64.b64encode(raw).decode()


@pytest.fixture
def auth() -> Iterator[BasicAuth]:
    hashed = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
    auth = BasicAuth({"prometheus": hashed, "grafana": hashed.replace("$2b$", "$2y$", 1)})
    yield auth
    auth.close()


@pytest.mark.parametrize("user", ["prometheus", "grafana"])
async def test_the_right_password_of_a_user(auth: BasicAuth, user: str) -> None:
    header = basic(f"{user}:{PASSWORD}")
    assert await auth.allows(header)
    assert await auth.allows(header.replace("Basic", "bAsIc"))


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Basic",
        "Basic ",
        "Basic ????",
        "Basic " + base64.b64encode(b"no colon").decode(),
        "Bearer " + base64.b64encode(f"prometheus:{PASSWORD}".encode()).decode(),
        basic("prometheus:"),
        basic("prometheus:wrong"),
        basic(f"nobody:{PASSWORD}"),
        basic(f":{PASSWORD}"),
        basic(b"prometheus:" + b"\xff\x00"),
        basic("prometheus:" + "x" * 100_000),
        basic(f"prometheus:{PASSWORD}" + "x" * 72),
        "Basic " + "é" * 10,
    ],
)
async def test_everything_else_is_refused(auth: BasicAuth, header: str | None) -> None:
    assert not await auth.allows(header)


async def test_bcrypt_is_asked_once_for_what_was_right(auth: BasicAuth, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    real = bcrypt.checkpw

    def counting(password: bytes, hashed: bytes) -> bool:
        asked.append(threading.current_thread().name)
        return real(password, hashed)

    monkeypatch.setattr(bcrypt, "checkpw", counting)
    for _ in range(3):
        assert await auth.allows(basic(f"prometheus:{PASSWORD}"))
    assert len(asked) == 1
    for _ in range(2):
        assert not await auth.allows(basic("prometheus:wrong"))
        assert not await auth.allows(basic("nobody:wrong"))  # as slow as a wrong password
    assert len(asked) == 5
    assert threading.main_thread().name not in asked
