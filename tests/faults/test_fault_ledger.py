"""The ledger of faults: believed only from our own hand, and locked while a drill or its guardian lives."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from prober.config import Config, parse_strict
from prober.faults.known import driver_of
from prober.faults.ledger import Ledger, LedgerError
from prober.outcome import DriverKind, FaultKind, Service
from tests.config.examples import ENV, MINIMAL

COMMANDS = {"inject": ["a"], "undo": ["b", "c"], "check": None, "timeout": 3.0}


def config() -> Config:
    return parse_strict(MINIMAL, Config, source="minimal", env=ENV)


def test_what_is_written_is_read_the_latest_first(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    assert ledger.entries() == []
    assert ledger.take()
    first = ledger.write(FaultKind.KILL, Service.REDIS, DriverKind.COMMANDS, "a kill", COMMANDS)
    second = ledger.write(FaultKind.FREEZE, Service.REDIS, DriverKind.DEMO, "a freeze", {"directory": "/demo"})
    assert Ledger(tmp_path).entries() == [second, first]
    assert (ledger.directory / f"{first.id}.json").stat().st_mode & 0o777 == 0o600
    assert ledger.directory.stat().st_mode & 0o777 == 0o700
    ledger.remove(second)
    ledger.remove(second)
    assert Ledger(tmp_path).entries() == [first]


def test_one_at_a_time_and_a_guardian_holds_on(tmp_path: Path) -> None:
    ledger, other = Ledger(tmp_path), Ledger(tmp_path)
    assert ledger.take()
    assert not other.take()
    guardian = os.dup(ledger.lock)
    ledger.release()
    assert not other.take()
    os.close(guardian)
    assert other.take()
    other.release()


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"fault": "kill"}', "\0"])
def test_what_is_none_of_ours_is_told_and_not_undone(tmp_path: Path, content: str) -> None:
    ledger = Ledger(tmp_path)
    ledger.take()
    (ledger.directory / "x.json").write_text(content)
    with pytest.raises(LedgerError, match=r"x\.json: expected what `prober drill` wrote"):
        ledger.entries()


def test_commands_that_others_could_have_written_are_not_believed(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.take()
    entry = ledger.write(FaultKind.KILL, Service.REDIS, DriverKind.COMMANDS, "a kill", COMMANDS)
    (ledger.directory / f"{entry.id}.json").chmod(0o666)
    with pytest.raises(LedgerError, match="only this user may write"):
        ledger.entries()


@pytest.mark.parametrize(
    ("fault", "service", "driver", "how"),
    [
        (FaultKind.KILL, Service.REDIS, DriverKind.COMMANDS, COMMANDS),
        (FaultKind.KILL, Service.DATABASE, DriverKind.DEMO, {"directory": "/demo"}),
        (FaultKind.REFUSE, Service.REDIS, DriverKind.PROXY, {"directory": "/proxy"}),
        (FaultKind.KEYS, Service.REDIS, DriverKind.CLIENT, {"prefix": "synthetic-prober:a:drill:b", "count": 3}),
        (FaultKind.LOCKS, Service.DATABASE, DriverKind.CLIENT, {"application_name": "x"}),
        (FaultKind.SESSIONS, Service.DATABASE, DriverKind.CLIENT, {"application_name": "x"}),
    ],
)
def test_every_driver_comes_back_from_what_it_wrote(
    tmp_path: Path, fault: FaultKind, service: Service, driver: DriverKind, how: dict[str, object]
) -> None:
    ledger = Ledger(tmp_path)
    ledger.take()
    entry = ledger.write(fault, service, driver, "a fault", how)
    (read,) = Ledger(tmp_path).entries()
    found = driver_of(read, config())
    assert (found.fault, found.service, found.kind) == (fault, service, driver)
    assert dict(found.how) == how
    assert read == entry


@pytest.mark.parametrize(
    "how", [{}, {"prefix": "bull:orders", "count": 3}, {"prefix": "synthetic-prober:a", "count": "many"}]
)
def test_keys_that_are_not_ours_are_never_deleted(tmp_path: Path, how: dict[str, object]) -> None:
    ledger = Ledger(tmp_path)
    ledger.take()
    entry = ledger.write(FaultKind.KEYS, Service.REDIS, DriverKind.CLIENT, "keys", how)
    with pytest.raises(LedgerError, match="cannot be read"):
        driver_of(entry, config())
