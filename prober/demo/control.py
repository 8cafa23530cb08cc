"""The demo's control: breaks its PostgreSQL and its Redis for as long as whoever asked stays connected.

JSON lines over a Unix socket in the demo's directory that only its owner may use: `{"do": "show"}`,
`{"do": "inject", "service": "redis", "fault": "kill"}`, `{"do": "undo", "service": "redis"}`. Each is answered,
when it is done, by `{"services": {NAME: {"running": …, "fault": …}}}` or `{"error": SENTENCE}`. A fault is undone
when the connection that made it ends, also by `kill -9`; `undo` by anybody goes through.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prober.demo.server import Server
from prober.demo.user import ServerError
from prober.faults.owned import OWNED_FAULTS, SOCKET
from prober.faults.unix_socket import listening
from prober.outcome import FaultKind, Service

TRIES = 3  # to undo what nobody asks for any more
PAUSE = 1.0  # seconds between them


class RequestError(Exception):
    """A request that is not understood or not allowed; the text is the answer."""


@dataclass(slots=True)
class _Broken:
    fault: FaultKind
    holder: asyncio.StreamWriter


class DemoControl:
    """Answers for the servers of one demo."""

    def __init__(self, directory: Path, servers: Mapping[Service, Server]) -> None:
        self._directory = directory
        self._servers = servers
        self._broken: dict[Service, _Broken] = {}
        self._turn = {service: asyncio.Lock() for service in servers}
        self._server: asyncio.Server | None = None
        self._open: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    async def start(self) -> None:
        """Listen. OSError when a living demo has the socket."""
        self._server = await asyncio.start_unix_server(self._serve, sock=listening(self._directory, SOCKET))

    async def stop(self) -> None:
        """End the control connections and undo nothing more: the servers are about to end."""
        if self._server is None:
            return
        self._server.close()
        (self._directory / SOCKET).unlink(missing_ok=True)
        tasks = list(self._open)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if (task := asyncio.current_task()) is not None:
            self._open[task] = writer
            task.add_done_callback(self._open.pop)
        try:
            while line := await reader.readline():
                writer.write(json.dumps(await self._answer(line, writer)).encode() + b"\n")
                await writer.drain()
        except (ConnectionError, ValueError):
            pass  # who asked has gone, or sends what is no line
        finally:
            writer.close()
        await self._release(writer)

    async def _release(self, writer: asyncio.StreamWriter) -> None:
        """Undo what the one who has gone held."""
        for service in [service for service, broken in self._broken.items() if broken.holder is writer]:
            for _ in range(TRIES):
                try:
                    await self._undo(service)
                except ServerError as error:
                    print(f"{service} is not back after a fault whose maker has gone: {error}", file=sys.stderr)
                    await asyncio.sleep(PAUSE)
                else:
                    break

    async def _answer(self, line: bytes, writer: asyncio.StreamWriter) -> dict[str, Any]:
        try:
            await self._do(_parse(line), writer)
        except (RequestError, ServerError) as error:
            return {"error": str(error)}
        return {
            "services": {
                service.value: {
                    "running": server.running,
                    "fault": self._broken[service].fault.value if service in self._broken else None,
                }
                for service, server in self._servers.items()
            }
        }

    async def _do(self, request: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        word = request.get("do")
        if word == "show":
            return
        service = self._named(request.get("service"))
        if word == "undo":
            await self._undo(service)
        elif word == "inject":
            await self._inject(service, _fault(request.get("fault")), writer)
        else:
            raise RequestError(f'"do" is {word!r}; expected show, inject or undo')

    def _named(self, name: object) -> Service:
        for service in self._servers:
            if service.value == name:
                return service
        raise RequestError(f'"service" is {name!r}; expected one of {", ".join(self._servers)}')

    async def _inject(self, service: Service, fault: FaultKind, writer: asyncio.StreamWriter) -> None:
        async with self._turn[service]:
            if (broken := self._broken.get(service)) is not None:
                raise RequestError(f"{service} is under the fault {broken.fault} already; undo that first")
            server = self._servers[service]
            if not server.running:
                raise RequestError(f"{service} is not running")
            self._broken[service] = _Broken(fault, writer)
            if fault is FaultKind.KILL:
                server.kill()
            elif fault is FaultKind.FREEZE:
                server.freeze()
            else:
                await server.stop()

    async def _undo(self, service: Service) -> None:
        async with self._turn[service]:
            server = self._servers[service]
            if server.running:
                server.thaw()
            elif service in self._broken:
                await server.start()
            self._broken.pop(service, None)


def _fault(name: object) -> FaultKind:
    for fault in OWNED_FAULTS:
        if fault.value == name:
            return fault
    raise RequestError(f'"fault" is {name!r}; expected one of {", ".join(OWNED_FAULTS)}')


def _parse(line: bytes) -> dict[str, Any]:
    try:
        request = json.loads(line)
    except (ValueError, RecursionError):
        raise RequestError(f"expected one JSON object a line, got {line[:80]!r}") from None
    if not isinstance(request, dict):
        raise RequestError(f"expected a JSON object, got {line[:80]!r}")
    return request
