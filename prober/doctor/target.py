"""Sends the few requests that tell whether the target can be watched, each marked, none with an effect."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Mapping

from prober.cap import Demand
from prober.clock import now
from prober.config.model import Config
from prober.contract import Contract, fill
from prober.doctor import target_reading as reading
from prober.doctor.claim import claimed
from prober.doctor.finding import Finding, problem, skipped
from prober.gate import Gate
from prober.http1 import Answer, Client, Exchange, build_request
from prober.outcome import Outcome, SkipReason
from prober.probes.base import Run
from prober.probes.marks import Marks
from prober.probes.synthetic import HEADER, Mark, new_run_id, new_trace
from prober.probes.webhook_message import Messages, Signing

# How long a request waits for the caps to allow it (seconds); the doctor asks one after the other.
PATIENCE = 10.0


class TargetAsker:
    """Requests to one target, never more than the cap allows."""

    def __init__(self, config: Config, contract: Contract, client: Client, messages: Messages, gate: Gate) -> None:
        self.contract = contract
        self.messages = messages
        self.gate = gate
        self._config = config
        self._client = client
        self._mark = Mark(config.instance)

    async def forged(self, sid: str) -> Exchange:
        """A badly signed message."""
        return await self._message(sid, Signing.FORGED, None)

    async def signed_for(self, url: str, sid: str) -> Exchange:
        """A message signed with our token as if `url` were the public one."""
        return await self._message(sid, Signing.RIGHTLY, url)

    async def route(self, method: str, path: str, body: Mapping[str, str] | None) -> Exchange:
        """A route or page, as the health probe asks for it."""
        sent = b"" if body is None else json.dumps(dict(body)).encode()
        headers = dict(self.contract.health.headers)
        if body is not None:
            headers["Content-Type"] = "application/json"
        return await self._send(method, path, headers, sent, self._config.probes.health.timeout)

    async def accept(self) -> Exchange:
        """The accept of a routing that does not exist."""
        accept, nobody = self.contract.race.accept, reading.NOBODY
        headers = {**accept.headers, "Content-Type": "application/json"}
        if accept.idempotency_header is not None:
            headers[accept.idempotency_header] = new_run_id(time.time())
        if self._config.target.bearer_token is not None:
            headers["Authorization"] = f"Bearer {self._config.target.bearer_token.get_secret_value()}"
        body = json.dumps({key: fill(text, nobody) for key, text in accept.body.items()}).encode()
        return await self._send("POST", fill(accept.path, nobody), headers, body, self._config.probes.race.timeout)

    async def _message(self, sid: str, signing: Signing, url: str | None) -> Exchange:
        timeout = self._config.probes.webhook.timeout
        started = now()
        run = Run(id=new_run_id(started.wall), started=started, timeout=timeout)
        message = self.messages.compose(run, sid=sid)
        request = self.messages.request(run, message, signing, signed_url=url)
        return await self._exchange(self.contract.webhook.path, request.content, timeout)

    async def _send(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes, timeout: float
    ) -> Exchange:
        marked = {
            **headers,
            HEADER: self._mark.header(new_run_id(time.time())),
            "traceparent": new_trace()[1],
        }
        request = build_request(method, self._client.endpoint, path, marked, body)
        return await self._exchange(path, request, timeout)

    async def _exchange(self, path: str, request: bytes, timeout: float) -> Exchange:
        """Send a request as soon as the caps allow it; not at all where the target asked us to wait."""
        permit = await self.gate.permit(self._demand(path), patience=PATIENCE)
        if isinstance(permit, SkipReason):
            moment = time.monotonic()
            outcome = Outcome.RATE_LIMITED if permit is SkipReason.RATE_LIMITED else Outcome.NOT_KNOWN
            return Exchange(
                outcome=outcome,
                detail=f"not asked: {permit.replace('_', ' ')}",
                phases={},
                started=moment,
                finished=moment,
            )
        try:
            return await self._client.exchange(permit, request, timeout=timeout)
        finally:
            permit.close()

    def _demand(self, path: str) -> Demand:
        return self.gate.routes.demand([self._client.endpoint.path + path])


async def examine_way(asker: TargetAsker, config: Config, marks: Marks | None) -> tuple[list[Finding], bool]:
    """Name, connection, TLS, the webhook's path, HTTPS and limit, and that a forged message is refused.

    Also whether the target answered at all.
    """
    webhook = asker.contract.webhook
    # Claimed, in case that it is taken for a real one.
    async with claimed(webhook, marks, config.instance) as claim:
        exchange = await asker.forged(claim.sid)
        claim.accepted = exchange.answer is not None and exchange.answer.status in webhook.accepted
    findings = reading.read_way(exchange, config.target.url, time.time())
    if exchange.answer is None:
        return [*findings, *skipped([*reading.DOOR, reading.CLOCK], "no answer from the target")], False
    findings += reading.read_forged(webhook, exchange.answer, config.target.rate_limit)
    # By our clock at about the moment at which the target made its answer.
    ours = time.time() - (time.monotonic() - exchange.finished) - (exchange.finished - exchange.started) / 2
    theirs = reading.date_of(exchange.answer)
    # A Date is cut to its second, so it is half a second early on average.
    theirs = None if theirs is None else theirs + 0.5
    findings.append(reading.read_clock(reading.CLOCK, "the target", ours, theirs, 0.5))
    return findings, True


async def examine_pages(asker: TargetAsker, *, race: bool, has_token: bool) -> AsyncIterator[Finding]:
    """Every route and page of the contract, and the accept of a routing that does not exist."""
    health = asker.contract.health
    for route in health.routes:
        exchange = await asker.route(route.method, route.path, route.body)
        yield _answered(f"route.{route.name}", exchange) or reading.read_route(route, _answer(exchange))
    for page in health.pages:
        exchange = await asker.route("GET", page.path, None)
        yield _answered(f"page.{page.path}", exchange) or reading.read_page(page, _answer(exchange))
    if race:
        exchange = await asker.accept()
        read = reading.read_accept
        yield _answered(reading.ACCEPT, exchange) or read(
            asker.contract.race, _answer(exchange), has_token=has_token
        )


def page_steps(contract: Contract, *, race: bool) -> list[str]:
    """The names of what `examine_pages` finds."""
    health = contract.health
    names = [*(f"route.{route.name}" for route in health.routes), *(f"page.{page.path}" for page in health.pages)]
    return [*names, *([reading.ACCEPT] if race else [])]


def _answered(name: str, exchange: Exchange) -> Finding | None:
    """The problem of an exchange without an answer."""
    if exchange.answer is not None:
        return None
    return problem(name, exchange.detail, "see the target: it answered another request just now")


def _answer(exchange: Exchange) -> Answer:
    if exchange.answer is None:
        raise AssertionError("an exchange without an answer was read")
    return exchange.answer
