"""What on-call would get: takes Alertmanager's notifications over HTTP and says each as a person would read it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from prober.alerts.alertmanager import PAGER, RECEIVERS

HOST = "127.0.0.1"
_LARGEST = 4_000_000  # bytes of one notification


@dataclass(frozen=True, slots=True)
class Notified:
    """One alert of one notification. `at` is when it arrived (monotonic seconds)."""

    receiver: str
    status: str  # firing, resolved
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    at: float

    @property
    def name(self) -> str:
        """The alert's name."""
        return self.labels["alertname"]

    @property
    def firing(self) -> bool:
        """Whether it is not over."""
        return self.status == "firing"


class Pager:
    """Listens on a port of 127.0.0.1 and keeps what arrives; `told` is called with each alert."""

    def __init__(self, port: int, told: Callable[[Notified], None] | None = None) -> None:
        self._port = port
        self._told = told
        self._runner: web.AppRunner | None = None
        self.notified: list[Notified] = []

    @property
    def urls(self) -> Mapping[str, str]:
        """Where each receiver of Alertmanager's config delivers."""
        return {receiver: f"http://{HOST}:{self._port}/{receiver}" for receiver in RECEIVERS}

    async def start(self) -> None:
        """Listen. OSError where the port is taken."""
        application = web.Application(client_max_size=_LARGEST)
        application.router.add_post("/{receiver}", self._take)
        self._runner = web.AppRunner(application, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, HOST, self._port).start()

    async def stop(self) -> None:
        """Listen no more."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    def pages(self) -> list[Notified]:
        """What woke on-call, in order."""
        return [each for each in self.notified if each.receiver == PAGER and each.firing]

    async def _take(self, request: web.Request) -> web.Response:
        try:
            found = read(request.match_info["receiver"], await request.json(), time.monotonic())
        except (json.JSONDecodeError, LookupError, TypeError) as error:
            return web.Response(status=400, text=f"expected a notification of Alertmanager, got {error!r}\n")
        self.notified += found
        for each in found:
            if self._told is not None:
                self._told(each)
        return web.Response(text="taken\n")


def read(receiver: str, document: Mapping[str, Any], at: float) -> list[Notified]:
    """The alerts of one notification (Alertmanager's webhook, version 4); LookupError where it is none."""
    return [
        Notified(receiver, alert["status"], dict(alert["labels"]), dict(alert["annotations"]), at)
        for alert in document["alerts"]
    ]


_WORDS = {PAGER: "PAGE  ", "tickets": "ticket"}


def page_text(notified: Notified, clock: str) -> str:
    """The alert as on-call reads it, in one or four lines; `clock` is the time of day."""
    about, annotations = notified.labels, notified.annotations
    where = " ".join(about[label] for label in ("region", "subject") if label in about)
    word = _WORDS.get(notified.receiver, notified.receiver) if notified.firing else "over  "
    head = f"{clock}  {word}  {notified.name} ({where})"
    if not notified.firing:
        return head
    return "\n".join(
        [
            f"{head}: {annotations.get('summary', '')}",
            f"          {annotations.get('description', '')}",
            f"          runbook   {annotations.get('runbook_url', '')}",
            f"          dashboard {annotations.get('dashboard', '')}",
        ]
    )
