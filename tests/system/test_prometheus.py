"""Prometheus and Alertmanager of our own: scraped, recorded, alerted, delivered."""

from __future__ import annotations

import asyncio
import math
from pathlib import Path

import pytest

from prober.demo import prometheus
from prober.demo.process import Owner
from prober.demo.prometheus import Alertmanager, Prometheus, Sample
from prober.demo.user import ServerError

PATIENCE = 60.0  # seconds

RULES = """
groups:
  - name: test
    rules:
      - record: job:up:doubled
        expr: sum by (job) (up) * 2
      - alert: Reachable
        expr: up == 1
        labels: {severity: page}
        annotations: {summary: "{{ $labels.job }} is up"}
"""

needs_prometheus = pytest.mark.skipif(
    not prometheus.installed(), reason="needs Prometheus: apt-get install prometheus"
)
needs_alertmanager = pytest.mark.skipif(
    not (prometheus.installed() and prometheus.alertmanager_installed()),
    reason="needs Prometheus and Alertmanager: apt-get install prometheus prometheus-alertmanager",
)


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    file = tmp_path / "rules.yml"
    file.write_text(RULES)
    return file


@needs_prometheus
async def test_scrape_record_and_alert(owner: Owner, rules: Path) -> None:
    server = Prometheus(owner, owner.directory / "prometheus", {}, [rules], scrape_interval=0.5)
    server.targets = {"itself": [server.address], "nobody": [f"127.0.0.1:{owner.port()}"]}
    await server.start()
    assert await server.query("1 / 4") == [Sample({}, 0.25)]
    assert math.isnan((await server.query("scalar(absent_metric)"))[0].value)
    (up,) = await server.wait_for('up{job="itself"} == 1', PATIENCE)
    assert up.labels["instance"] == server.address
    (doubled,) = await server.wait_for('job:up:doubled{job="itself"}', PATIENCE)
    assert doubled.value == 2
    await server.wait_for('ALERTS{alertstate="firing"}', PATIENCE)
    (alert,) = await server.alerts()
    assert (alert.name, alert.state, alert.annotations["summary"]) == ("Reachable", "firing", "itself is up")
    with pytest.raises(ServerError, match=r"(?s)answered 400.*parse error"):
        await server.query("1 +")
    with pytest.raises(ServerError, match="no result of absent_metric"):
        await server.wait_for("absent_metric", timeout=0.1)


@needs_prometheus
async def test_a_bad_rule_file_is_told_with_the_log(owner: Owner, rules: Path) -> None:
    rules.write_text(  # noqa: ASYNC240
        "groups: [{name: bad, rules: [{alert: X, expr: '1 +'}]}]"
    )
    with pytest.raises(ServerError, match=r"(?s)prometheus ended with status.*parse error"):
        await Prometheus(owner, owner.directory / "prometheus", {}, [rules]).start()


@needs_prometheus
async def test_samples_survive_a_kill(owner: Owner) -> None:
    server = Prometheus(owner, owner.directory / "prometheus", {}, scrape_interval=0.2)
    server.targets = {"itself": [server.address]}
    await server.start()
    await server.wait_for("up == 1", PATIENCE)
    server.kill()
    await server.start()
    assert await server.query("count_over_time(up[10m])") != []


@needs_alertmanager
async def test_an_alert_reaches_the_alertmanager(owner: Owner, rules: Path) -> None:
    manager = Alertmanager(owner, owner.directory / "alertmanager")
    await manager.start()
    server = Prometheus(owner, owner.directory / "prometheus", {}, [rules], alertmanagers=[manager.address])
    server.targets = {"itself": [server.address]}
    await server.start()
    async with asyncio.timeout(PATIENCE):
        while not (alerts := await manager.alerts()):
            await asyncio.sleep(0.1)
    assert [(alert.name, alert.labels["severity"]) for alert in alerts] == [("Reachable", "page")]


def test_without_them_the_way_to_them_is_told(owner: Owner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert not prometheus.installed()
    assert not prometheus.alertmanager_installed()
    with pytest.raises(ServerError, match=r"apt-get install prometheus$"):
        prometheus.prometheus_program()
    with pytest.raises(ServerError, match="apt-get install prometheus-alertmanager"):
        prometheus.alertmanager_program()
