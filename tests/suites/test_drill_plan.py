"""What each drill breaks and when, who may be broken, and by whose hand. Pure, so by tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from prober.config import Config, parse_strict
from prober.daemon.assembly import load_contract
from prober.outcome import DriverKind, FaultKind, Service
from prober.suites.drill.choosing import Wanted, check_place, choose, through_proxies, written_tables
from prober.suites.drill.plan import (
    FASTEST,
    MOST_MESSAGES,
    STEPS,
    default_rate,
    keys_of,
    messages_of,
    scenarios_of,
    timed,
)
from prober.suites.running import CouldNotRunError
from prober.suites.scenarios import DATABASE_DRILLS, REDIS_DRILLS

COMMANDS = {"inject": ["docker", "kill", "redis"], "undo": ["docker", "start", "redis"]}


def config(environment: str = "demo", host: str = "127.0.0.1", **drills: Any) -> Config:
    document = {
        "target": {
            "environment": environment,
            "url": f"http://{host}:8080",
            "account_sid": "AC0123456789abcdef0123456789abcdef",
            "auth_token": "secret",
        },
        "probes": {
            "webhook": {"mode": "full", "from_number": "+999000000001"},
            "redis": {"url": f"redis://:hush@{host}:6379/3"},
            "database": {"dsn": f"postgresql://prober:hush@{host}:5432/orders"},
        },
        "drills": drills,
    }
    return parse_strict(yaml.safe_dump(document), Config, source="test", base=Path("/nowhere"))


def wanted(service: Service) -> Wanted:
    return Wanted(service=service, run_id="0" * 19, lasts=10.0, scale=1.0)


def chosen(service: Service, scenario: str, settings: Config) -> list[tuple[FaultKind, DriverKind]]:
    contract = load_contract(settings, Path())
    made = choose(settings, contract, STEPS[service, scenario], wanted(service))
    return [(each.driver.fault, each.driver.kind) for each in made]


def test_every_scenario_has_its_steps() -> None:
    assert set(STEPS) == {(Service.REDIS, name) for name in REDIS_DRILLS} | {
        (Service.DATABASE, name) for name in DATABASE_DRILLS
    }
    for steps in STEPS.values():
        assert all(0 <= step.begins < 1 for step in steps)
        assert any(not step.aside and step.begins == 0 for step in steps)


@pytest.mark.parametrize(
    ("scenario", "expected"),
    [
        ("connection", [(FaultKind.REFUSE, DriverKind.PROXY)]),
        ("timeout", [(FaultKind.FREEZE, DriverKind.DEMO)]),
        ("slow", [(FaultKind.SLOW, DriverKind.PROXY)]),
        ("crash", [(FaultKind.KILL, DriverKind.DEMO)]),
        ("recovery", [(FaultKind.KEYS, DriverKind.CLIENT), (FaultKind.STOP, DriverKind.DEMO)]),
    ],
)
def test_a_demo_breaks_its_own_redis(scenario: str, expected: list[tuple[FaultKind, DriverKind]]) -> None:
    proxy = {"control": "/demo/proxy", "listen": "127.0.0.1:6380"}
    assert chosen(Service.REDIS, scenario, config(demo="/demo", redis={"proxy": proxy})) == expected


@pytest.mark.parametrize(
    ("scenario", "expected"),
    [
        ("graceful", [(FaultKind.STOP, DriverKind.DEMO)]),
        ("crash", [(FaultKind.KILL, DriverKind.DEMO)]),
        ("pool", [(FaultKind.SESSIONS, DriverKind.CLIENT)]),
        ("slow", [(FaultKind.LOCKS, DriverKind.CLIENT)]),
        (
            "cascade",
            [
                (FaultKind.LOCKS, DriverKind.CLIENT),
                (FaultKind.SESSIONS, DriverKind.CLIENT),
                (FaultKind.KILL, DriverKind.DEMO),
            ],
        ),
    ],
)
def test_a_demo_breaks_its_own_database(scenario: str, expected: list[tuple[FaultKind, DriverKind]]) -> None:
    assert chosen(Service.DATABASE, scenario, config(demo="/demo")) == expected


def test_commands_of_the_user_go_before_everything_else() -> None:
    settings = config(demo="/demo", redis={"kill": COMMANDS})
    assert chosen(Service.REDIS, "crash", settings) == [(FaultKind.KILL, DriverKind.COMMANDS)]


def test_without_a_proxy_connections_are_refused_by_a_stop() -> None:
    settings = config(redis={"stop": COMMANDS})
    assert chosen(Service.REDIS, "connection", settings) == [(FaultKind.STOP, DriverKind.COMMANDS)]


def test_what_nobody_can_make_is_said_with_the_key_that_mends_it() -> None:
    with pytest.raises(CouldNotRunError, match=r"fault kill of redis.*drills\.redis\.kill"):
        chosen(Service.REDIS, "crash", config())


@pytest.mark.parametrize(
    ("settings", "allowed"),
    [
        (config("demo"), True),
        (config("staging"), True),
        (config("staging", "10.0.0.5", redis={"kill": COMMANDS}), True),
        (config("staging", "10.0.0.5"), False),
        (config("staging", "10.0.0.5", database={"kill": COMMANDS}), False),
        (config("demo", "10.0.0.5", redis={"kill": COMMANDS}), False),
        (config("production"), False),
        (config("production", "10.0.0.5", redis={"kill": COMMANDS}), False),
    ],
)
def test_what_is_elsewhere_is_broken_in_staging_alone_and_by_commands(settings: Config, allowed: bool) -> None:
    if allowed:
        check_place(settings, Service.REDIS)
        return
    with pytest.raises(CouldNotRunError):
        check_place(settings, Service.REDIS)


def test_who_sees_a_fault_at_the_proxy_goes_through_it() -> None:
    proxy = {"control": "/demo/proxy", "listen": "127.0.0.1:7000"}
    settings = config(redis={"proxy": proxy}, database={"proxy": proxy})
    redis = through_proxies(settings, Service.REDIS).probes
    assert redis.redis.url is not None
    assert redis.redis.url.get_secret_value() == "redis://:hush@127.0.0.1:7000/3"
    assert redis.database == settings.probes.database
    database = through_proxies(settings, Service.DATABASE).probes.database
    assert database.dsn is not None
    assert database.dsn.get_secret_value() == "postgresql://prober:hush@127.0.0.1:7000/orders"
    assert through_proxies(config(), Service.REDIS) == config()


def test_locks_are_taken_on_what_a_webhook_writes() -> None:
    contract = load_contract(config(), Path())
    assert set(written_tables(contract)) == {"whatsapp_messages", "processed_messages"}


def test_phases_keep_their_shares_and_messages_their_bounds() -> None:
    crash = scenarios_of(Service.REDIS)["crash"]
    assert (crash.before, crash.during, crash.after) == (15, 30, 15)
    short = timed(crash, scale=1.0, duration=6.0)
    assert (short.before, short.during, short.after) == (1.5, 3.0, 1.5)
    scaled = timed(crash, scale=0.1, duration=None)
    assert (scaled.before, scaled.during, scaled.after) == pytest.approx((1.5, 3.0, 1.5))
    assert messages_of(crash, 2.0) > 2.0 * crash.duration
    assert messages_of(crash, 1e9) == MOST_MESSAGES
    assert default_rate(200 / 60) == pytest.approx(1.5)
    assert default_rate(1e6) == FASTEST
    assert keys_of(0, 1.0) == 0
    assert keys_of(200_000, 1.0) == 200_000
    assert keys_of(200_000, 0.001) == 10_000
    assert keys_of(500, 1.0) == 500
