"""Alertmanager's config: what amtool says of it, and who would be told of each alert."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from prober.alerts.alertmanager import NOBODY, PAGER, TICKETS, WATCHDOG, configuration, told_to
from prober.alerts.declarations import ALERTS, BY_NAME
from prober.alerts.inhibitions import FOLLOWS
from prober.alerts.labels import Severity, Subject
from prober.alerts.violations import MARK
from prober.contract.files import contract_path, shipped_names

ROOT = Path(__file__).parent.parent.parent
FILE = ROOT / "alerts/alertmanager.yml"
needs_amtool = pytest.mark.skipif(
    shutil.which("amtool") is None,
    reason="needs amtool: apt-get install prometheus-alertmanager",
)


def amtool(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["amtool", *arguments], capture_output=True, text=True, check=False, cwd=ROOT)


@needs_amtool
def test_the_config_is_taken() -> None:
    done = amtool("check-config", FILE)
    assert done.returncode == 0, done.stdout + done.stderr


def receiver_of(name: str) -> str:
    alert = BY_NAME[name]
    if name == "Watchdog":
        return WATCHDOG
    if alert.severity is Severity.CRITICAL and alert.wakes:
        return PAGER
    return NOBODY if alert.severity is Severity.NONE else TICKETS


@needs_amtool
@pytest.mark.parametrize("name", sorted(BY_NAME))
def test_each_alert_goes_where_it_belongs(name: str) -> None:
    labels = [f"{key}={value}" for key, value in BY_NAME[name].labels.items()]
    wanted = f"--verify.receivers={receiver_of(name)}"
    done = amtool("config", "routes", "test", f"--config.file={FILE}", wanted, f"alertname={name}", *labels)
    assert done.returncode == 0, done.stdout + done.stderr


@needs_amtool
def test_what_we_do_not_know_becomes_a_ticket() -> None:
    done = amtool(
        "config", "routes", "test", f"--config.file={FILE}", f"--verify.receivers={TICKETS}", "alertname=Other"
    )
    assert done.returncode == 0, done.stdout


def routes() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = yaml.safe_load(FILE.read_text(encoding="utf-8"))["route"]["routes"]
    return found


def test_pages_come_soon_and_violations_are_not_repeated_for_ever() -> None:
    pages = [route for route in routes() if route["receiver"] == PAGER]
    assert [route["group_wait"] for route in pages] == ["5s", "5s", "5s"]
    violations = next(route for route in pages if 'violation="true"' in route["matchers"])
    assert violations["repeat_interval"] == "24h"
    # Planned work mutes everything that goes to people but violations, and that nobody watches.
    told = [route for route in routes() if route["receiver"] in (PAGER, TICKETS)]
    unmuted = [route["matchers"] for route in told if "mute_time_intervals" not in route]
    assert unmuted == [['severity="critical"', 'violation="true"'], ['severity="critical"', 'subject="prober"']]


def test_no_secret_stands_in_it() -> None:
    text = FILE.read_text(encoding="utf-8")
    for key, value in re.findall(r"(\w*(?:key|token|password|api_url|credentials)\w*): (\S+)", text):
        assert key.endswith("_file"), key
        assert value.startswith("/etc/alertmanager/secrets/"), value


def inhibited_by(cause: str) -> set[str]:
    """By the file that is checked in."""
    document = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    found: set[str] = set()
    for rule in document["inhibit_rules"]:
        assert "region" in rule["equal"]
        if f'alertname="{cause}"' in rule["source_matchers"]:
            (target,) = rule["target_matchers"]
            found |= set(target.removeprefix('alertname=~"').removesuffix('"').split("|"))
    return found


def test_a_dead_database_silences_what_follows_and_no_violation() -> None:
    silenced = inhibited_by("DatabaseOutage")
    assert {"WebhookDown", "HighWebhookLatency", "PooledDatabaseOutage", "RacesUnjudged"} <= silenced
    assert not silenced & {"RedisOutage", "RaceConditionDetected", "MessageLost", "RoutesMissing"}


def test_that_nobody_watches_silences_nothing_real() -> None:
    assert {BY_NAME[name].subject for name in inhibited_by("ProberAbsent")} == {Subject.PROBER}


@pytest.mark.parametrize("cause", sorted(FOLLOWS))
def test_no_cause_silences_a_violation_or_itself(cause: str) -> None:
    silenced = inhibited_by(cause)
    assert silenced == set(FOLLOWS[cause])
    assert cause not in silenced
    violations = {alert.name for alert in ALERTS if MARK.items() <= alert.marks.items()}
    assert len(violations) == 4
    assert not silenced & violations


def test_a_missing_route_silences_what_goes_that_way_and_nothing_else() -> None:
    document = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    rules = [rule for rule in document["inhibit_rules"] if 'alertname="RoutesMissing"' in rule["source_matchers"]]
    assert {matcher: rule["target_matchers"] for rule in rules for matcher in rule["source_matchers"][1:]} == {
        'route="webhook"': ['alertname=~"WebhookDown"'],
        'route="accept"': ['alertname=~"VendorRoutingUnavailable|RacesUnjudged"'],
    }
    for name in shipped_names():
        contract = yaml.safe_load(contract_path(name, ROOT).read_text(encoding="utf-8"))
        assert {route["name"] for route in contract["health"]["routes"]} == {"webhook", "accept"}


def test_what_is_told_of_one_thing_is_silenced_by_the_same_thing_alone() -> None:
    # A full queue says nothing of another one, nor one prober of its neighbour.
    document = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    for label, names in {
        "queue": {"QueueBacklogHigh", "QueueBacklogElevated"},
        "scenario": {"LowWebhookThroughput"},
        "instance": {"ProberInstanceDown"},
    }.items():
        rules = [rule for rule in document["inhibit_rules"] if label in rule["equal"]]
        assert {matcher for rule in rules for matcher in rule["source_matchers"]} == {
            f'alertname="{name}"' for name in names
        }
        for name in names:
            assert all(label in BY_NAME[each].keeps for each in (name, *FOLLOWS[name]))


def test_no_two_silence_each_other() -> None:
    for cause, follows in FOLLOWS.items():
        assert not [name for name in follows if cause in FOLLOWS.get(name, ())]


def test_the_demo_has_the_same_routes_and_other_receivers() -> None:
    demo = told_to({PAGER: "http://127.0.0.1:1/pager"})
    assert {key: value for key, value in demo.items() if key != "receivers"} == {
        key: value for key, value in configuration().items() if key != "receivers"
    }
    assert [receiver["name"] for receiver in demo["receivers"]] == [PAGER, TICKETS, WATCHDOG, NOBODY]
    assert sum("webhook_configs" in receiver for receiver in demo["receivers"]) == 1
