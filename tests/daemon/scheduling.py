"""Scheduled suites without the rest of a daemon: what they publish is kept."""

from __future__ import annotations

from pathlib import Path

from prober.clock import now
from prober.config.model import Config
from prober.config.secrets import Redactor
from prober.daemon.assembly import Intentions, assemble, load_contract
from prober.daemon.permission import paused_by, permission_of
from prober.daemon.settings import Settings
from prober.daemon.suites.scheduled import Means, ScheduledSuites
from prober.event import Event, SuiteSkipped
from prober.probes.base import Unrestricted
from prober.web.settings import WebSettings


class Told:
    """Scheduled suites on a config, and what they published."""

    def __init__(self, tmp_path: Path, config: Config) -> None:
        self.config = config
        self.events: list[Event] = []
        contract = load_contract(config, tmp_path)

        async def nothing(*_: object) -> None:
            """Nothing is kept."""

        self.assembled = assemble(config, contract, Intentions(webhook=nothing, order=nothing), Unrestricted())
        self.suites = ScheduledSuites(
            Means(
                settings=lambda: Settings(self.config, contract, WebSettings(), Redactor(())),
                assembled=self.assembled,
                permission=permission_of(config, paused_by(config, now())),
                publish=self.events.append,
                intend=nothing,
                raced=nothing,
                config_file=tmp_path / "config.yaml",
            )
        )

    async def skipped(self) -> SuiteSkipped:
        await self.suites.due(self.config.suites.schedule[0])
        (event,) = self.events
        assert isinstance(event, SuiteSkipped)
        return event
