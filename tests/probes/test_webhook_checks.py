"""The rarer checks against a real server: what they send, what is a violation, what is known of each message."""

from __future__ import annotations

from collections.abc import Iterator
from email.utils import formatdate

import pytest
from aiohttp import web
from twilio.request_validator import RequestValidator

from prober.clock import now
from prober.http1 import Client, Endpoint
from prober.outcome import Mode, Outcome, Violation, WebhookCheck
from prober.probes.base import Probe, Run
from prober.probes.synthetic import Mark
from prober.probes.webhook_duplicate import DuplicateProbe
from prober.probes.webhook_message import Messages, WebhookSettings
from prober.probes.webhook_replay import BEYOND, ReplayProbe
from prober.probes.webhook_signature import SignatureProbe
from prober.result import WebhookCheckResult
from tests.permits import permit_for

from .answering import Answer, Asked, always, answering
from .webhooks import CONTRACT, PATH, PUBLIC_URL, TIMEOUT, TOKEN, Intended


def probe_of(kind: str, url: str) -> Probe:
    settings = WebhookSettings(
        mode=Mode.FULL,
        public_url=PUBLIC_URL,
        auth_token=TOKEN,
        account_sid="AC" + "0" * 32,
        from_number="+999000000000",
    )
    client = Client(Endpoint.parse(url))
    messages = Messages(CONTRACT, settings, Mark("test"), client.endpoint, None)
    if kind == "replay":
        assert CONTRACT.replay is not None
        return ReplayProbe(messages, CONTRACT.replay, client, Intended())
    return (DuplicateProbe if kind == "duplicate" else SignatureProbe)(messages, client, Intended())


async def run_of(kind: str, *answers: Answer) -> tuple[WebhookCheckResult, list[Asked]]:
    """One run against a server that gives these answers in turn, the last one again and again."""
    waiting: Iterator[Answer] = iter(answers)
    last = answers[-1]

    async def answer(asked: Asked) -> web.Response:
        return await next(waiting, last)(asked)

    async with answering(answer) as server:
        probe = probe_of(kind, server.url)
        run = Run(id="run1", started=now(), timeout=TIMEOUT, permit=permit_for(webhook=20))
        result = await probe.run(run)
        await probe.close()
        assert isinstance(result, WebhookCheckResult)
        return result, list(server.asked)


def codes(result: WebhookCheckResult) -> list[int | None]:
    return [attempt.code for attempt in result.attempts]


def is_signed(asked: Asked) -> bool:
    signature = asked.headers.get("X-Twilio-Signature", "")
    return bool(RequestValidator(TOKEN).validate(PUBLIC_URL + PATH, asked.form, signature))


async def test_a_message_is_sent_twice_and_another_five_times_at_once() -> None:
    result, asked = await run_of("duplicate", always(200, "OK"))
    assert (result.outcome, codes(result)) == (Outcome.OK, [200] * 7)
    assert all(is_signed(each) for each in asked)
    first, second = (message.message_sid for message in result.awaited)
    assert [each.form["MessageSid"] for each in asked] == [first] * 2 + [second] * 5
    assert len({each.form["Body"] for each in asked}) == 2
    assert all(message.accepted is not None and message.repeated for message in result.awaited)


async def test_a_refused_repeat_does_not_undo_that_a_message_was_taken() -> None:
    result, _ = await run_of("duplicate", always(200, "OK"), always(409, "again"))
    assert result.outcome is Outcome.UNEXPECTED_STATUS
    first = result.awaited[0]
    assert first.accepted is not None
    assert not first.refused


async def test_what_is_badly_or_not_signed_has_to_be_refused() -> None:
    result, asked = await run_of("signature", always(403, "no"))
    assert (result.outcome, result.violations, codes(result)) == (Outcome.OK, (), [403, 403])
    assert ["X-Twilio-Signature" in each.headers for each in asked] == [True, False]
    assert not any(is_signed(each) for each in asked)
    # Nothing can come of them, so their claims may go at once.
    assert all(message.refused and message.accepted is None for message in result.awaited)


@pytest.mark.parametrize(
    ("answers", "violations"),
    [
        ((200, 403), (Violation.FORGED_ACCEPTED,)),
        ((403, 200), (Violation.UNSIGNED_ACCEPTED,)),
        ((200, 202), (Violation.FORGED_ACCEPTED, Violation.UNSIGNED_ACCEPTED)),
    ],
)
async def test_what_is_taken_without_a_good_signature_is_a_violation(
    answers: tuple[int, int], violations: tuple[Violation, ...]
) -> None:
    result, _ = await run_of("signature", *(always(code, "OK") for code in answers))
    assert (result.outcome, result.violations) == (Outcome.VIOLATION, violations)
    # It cannot be lost, and it has to be removed once what was taken has been done.
    assert all(message.accepted is None for message in result.awaited)
    assert [message.refused for message in result.awaited] == [code == 403 for code in answers]


@pytest.mark.parametrize("code", [404, 429, 500, 301])
async def test_other_answers_to_a_bad_signature_are_no_violation(code: int) -> None:
    result, _ = await run_of("signature", always(code, ""))
    assert result.violations == ()
    assert result.outcome not in (Outcome.OK, Outcome.VIOLATION)


async def test_an_old_message_and_one_that_was_taken_have_to_be_refused() -> None:
    result, asked = await run_of("replay", always(400, "old"), always(200, "OK"), always(409, "seen"))
    assert (result.outcome, result.violations, codes(result)) == (Outcome.OK, (), [400, 200, 409])
    stamps = [int(each.headers["X-Twilio-Timestamp"]) for each in asked]
    assert stamps[1] == stamps[2]
    assert stamps[1] - stamps[0] > BEYOND
    assert all(is_signed(each) for each in asked)
    assert asked[1].form == asked[2].form
    old, fresh = result.awaited
    assert old.refused
    assert fresh.accepted is not None
    assert not fresh.refused


@pytest.mark.parametrize("answers", [(200, 200, 409), (400, 200, 200)])
async def test_a_replay_that_is_taken_is_a_violation(answers: tuple[int, ...]) -> None:
    result, _ = await run_of("replay", *(always(code, "OK") for code in answers))
    assert (result.outcome, result.violations) == (Outcome.VIOLATION, (Violation.REPLAY_ACCEPTED,))
    assert {attempt.check for attempt in result.attempts} == {WebhookCheck.REPLAY}


async def test_nothing_is_judged_by_clocks_that_are_far_apart() -> None:
    date = {"Date": formatdate(now().wall - 4000, usegmt=True)}
    result, _ = await run_of("replay", always(200, "OK", date))
    assert result.violations == ()
    assert "clock" in result.detail


async def test_without_a_fresh_message_taken_there_is_nothing_to_repeat() -> None:
    result, asked = await run_of("replay", always(400, "old"), always(503, "no"))
    assert len(asked) == 2
    assert (result.outcome, result.violations) == (Outcome.SERVER_ERROR, ())
