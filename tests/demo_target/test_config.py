"""Settings: strict, from a file and from flags, the token also from the environment."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from prober.demo.target.__main__ import settings_from
from prober.demo.target.config import ConfigError, check, split_address
from prober.demo.target.faults import FaultName, Switch

GOOD: dict[str, Any] = {
    "database": {"dsn": "postgresql://x"},
    "redis": {"url": "redis://x"},
    "auth_token": "token",
    "data_dir": "/nowhere",
}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"databse": {}}, "databse: Extra inputs"),
        ({"auth_token": ""}, "auth_token"),
        ({"listen": "localhost"}, "HOST:PORT"),
        ({"listen": "h:99999"}, "HOST:PORT"),
        ({"workers": 0}, "workers"),
        ({"database": {"dsn": "x", "pool_size": 1}}, "each needs at least one session"),
        ({"faults": {"slwo": {}}}, "faults"),
        ({"faults": {"slow": {"delay": 1}}}, "its parameters: routes, delay_ms"),
        ({"switches": {"turbo": True}}, "switches"),
    ],
)
def test_what_is_wrong_is_named(change: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        check({**GOOD, **change})


def test_flags_go_before_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TWILIO_AUTH_TOKEN", "from the environment")
    file = tmp_path / "target.yaml"
    file.write_text("database: {dsn: one, pool_size: 4}\nredis: {url: 'redis://x'}\nlisten: 127.0.0.1:1\n")
    settings = settings_from(
        [
            *("--config", str(file), "--dsn", "two", "--data-dir", "/d", "--create-schema"),
            *("--fault", 'slow={"delay_ms": 5}', "--fault", "no_winner", "--switch-off", "durable_accept"),
        ]
    )
    assert (settings.database.dsn, settings.database.pool_size, settings.listen) == ("two", 4, "127.0.0.1:1")
    assert settings.auth_token == "from the environment"
    assert settings.faults == {FaultName.SLOW: {"delay_ms": 5}, FaultName.NO_WINNER: {}}
    assert settings.switches == {Switch.DURABLE_ACCEPT: False}
    assert settings.create_schema


def test_a_bad_flag_or_file_is_an_error_in_words(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no JSON"):
        settings_from(["--fault", "slow={"])
    with pytest.raises(ConfigError, match="cannot read"):
        settings_from(["--config", str(tmp_path / "none.yaml")])
    list_file = tmp_path / "list.yaml"
    list_file.write_text("- 1\n")
    with pytest.raises(ConfigError, match="mapping"):
        settings_from(["--config", str(list_file)])


def test_addresses() -> None:
    assert split_address("[::1]:80") == ("::1", 80)
    with pytest.raises(ValueError, match="no address"):
        split_address("80")
