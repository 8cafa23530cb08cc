"""A real Prometheus (and Alertmanager) of our own, run from the system's binaries where there are any."""

from __future__ import annotations

import asyncio
import json
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import aiohttp
import yaml

from prober.demo.process import Owner
from prober.demo.server import Server
from prober.demo.user import ServerError

REQUEST_TIMEOUT = aiohttp.ClientTimeout(total=10)
ALERTMANAGER_NAMES = ("prometheus-alertmanager", "alertmanager")  # Debian's, everybody else's
CONDITION_POLL = 0.2  # seconds between two queries while waiting for a condition


@dataclass(frozen=True, slots=True)
class Sample:
    """One element of an instant vector, at the time of the query."""

    labels: Mapping[str, str]
    value: float


@dataclass(frozen=True, slots=True)
class Series:
    """One element of a range query: its points as (Unix time, value)."""

    labels: Mapping[str, str]
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert as Prometheus sees it; `state` is `pending` or `firing`."""

    name: str
    state: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]


class _HttpServer(Server):
    """A server that tells over HTTP whether it is ready."""

    @property
    def url(self) -> str:
        """Base address, without a slash at its end."""
        return f"http://{self.address}"

    async def ask(self) -> None:
        """Ask its readiness page."""
        await self._get("/-/ready")

    async def _get(self, path: str, **parameters: str) -> str:
        try:
            async with (
                aiohttp.ClientSession(timeout=REQUEST_TIMEOUT) as session,
                session.get(self.url + path, params=parameters) as response,
            ):
                text = await response.text()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise ServerError(f"{self.name} does not answer {path}: {error or type(error).__name__}") from error
        if response.status != 200:
            raise ServerError(f"{self.name} answered {response.status} to {path}: {text.strip()[:500]}")
        return text


class Prometheus(_HttpServer):
    """One Prometheus that scrapes `targets` (job → `host:port` of each) and evaluates `rule_files`.

    Intervals are seconds. `alertmanagers` are `host:port`. All of these may be changed between two starts.
    """

    name: ClassVar[str] = "prometheus"

    def __init__(
        self,
        owner: Owner,
        directory: Path,
        targets: Mapping[str, Sequence[str]],
        rule_files: Sequence[Path] = (),
        *,
        port: int | None = None,
        scrape_interval: float = 1.0,
        evaluation_interval: float = 1.0,
        external_labels: Mapping[str, str] | None = None,
        alertmanagers: Sequence[str] = (),
    ):
        super().__init__(owner, directory, port)
        self.targets = dict(targets)
        self.rule_files = list(rule_files)
        self.scrape_interval = scrape_interval
        self.evaluation_interval = evaluation_interval
        self.external_labels = dict(external_labels or {})
        self.alertmanagers = list(alertmanagers)

    async def query(self, expression: str) -> list[Sample]:
        """Evaluate an expression now. ServerError for one that is no good; a scalar is a sample without labels."""
        data = await self._api("query", query=expression)
        if data["resultType"] == "scalar":
            return [Sample({}, float(data["result"][1]))]
        return [Sample(entry["metric"], float(entry["value"][1])) for entry in data["result"]]

    async def query_range(self, expression: str, start: float, end: float, step: float) -> list[Series]:
        """Evaluate an expression every `step` seconds from `start` to `end` (Unix time), both with it."""
        data = await self._api("query_range", query=expression, start=f"{start}", end=f"{end}", step=f"{step}")
        return [
            Series(entry["metric"], tuple((float(at), float(value)) for at, value in entry["values"]))
            for entry in data["result"]
        ]

    async def wait_for(self, expression: str, timeout: float = 30.0) -> list[Sample]:
        """Wait until an expression has a result. ServerError after `timeout` seconds."""
        deadline = time.monotonic() + timeout
        while not (samples := await self.query(expression)):
            if time.monotonic() > deadline:
                raise ServerError(f"no result of {expression} within {timeout:g} s:\n{self.log_tail()}")
            await asyncio.sleep(CONDITION_POLL)
        return samples

    async def alerts(self) -> list[Alert]:
        """All alerts that are pending or firing."""
        data = await self._api("alerts")
        return [
            Alert(entry["labels"]["alertname"], entry["state"], entry["labels"], entry["annotations"])
            for entry in data["alerts"]
        ]

    async def _api(self, path: str, **parameters: str) -> Any:
        return json.loads(await self._get(f"/api/v1/{path}", **parameters))["data"]

    def _command(self) -> Sequence[str | Path]:
        program = prometheus_program()
        self.owner.inhabit(self.directory, [program])
        configuration = {
            "global": {
                "scrape_interval": _duration(self.scrape_interval),
                "scrape_timeout": _duration(self.scrape_interval),
                "evaluation_interval": _duration(self.evaluation_interval),
                "external_labels": self.external_labels,
            },
            "rule_files": [str(file.resolve()) for file in self.rule_files],
            "scrape_configs": [
                {"job_name": job, "static_configs": [{"targets": list(targets)}]}
                for job, targets in self.targets.items()
            ],
            "alerting": {"alertmanagers": [{"static_configs": [{"targets": self.alertmanagers}]}]},
        }
        file = self.directory / "prometheus.yml"
        file.write_text(yaml.safe_dump(configuration, sort_keys=False), encoding="utf-8")
        return [
            program,
            f"--config.file={file}",
            f"--storage.tsdb.path={self.directory / 'data'}",
            f"--web.listen-address={self.address}",
        ]


class Alertmanager(_HttpServer):
    """One Alertmanager with a configuration of ours; without one it takes alerts and notifies nobody."""

    name: ClassVar[str] = "alertmanager"

    def __init__(
        self,
        owner: Owner,
        directory: Path,
        configuration: Mapping[str, Any] | None = None,
        *,
        port: int | None = None,
    ):
        super().__init__(owner, directory, port)
        self.configuration = dict(
            configuration or {"route": {"receiver": "nobody"}, "receivers": [{"name": "nobody"}]}
        )

    async def alerts(self) -> list[Alert]:
        """All alerts that it has been told of and that have not ended."""
        entries = json.loads(await self._get("/api/v2/alerts"))
        return [
            Alert(entry["labels"]["alertname"], "firing", entry["labels"], entry["annotations"])
            for entry in entries
        ]

    def _command(self) -> Sequence[str | Path]:
        program = alertmanager_program()
        self.owner.inhabit(self.directory, [program])
        file = self.directory / "alertmanager.yml"
        file.write_text(yaml.safe_dump(self.configuration, sort_keys=False), encoding="utf-8")
        return [
            program,
            f"--config.file={file}",
            f"--storage.path={self.directory / 'data'}",
            f"--web.listen-address={self.address}",
            "--cluster.listen-address=",  # alone: no gossip port
        ]


def installed() -> bool:
    """Whether this machine has a Prometheus."""
    return shutil.which("prometheus") is not None


def alertmanager_installed() -> bool:
    """Whether this machine has an Alertmanager."""
    return any(shutil.which(name) for name in ALERTMANAGER_NAMES)


def prometheus_program() -> Path:
    """Find the system's prometheus. ServerError that tells how to install it where there is none."""
    return _program("prometheus", "prometheus")


def alertmanager_program() -> Path:
    """Find the system's alertmanager. ServerError that tells how to install it where there is none."""
    return _program("prometheus-alertmanager", *ALERTMANAGER_NAMES)


def _program(package: str, *names: str) -> Path:
    for name in names:
        if (found := shutil.which(name)) is not None:
            return Path(found)
    raise ServerError(f"{names[-1]} is not installed: apt-get install {package}")


def _duration(seconds: float) -> str:
    return f"{seconds * 1000:.0f}ms"
