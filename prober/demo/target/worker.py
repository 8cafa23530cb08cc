"""One worker process: serves the connections that the parent hands over, and takes jobs from the queue.

Forked by the fork server with two descriptors; the first message on the channel carries the settings.
"""

from __future__ import annotations

import asyncio
import os
import socket
from contextlib import suppress
from typing import Any

import uvloop

from prober.demo.target.calendar_jobs import Calendar
from prober.demo.target.channel import Channel, ClosedError
from prober.demo.target.config import Settings
from prober.demo.target.consumer import Consumer
from prober.demo.target.database import Database
from prober.demo.target.faults import State
from prober.demo.target.forms import FORMS
from prober.demo.target.health import Health
from prober.demo.target.limits import SharedMemory
from prober.demo.target.live import Live
from prober.demo.target.record import RecordWriter
from prober.demo.target.routing import VendorRouting
from prober.demo.target.sabotage import Sabotage
from prober.demo.target.server import HttpServer
from prober.demo.target.webhook import Webhook
from prober.demo.target.webhook_queue import WebhookQueue


class Worker:
    """Everything one worker process has."""

    def __init__(self, channel: Channel, memory: SharedMemory, welcome: dict[str, Any]) -> None:
        settings = Settings.model_validate(welcome["settings"])
        form = FORMS[settings.form]
        messages = form.messages
        index, workers = int(welcome["index"]), settings.workers
        sessions = settings.database.pool_size // workers + (index < settings.database.pool_size % workers)
        self._channel = channel
        self._live = Live(State.from_json(welcome["state"]))
        self._record = RecordWriter(settings.data_dir, f"worker{index}", welcome["generation"])
        self._database = Database(settings.database, settings.breaker, sessions, self._live)
        self._queue = WebhookQueue(settings, self._live)
        self._consumer = Consumer(settings, messages, self._live, self._database, self._queue, self._record)
        self._calendar = Calendar(self._queue.redis) if index == 0 else None
        self._sabotage = Sabotage(self._database, messages.touch_nothing, index, workers)
        webhook = Webhook(settings, messages, self._live, self._database, self._queue, memory, self._record)
        routing = VendorRouting(settings, form, self._live, self._database, self._record)
        health = Health(settings, self._live, self._database, self._queue)
        self._http = HttpServer(form, self._live, self._record, webhook.answer, routing.answer, health.answer)

    async def run(self) -> None:
        """Work until the parent says stop or is gone."""
        background = [asyncio.create_task(self._consumer.run())]
        if self._calendar is not None:
            background.append(asyncio.create_task(self._calendar.run()))
        self._sabotage.apply(self._live.state)
        await self._channel.send({"ready": os.getpid()})
        obeying = asyncio.create_task(self._obey())
        ended, going_on = await asyncio.wait([obeying, *background], return_when=asyncio.FIRST_COMPLETED)
        self._sabotage.stop()
        for task in going_on:
            task.cancel()
        await asyncio.gather(*going_on, return_exceptions=True)
        await self._http.close()
        await self._consumer.close()
        await self._queue.close()
        self._database.close()
        self._record.close()
        for task in ended:
            task.result()  # a worker whose background work failed ends with a trace, and is replaced

    async def _obey(self) -> None:
        while True:
            message = await self._channel.receive()
            if isinstance(message, socket.socket):
                with suppress(OSError):  # the client has gone already
                    await self._http.adopt(message)
            elif "state" in message:
                self._live.state = State.from_json(message["state"])
                self._sabotage.apply(self._live.state)
                self._record.begin(message["generation"])
                await self._channel.send({"done": message["number"]})
            elif "stop" in message:
                return


async def serve(channel_descriptor: int, memory_descriptor: int) -> None:
    """Read the welcome and work."""
    channel = Channel(socket.socket(fileno=channel_descriptor))
    welcome = await channel.receive()
    if isinstance(welcome, socket.socket):
        raise AssertionError("the parent sends the settings before any connection")
    await Worker(channel, SharedMemory(memory_descriptor), welcome).run()
    channel.close()


def work(channel: int, memory: int) -> None:
    """Be a worker, in a process of its own that ignores signals: they are the parent's business."""
    with suppress(ClosedError):
        uvloop.run(serve(channel, memory))
