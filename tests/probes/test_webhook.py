"""The webhook probe against real servers: what it sends, what it makes of each answer, what it claims first."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest
import pytest_asyncio
from aiohttp import web
from twilio.request_validator import RequestValidator

from prober.clock import now
from prober.contract import Webhook
from prober.http1 import Client, Endpoint
from prober.outcome import Mode, Outcome, Phase, SkipReason, WebhookCheck
from prober.probes.base import Permission, Run
from prober.probes.database_session import DatabaseAddress
from prober.probes.marks import Marks
from prober.probes.synthetic import Mark
from prober.probes.webhook import WebhookProbe
from prober.probes.webhook_message import Messages, WebhookSettings
from prober.probes.witness import Witness
from prober.result import WebhookResult
from tests.http1.raw_server import Peer, Script, serving
from tests.permits import any_permit

from .answering import Answer, Answering, Asked, always, answering
from .webhooks import CONTRACT, NUMBER, PATH, PUBLIC_URL, SCHEMA, TIMEOUT, TOKEN, Intended


def probe_of(
    url: str,
    *,
    mode: Mode = Mode.FULL,
    witness: Witness | None = None,
    intend: Intended | None = None,
    reuse: bool = False,
    contract: Webhook = CONTRACT,
    permission: Permission | None = None,
) -> WebhookProbe:
    settings = WebhookSettings(
        mode=mode,
        public_url=PUBLIC_URL,
        auth_token=TOKEN,
        account_sid="AC" + "0" * 32,
        from_number=NUMBER,
        reuse_connection=reuse,
    )
    client = Client(Endpoint.parse(url))
    marks = None if witness is None else Marks(witness, "test")
    messages = Messages(contract, settings, Mark("test"), client.endpoint, marks)
    return WebhookProbe(messages, client, intend or Intended(), permission)


async def run_once(probe: WebhookProbe, timeout: float = TIMEOUT) -> WebhookResult:
    try:
        return await probe.run(Run(id="run1", started=now(), timeout=timeout, permit=any_permit()))
    finally:
        await probe.close()


def is_signed(asked: Asked, url: str = PUBLIC_URL) -> bool:
    signature = asked.headers["X-Twilio-Signature"]
    return bool(RequestValidator(TOKEN).validate(url + PATH, asked.form, signature))


async def test_sends_a_message_that_twilio_would_have_sent() -> None:
    async with answering(always(200, "OK")) as server:
        intended = Intended()
        result = await run_once(probe_of(server.url, intend=intended))
        (asked,) = server.asked
    assert (asked.method, asked.path) == ("POST", PATH)
    assert asked.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert is_signed(asked)
    assert not is_signed(asked, server.url)
    assert asked.headers["X-Forwarded-Proto"] == "https"
    assert asked.headers["X-Synthetic-Probe"] == "test/run1"
    version, trace, span, flags = asked.headers["traceparent"].split("-")
    assert (version, trace, len(span), flags) == ("00", result.trace_id, 16, "01")
    assert asked.form == {
        "From": f"whatsapp:{NUMBER}",
        "To": "whatsapp:+14155238886",
        "Body": "synthetic-prober test run1",
        "MessageSid": result.message_sid,
        "SmsSid": result.message_sid,
        "AccountSid": "AC" + "0" * 32,
        "ProfileName": "synthetic-prober",
        "NumMedia": "0",
    }
    assert (result.outcome, result.check, result.accepted, result.code) == (
        Outcome.OK,
        WebhookCheck.DELIVERY,
        True,
        200,
    )
    assert result.awaited == intended.messages[0]
    assert (result.awaited.message_sid, result.awaited.body) == (result.message_sid, asked.form["Body"])
    assert sum(result.phases.values()) == pytest.approx(result.duration)
    assert set(result.phases) == set(Phase)


ANSWERS: list[tuple[int, str, dict[str, str], Outcome, str]] = [
    (200, "OK", {}, Outcome.OK, "200"),
    (204, "", {}, Outcome.UNEXPECTED_STATUS, "expected 200, got 204"),
    (301, "", {"Location": "https://elsewhere.example/x"}, Outcome.REDIRECT, "'https://elsewhere.example/x'"),
    (400, "bad", {}, Outcome.UNEXPECTED_STATUS, "got 400: 'bad'"),
    (403, '{"code":"HTTPS_REQUIRED"}', {}, Outcome.UNEXPECTED_STATUS, "HTTPS_REQUIRED"),
    (404, "Cannot POST", {}, Outcome.UNEXPECTED_STATUS, "got 404: 'Cannot POST'"),
    (429, "slow down", {"Retry-After": "7"}, Outcome.RATE_LIMITED, "got 429"),
    (500, "x" * 5000, {}, Outcome.SERVER_ERROR, "got 500"),
    (503, "", {"Retry-After": "3"}, Outcome.SERVER_ERROR, "got 503"),
]


@pytest.mark.parametrize(
    ("status", "text", "headers", "outcome", "said"), ANSWERS, ids=[str(row[0]) for row in ANSWERS]
)
async def test_names_what_each_status_means(
    status: int, text: str, headers: dict[str, str], outcome: Outcome, said: str
) -> None:
    async with answering(always(status, text, headers)) as server:
        result = await run_once(probe_of(server.url))
        assert len(server.asked) == 1  # a redirect is not followed, and nothing is tried again
    assert result.outcome is outcome
    assert said in result.detail
    assert len(result.detail) < 400
    assert (result.code, result.accepted, result.sent) == (status, status == 200, True)
    wait = headers.get("Retry-After")
    assert result.retry_after == (None if wait is None else float(wait))


@pytest.mark.parametrize(
    ("status", "header", "seconds"),
    [
        (429, "0", 0.0),
        (429, "86400", 3600.0),
        (429, "9" * 4000, 3600.0),
        (429, "-5", None),
        (429, "1.5", None),
        (429, "²", None),
        (429, "Wed, 21 Oct 2026 07:28:00 GMT", None),
        (200, "7", None),
        (500, "7", None),
    ],
)
async def test_waits_as_it_is_told_but_not_for_ever(status: int, header: str, seconds: float | None) -> None:
    def script(peer: Peer) -> None:
        peer.read_request()
        retry = header.encode("latin-1")
        peer.send(b"HTTP/1.1 %d X\r\nRetry-After: %s\r\nContent-Length: 0\r\n\r\n" % (status, retry))

    with serving(script) as server:
        assert (await run_once(probe_of(server.url))).retry_after == seconds


def hangs(peer: Peer) -> None:
    peer.read_request()
    peer.wait_hung_up()


def resets(peer: Peer) -> None:
    peer.read_request()
    peer.reset()


def closes(peer: Peer) -> None:
    peer.read_request()


def says_garbage(peer: Peer) -> None:
    peer.read_request()
    peer.send(b"\x00\x01\x02 this is no HTTP\r\n\r\n")


def answers_half(peer: Peer) -> None:
    peer.read_request()
    peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhal")


def floods(peer: Peer) -> None:
    peer.read_request()
    peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    peer.send_for_ever(b"1000\r\n" + b"x" * 0x1000 + b"\r\n")


@pytest.mark.parametrize(
    ("script", "outcome", "timeout"),
    [
        (hangs, Outcome.TIMEOUT, 0.3),
        (resets, Outcome.RESET, TIMEOUT),
        (closes, Outcome.CLOSED, TIMEOUT),
        (says_garbage, Outcome.GARBAGE, TIMEOUT),
        (answers_half, Outcome.CLOSED, TIMEOUT),
        (floods, Outcome.TOO_LARGE, TIMEOUT),
    ],
)
async def test_names_what_is_no_answer(script: Script, outcome: Outcome, timeout: float) -> None:
    with serving(script) as server:
        result = await run_once(probe_of(server.url), timeout)
    assert (result.outcome, result.code, result.accepted, result.sent) == (outcome, None, False, True)
    assert result.detail
    # It may have arrived all the same: what it may have left is looked for.
    assert result.awaited is not None


async def test_nobody_listens(port: int) -> None:
    result = await run_once(probe_of(f"http://127.0.0.1:{port}"))
    assert (result.outcome, result.sent, result.code) == (Outcome.REFUSED, False, None)


@pytest.mark.parametrize(("reuse", "connections"), [(False, [1, 2, 3]), (True, [1, 1, 1])])
async def test_reuses_a_connection_only_where_that_is_wanted(reuse: bool, connections: list[int]) -> None:
    async with answering(always(200)) as server:
        probe = probe_of(server.url, reuse=reuse)
        results = [
            await probe.run(Run(id=f"run{n}", started=now(), timeout=TIMEOUT, permit=any_permit()))
            for n in range(3)
        ]
        await probe.close()
        assert [asked.connection for asked in server.asked] == connections
    assert [result.reused for result in results] == [False, reuse, reuse]


async def test_opens_a_new_connection_when_the_kept_one_was_closed() -> None:
    async with answering(always(200, headers={"Connection": "close"})) as server:
        probe = probe_of(server.url, reuse=True)
        for n in range(3):
            result = await probe.run(Run(id=f"run{n}", started=now(), timeout=TIMEOUT, permit=any_permit()))
            assert (result.outcome, result.reused) == (Outcome.OK, False)
        await probe.close()
        assert [asked.connection for asked in server.asked] == [1, 2, 3]


# Mode no_side_effects: the claim comes first, and without it nothing but a path check is sent.


@pytest_asyncio.fixture
async def witness(database: str) -> AsyncIterator[Witness]:
    witness = Witness(DatabaseAddress(dsn=database), instance="test")
    yield witness
    await witness.close()


def refuses_what_is_badly_signed(asked: Asked) -> int:
    return 200 if is_signed(asked) else 403


async def as_the_target(asked: Asked) -> web.Response:
    return web.Response(status=refuses_what_is_badly_signed(asked))


async def test_the_claim_is_committed_before_the_message_is_sent(database: str, witness: Witness) -> None:
    looking = await asyncpg.connect(database)
    await looking.execute(SCHEMA)
    seen: list[asyncpg.Record] = []

    async def answer(asked: Asked) -> web.Response:
        claim = 'SELECT status, "phoneNumber" FROM processed_messages WHERE "messageSid" = $1'
        seen.extend(await looking.fetch(claim, asked.form["MessageSid"]))
        return await as_the_target(asked)

    intended = Intended()
    async with answering(answer) as server:
        result = await run_once(probe_of(server.url, mode=Mode.NO_SIDE_EFFECTS, witness=witness, intend=intended))
    await looking.close()
    assert [tuple(row) for row in seen] == [("pending", NUMBER)]
    assert (result.outcome, result.check, result.mode) == (Outcome.OK, WebhookCheck.DELIVERY, Mode.NO_SIDE_EFFECTS)
    assert result.awaited == intended.messages[0]


async def path_checked(server: Answering, probe: WebhookProbe) -> WebhookResult:
    """Run once where no claim can be made: what is sent must be badly signed."""
    result = await run_once(probe)
    (asked,) = server.asked
    assert not is_signed(asked)
    assert (result.check, result.mode) == (WebhookCheck.PATH, Mode.NO_SIDE_EFFECTS)
    return result


async def test_without_a_table_to_claim_in_only_the_path_is_checked(witness: Witness) -> None:
    intended = Intended()
    async with answering(as_the_target) as server:
        probe = probe_of(server.url, mode=Mode.NO_SIDE_EFFECTS, witness=witness, intend=intended)
        result = await path_checked(server, probe)
    assert (result.outcome, result.code, result.accepted) == (Outcome.OK, 403, False)
    assert "a badly signed message was refused with 403; not delivered, no claim" in result.detail
    assert "processed_messages" in result.detail
    assert result.awaited == intended.messages[0]


async def test_with_the_database_down_only_the_path_is_checked(port: int) -> None:
    away = Witness(DatabaseAddress(dsn=f"postgresql://u:p@127.0.0.1:{port}/d"), instance="test")
    async with answering(as_the_target) as server:
        result = await path_checked(server, probe_of(server.url, mode=Mode.NO_SIDE_EFFECTS, witness=away))
    await away.close()
    assert (result.outcome, result.code) == (Outcome.OK, 403)
    assert "not delivered, no claim" in result.detail


@pytest.mark.parametrize("contract", [CONTRACT, CONTRACT.model_copy(update={"claimed": None})])
async def test_without_a_database_nothing_is_intended(contract: Webhook) -> None:
    intended = Intended()
    async with answering(as_the_target) as server:
        probe = probe_of(server.url, mode=Mode.NO_SIDE_EFFECTS, intend=intended, contract=contract)
        result = await path_checked(server, probe)
    assert (result.outcome, result.awaited, intended.messages) == (Outcome.OK, None, [])


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (always(403), Outcome.OK),
        (always(200, "OK"), Outcome.FORGED_ACCEPTED),
        (always(202), Outcome.FORGED_ACCEPTED),
        (always(404), Outcome.UNEXPECTED_STATUS),
        (always(301, headers={"Location": "/x"}), Outcome.REDIRECT),
        (always(429), Outcome.RATE_LIMITED),
        (always(500), Outcome.SERVER_ERROR),
    ],
    ids=["403", "200", "202", "404", "301", "429", "500"],
)
async def test_a_path_check_has_to_be_refused(answer: Answer, outcome: Outcome) -> None:
    async with answering(answer) as server:
        result = await path_checked(server, probe_of(server.url, mode=Mode.NO_SIDE_EFFECTS))
    assert result.outcome is outcome
    assert "403" in result.detail


async def test_a_frozen_claim_takes_a_share_of_the_timeout_and_no_more(database: str, witness: Witness) -> None:
    blocking = await asyncpg.connect(database)
    await blocking.execute(SCHEMA)
    async with blocking.transaction(), answering(as_the_target) as server:
        await blocking.execute("LOCK TABLE processed_messages")
        probe = probe_of(server.url, mode=Mode.NO_SIDE_EFFECTS, witness=witness)
        async with asyncio.timeout(TIMEOUT):
            result = await probe.run(Run(id="run1", started=now(), timeout=2.0, permit=any_permit()))
        assert [is_signed(asked) for asked in server.asked] == [False]
    await blocking.close()
    assert (result.check, result.outcome) == (WebhookCheck.PATH, Outcome.OK)
    assert result.duration < 2.0  # around the request alone, without the wait for the claim


class AllowsFirst:
    """A permission that is withdrawn after it has been asked so many times."""

    fence: int | None = None

    def __init__(self, times: int) -> None:
        self.times = times

    def refusal(self, *, undo: bool = False) -> SkipReason | None:
        self.times -= 1
        return None if self.times >= 0 else SkipReason.PAUSED


@pytest.mark.parametrize("mode", list(Mode))
async def test_while_writes_are_held_back_only_the_path_is_checked(mode: Mode) -> None:
    witness = Witness(DatabaseAddress(dsn="postgresql://nobody@127.0.0.1:1/none"), instance="test")
    async with answering(always(403, "no")) as server:
        intended = Intended()
        probe = probe_of(server.url, mode=mode, witness=witness, intend=intended, permission=AllowsFirst(0))
        result = await run_once(probe)
        (asked,) = server.asked
    assert not is_signed(asked)
    assert (result.outcome, result.check, result.awaited) == (Outcome.OK, WebhookCheck.PATH, None)
    assert result.detail == "a badly signed message was refused with 403; not delivered: paused"
    assert intended.messages == []


async def test_a_pause_that_comes_before_the_message_is_sent_still_holds_it_back() -> None:
    async with answering(always(403, "no")) as server:
        intended = Intended()
        result = await run_once(probe_of(server.url, intend=intended, permission=AllowsFirst(1)))
        (asked,) = server.asked
    assert not is_signed(asked)
    assert result.check is WebhookCheck.PATH
    # It was written down already: whoever follows it finds that there is nothing.
    assert result.awaited == intended.messages[0]


async def test_a_pause_that_comes_after_the_claim_holds_the_message_back_and_the_claim_is_followed(
    database: str,
) -> None:
    looking = await asyncpg.connect(database)
    await looking.execute(SCHEMA)
    witness = Witness(DatabaseAddress(dsn=database), instance="test")
    async with answering(always(403, "no")) as server:
        probe = probe_of(server.url, mode=Mode.NO_SIDE_EFFECTS, witness=witness, permission=AllowsFirst(2))
        result = await run_once(probe)
        (asked,) = server.asked
    await witness.close()
    claimed = await looking.fetchval(
        'SELECT count(*) FROM processed_messages WHERE "messageSid" = $1', result.message_sid
    )
    await looking.close()
    assert not is_signed(asked)
    assert claimed == 1
    assert result.awaited is not None
