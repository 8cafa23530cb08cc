"""The webhook: every check of the deployed system in its order, then taking the message so that it is not lost.

Order (TARGET, "Webhook"): HTTPS, rate limit, replay, signature, X-Idempotency-Key, MessageSid, handler.
"""

from __future__ import annotations

import hashlib
import random
import time
from collections.abc import Mapping
from http import HTTPStatus
from urllib.parse import parse_qsl

from aiohttp import web

from prober.demo.target.config import Settings
from prober.demo.target.database import Database, UnavailableError
from prober.demo.target.exchange import Incoming, refused, text
from prober.demo.target.faults import (
    DuplicateEffect,
    ForgedAccepted,
    LateProcessing,
    LostMessage,
    ReplayAccepted,
    Switch,
    UnsignedAccepted,
)
from prober.demo.target.forms import MessageStatements
from prober.demo.target.limits import SharedMemory
from prober.demo.target.live import Live
from prober.demo.target.messages import Message, Taken, Task, processed_at, take_message
from prober.demo.target.record import Kind, RecordWriter
from prober.demo.target.signature import is_signed
from prober.demo.target.webhook_queue import WebhookQueue

TIMESTAMP_HEADER = "x-twilio-timestamp"
OLDEST = 300.0  # seconds
NEWEST = 30.0  # seconds ahead of us
DATABASE_GONE = "database_unavailable"
REDIS_GONE = "redis_unavailable"


class Webhook:
    """Answers requests on the webhook's path."""

    def __init__(
        self,
        settings: Settings,
        statements: MessageStatements,
        live: Live,
        database: Database,
        queue: WebhookQueue,
        memory: SharedMemory,
        record: RecordWriter,
    ) -> None:
        self._settings = settings
        self._statements = statements
        self._live = live
        self._database = database
        self._queue = queue
        self._memory = memory
        self._record = record

    async def answer(self, incoming: Incoming) -> web.Response:
        """Run the chain."""
        if (answer := self._demand_https(incoming)) is not None:
            return answer
        limits, answer = self._count(incoming)
        if answer is None:
            answer = text("OK") if incoming.method == "GET" else await self._post(incoming)
        answer.headers.update(limits)
        return answer

    def _demand_https(self, incoming: Incoming) -> web.Response | None:
        if incoming.headers.get("X-Forwarded-Proto", "").lower() == "https":
            return None
        if self._settings.environment == "development":
            return refused(HTTPStatus.FORBIDDEN, "HTTPS is required", "HTTPS_REQUIRED")
        location = f"https://{incoming.headers.get('Host', 'localhost')}{incoming.path}"
        return web.Response(status=HTTPStatus.MOVED_PERMANENTLY, headers={"Location": location})

    def _count(self, incoming: Incoming) -> tuple[Mapping[str, str], web.Response | None]:
        limit = self._settings.rate_limit
        if limit.requests == 0:
            return {}, None
        allowance = self._memory.count_request(
            incoming.client, limit.requests, limit.window_seconds, time.monotonic()
        )
        headers = {
            "RateLimit-Policy": f"{limit.requests};w={limit.window_seconds:g}",
            "RateLimit-Limit": str(allowance.limit),
            "RateLimit-Remaining": str(allowance.remaining),
            "RateLimit-Reset": str(allowance.reset),
        }
        if allowance.allowed:
            return headers, None
        headers["Retry-After"] = str(allowance.reset)
        return headers, refused(HTTPStatus.TOO_MANY_REQUESTS, "Too many requests", "RATE_LIMIT_EXCEEDED")

    async def _post(self, incoming: Incoming) -> web.Response:
        nonce, answer = self._check_replay(incoming)
        if answer is not None:
            return answer
        fields = parse_qsl(incoming.body.decode("utf-8", "replace"), keep_blank_values=True)
        form = dict(fields)
        incoming.about["sid"] = form.get("MessageSid")
        answer = self._check_signature(incoming, fields)
        if answer is None:
            answer = await self._handle(incoming, form)
        if nonce is not None and answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            self._memory.forget(nonce, time.monotonic())  # Twilio may send it again
        return answer

    def _check_replay(self, incoming: Incoming) -> tuple[bytes | None, web.Response | None]:
        stamp = incoming.headers.get(TIMESTAMP_HEADER)
        if stamp is None or self._live.state.planted(ReplayAccepted) is not None:
            return None, None
        try:
            age = time.time() - float(stamp)
        except ValueError:
            return None, refused(HTTPStatus.BAD_REQUEST, "x-twilio-timestamp is no Unix time", "INVALID_TIMESTAMP")
        if not -NEWEST <= age <= OLDEST:
            return None, refused(HTTPStatus.BAD_REQUEST, "Request is too old or from the future", "STALE_REQUEST")
        signature = incoming.headers.get("X-Twilio-Signature", "")
        nonce = hashlib.sha256(f"{stamp}\0{signature}\0".encode() + incoming.body).digest()
        if not self._memory.remember(nonce, OLDEST + NEWEST, time.monotonic()):
            return None, refused(HTTPStatus.CONFLICT, "Request was seen before", "REPLAY_DETECTED")
        return nonce, None

    def _check_signature(self, incoming: Incoming, fields: list[tuple[str, str]]) -> web.Response | None:
        signature = incoming.headers.get("X-Twilio-Signature")
        if not signature:
            if self._live.state.planted(UnsignedAccepted) is not None:
                return None
            return refused(HTTPStatus.FORBIDDEN, "Missing Twilio signature")
        if is_signed(self._settings.auth_token, self._settings.public_url, fields, signature):
            return None
        if self._live.state.planted(ForgedAccepted) is not None:
            return None
        return refused(HTTPStatus.FORBIDDEN, "Invalid Twilio signature")

    async def _handle(self, incoming: Incoming, form: Mapping[str, str]) -> web.Response:
        sid, sender = form.get("MessageSid", ""), form.get("From", "")
        if not sid or not sender:
            return refused(HTTPStatus.BAD_REQUEST, "MessageSid and From are required")
        key = incoming.headers.get("X-Idempotency-Key") or None
        message = Message(
            sid=sid,
            sender=sender.removeprefix("whatsapp:"),
            body=form.get("Body", ""),
            key=key,
            source_ip=incoming.client,
            form=form if key is not None else None,
        )
        state = self._live.state
        lost = state.planted(LostMessage)
        if lost is not None and random.random() < lost.probability:  # noqa: S311 - no secret
            return self._lose(message, LostMessage.name)
        try:
            taken = await self._take(message)
        except UnavailableError as reason:
            return await self._take_without_database(message, str(reason))
        if taken is Taken.NEW:
            return await self._enqueue(message)
        self._record.write(Kind.REPEATED, sid=sid, by=taken)
        if taken is Taken.REPEATED_KEY:
            return await self._repeat_of_key(key or "")
        await self._after_repeat(message)
        return text("OK")

    async def _take(self, message: Message) -> Taken:
        state = self._live.state
        late = state.planted(LateProcessing)
        durable = state.on(Switch.DURABLE_ACCEPT)
        return await self._database.run(
            lambda connection: take_message(
                connection,
                self._statements,
                message,
                store_job=state.on(Switch.QUEUE_FALLBACK),
                delay=late.delay_seconds if late is not None else 0.0,
                skip_now=late is None,
            ),
            self._settings.database.timeout if durable else None,
        )

    async def _enqueue(self, message: Message) -> web.Response:
        """The row is committed; with queue_fallback its job row is too, and Redis is only the quick way."""
        state = self._live.state
        stored = "redis" if await self._queue.add(message, Task.PROCESS) else "database"
        if stored == "database" and not state.on(Switch.QUEUE_FALLBACK):
            return self._lose(message, REDIS_GONE)
        faulty = state.planted(DuplicateEffect)
        if faulty is not None and faulty.on == "every":
            await self._queue.add(message, Task.AGAIN)
        self._record.write(Kind.ACCEPTED, sid=message.sid, stored=stored)
        return text("OK")

    async def _after_repeat(self, message: Message) -> None:
        state = self._live.state
        if state.planted(DuplicateEffect) is not None:
            await self._queue.add(message, Task.AGAIN)
        if state.planted(LateProcessing) is not None:
            await self._queue.add(message, Task.SKIP)
        else:
            self._record.write(Kind.SKIPPED, sid=message.sid)

    async def _take_without_database(self, message: Message, reason: str) -> web.Response:
        """Whether the database has the message is not known: the job settles that when it is back."""
        if not self._live.state.on(Switch.DURABLE_ACCEPT):
            return self._lose(message, DATABASE_GONE)
        if await self._queue.add(message, Task.DEFERRED):
            self._record.write(Kind.ACCEPTED, sid=message.sid, stored="redis", deferred=True)
            return text("OK")
        return refused(
            HTTPStatus.SERVICE_UNAVAILABLE, f"The message could not be stored ({reason})", "UNAVAILABLE"
        )

    async def _repeat_of_key(self, key: str) -> web.Response:
        try:
            taken_at = await self._database.run(
                lambda connection: processed_at(connection, self._statements, key),
                self._settings.database.timeout,
            )
        except UnavailableError:
            taken_at = None
        return web.json_response(
            {"success": True, "message": "Webhook already processed", "processed_at": taken_at}
        )

    def _lose(self, message: Message, reason: str) -> web.Response:
        self._record.write(Kind.LOST, sid=message.sid, reason=reason)
        return text("OK")
