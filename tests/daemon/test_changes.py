"""What a reload may change, what it must refuse, and how that is said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from prober.config.load import load_config
from prober.config.model import Config
from prober.config.schema import keys
from prober.contract import Contract
from prober.daemon.assembly import load_contract
from prober.daemon.changes import FIXED, Running, changes, elsewhere, leaves, refusals
from prober.outcome import ProbeName
from prober.web.settings import TlsSettings, WebSettings

SECRET = "hunter2-of-the-token"
DOCUMENT: dict[str, Any] = {
    "instance": "one",
    "target": {
        "environment": "staging",
        "url": "https://orders.example.com",
        "account_sid": "AC" + "0" * 32,
        "auth_token": SECRET,
    },
    "probes": {
        "redis": {"url": f"redis://prober:{SECRET}@redis.example.com:6379/0"},
        "database": {"dsn": f"postgresql://prober:{SECRET}@db.example.com/orders"},
    },
}
# Every section of the config that a reload takes up. One that is new belongs here, or into FIXED.
FOLLOWED = {
    *("web_config", "web", "shutdown_timeout", "log", "target", "probes", "outages", "violations", "journal"),
    "drills",  # commands read them, the daemon never does
    "suites",
}


def running(tmp_path: Path, web: WebSettings | None = None, **changed: Any) -> Running:
    """What runs by DOCUMENT with other values at dotted keys; None takes a key away."""
    document = yaml.safe_load(yaml.safe_dump(DOCUMENT))
    for dotted, value in changed.items():
        *path, last = dotted.split("__")
        holder = document
        for part in path:
            holder = holder.setdefault(part, {})
        holder[last] = value
    file = tmp_path / "config.yaml"
    file.write_text(yaml.safe_dump(document))
    config = load_config(file, {})
    return Running(config, load_contract(config, tmp_path), web or WebSettings())


def test_the_same_config_changes_nothing(tmp_path: Path) -> None:
    before, after = running(tmp_path), running(tmp_path)
    assert changes(before, after) == []
    assert refusals(before, after) == []
    assert elsewhere(before.config, after.config) == frozenset()


def test_what_changes_is_said_by_key_with_secrets_masked(tmp_path: Path) -> None:
    after = running(
        tmp_path,
        target__auth_token="another-secret",
        probes__redis__url="redis://prober:another-secret@redis.example.com:6379/0",
        probes__race__vendors=4,
        probes__webhook__interval="20s",
        probes__health__enabled=False,
    )
    said = [str(change) for change in changes(running(tmp_path), after)]
    assert said == [
        "target.auth_token: another value",
        "probes.webhook.interval: 10s → 20s",
        "probes.webhook.jitter: 1s → 2s",
        "probes.race.vendors: 5 → 4",
        "probes.redis.url: another value",
        "probes.health.enabled: true → false",
    ]


@pytest.mark.parametrize(
    ("changed", "key"),
    [
        ({"instance": "two"}, "instance"),
        ({"data_dir": "elsewhere"}, "data_dir"),
        ({"listen": "127.0.0.1:1"}, "listen"),
        ({"log__format": "json"}, "log.format"),
        ({"probes__database__dsn": "postgresql://prober@other.example.com/orders"}, "probes.database.dsn"),
        ({"probes__database__dsn": "postgresql://prober@db.example.com/others"}, "probes.database.dsn"),
        ({"target__contract": "guide"}, "contract.webhook.claimed.effect"),
        ({"target__rate_limit": "400/1m"}, "target.rate_limit"),
        ({"cap__burst": 40}, "cap.burst"),
        ({"pause__until": "2100-01-01T00:00:00Z"}, "pause.until"),
        ({"maintenance": [{"cron": "0 3 * * *", "duration": "1h"}]}, "maintenance"),
        ({"cleanup__orphan_age": "1h"}, "cleanup.orphan_age"),
        ({"election": "enabled"}, "election.enabled"),
    ],
)
def test_what_cannot_change_is_refused_by_its_key(tmp_path: Path, changed: dict[str, Any], key: str) -> None:
    said = refusals(running(tmp_path), running(tmp_path, **changed))
    assert any(sentence.startswith(f"{key}: ") for sentence in said)
    assert all("restart the prober" in sentence and SECRET not in sentence for sentence in said)


def test_taking_the_database_away_is_refused(tmp_path: Path) -> None:
    without: dict[str, Any] = {
        "probes__webhook__mode": "full",
        "probes__webhook__from_number": "+9779800000000",
        "probes__race__enabled": False,
    }
    before = running(tmp_path, **without)
    said = refusals(before, running(tmp_path, **without, probes__database__enabled=False))
    assert said[0].startswith("probes.database.enabled: ")


def test_other_tls_is_refused_and_other_users_are_not(tmp_path: Path) -> None:
    tls = WebSettings(tls=TlsSettings(cert_file=Path("a"), key_file=Path("b")))
    (said,) = refusals(running(tmp_path), running(tmp_path, tls))
    assert said.startswith("web_config.tls_server_config: ")
    users = running(tmp_path, WebSettings(users={"prometheus": "hash"}))
    assert refusals(running(tmp_path), users) == []
    assert [str(change) for change in changes(running(tmp_path), users)] == [
        "web_config.basic_auth_users: another value"
    ]


def test_another_password_is_no_other_database(tmp_path: Path) -> None:
    after = running(
        tmp_path, probes__database__dsn="postgresql://other:secret@db.example.com/orders?sslmode=require"
    )
    assert refusals(running(tmp_path), after) == []
    assert elsewhere(running(tmp_path).config, after.config) == frozenset()


@pytest.mark.parametrize(
    ("changed", "probe"),
    [
        ({"probes__redis__url": "redis://redis.example.com:6380/0"}, ProbeName.REDIS),
        ({"probes__redis__url": "redis://redis.example.com:6379/1"}, ProbeName.REDIS),
        ({"probes__database__pooled_dsn": "postgresql://pool.example.com/orders"}, ProbeName.DATABASE_POOLED),
    ],
)
def test_another_server_is_told_from_the_same_restarted(
    tmp_path: Path, changed: dict[str, Any], probe: ProbeName
) -> None:
    before, after = running(tmp_path), running(tmp_path, **changed)
    assert refusals(before, after) == []
    assert elsewhere(before.config, after.config) == {probe}


def test_paths_of_the_contract_may_change(tmp_path: Path) -> None:
    after = running(tmp_path, target__contract_overrides={"webhook.path": "/hooks/whatsapp"})
    assert refusals(running(tmp_path), after) == []
    assert [change.key for change in changes(running(tmp_path), after)] == [
        "target.contract_overrides",
        "contract.webhook.path",
    ]


def test_every_section_is_either_taken_up_or_refused() -> None:
    fixed = {path[0] for path in FIXED if len(path) == 1}
    assert set(Config.model_fields) == fixed | FOLLOWED
    known = set(keys(Config))
    assert all(any(path[: len(one)] == one for path in known) for one in FIXED)


def test_every_leaf_of_the_shipped_contract_is_seen(tmp_path: Path) -> None:
    found = leaves(running(tmp_path).contract)
    assert {path[0] for path in found} == set(Contract.model_fields)
