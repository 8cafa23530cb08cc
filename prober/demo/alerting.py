"""Prometheus and Alertmanager with our rules and routes, on a prober, and a pager that hears what they say."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from prober.alerts.alertmanager import told_to
from prober.alerts.declarations import FILES
from prober.alerts.places import Places
from prober.alerts.rules import rule_text
from prober.demo.pager import Notified, Pager
from prober.demo.process import Owner
from prober.demo.prometheus import Alertmanager, Prometheus, alertmanager_installed

REGION = "demo"
PLACES = Places(runbooks="docs/runbooks")


@dataclass(kw_only=True)
class Alerting:
    """What watches the prober. Without an Alertmanager on this machine rules are evaluated and nobody is told.

    `probers` are `host:port`, intervals seconds. `told` hears of each alert that is delivered.
    """

    owner: Owner
    directory: Path
    probers: Sequence[str]
    interval: float
    told: Callable[[Notified], None] | None = None
    others: dict[str, Sequence[str]] = field(default_factory=dict)  # more jobs to scrape

    def __post_init__(self) -> None:
        self.pager = Pager(self.owner.port(), self.told)
        self.alertmanager = (
            Alertmanager(self.owner, self.directory / "alertmanager", told_to(self.pager.urls))
            if alertmanager_installed()
            else None
        )
        self.prometheus = Prometheus(
            self.owner,
            self.directory / "prometheus",
            {"prober": self.probers, **self.others},
            scrape_interval=self.interval,
            evaluation_interval=self.interval,
            external_labels={"region": REGION},
        )

    async def start(self) -> None:
        """Start them. ServerError where Prometheus is not installed or does not come up."""
        if self.alertmanager is not None:
            await self.pager.start()
            await self.alertmanager.start()
            self.prometheus.alertmanagers = [self.alertmanager.address]
        self.prometheus.rule_files = self._write_rules()
        await self.prometheus.start()

    async def stop(self) -> None:
        """Stop them, so that nobody is told of the end."""
        await self.prometheus.stop()
        if self.alertmanager is not None:
            await self.alertmanager.stop()
        await self.pager.stop()

    def _write_rules(self) -> list[Path]:
        folder = self.directory / "alerts"
        folder.mkdir(parents=True, exist_ok=True)
        files = []
        for file in FILES:
            path = folder / f"{file.name}.rules.yml"
            path.write_text(rule_text(file, PLACES), encoding="utf-8")
            files.append(path)
        return files
