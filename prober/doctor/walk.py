"""The whole walk: the target, its pages, the database, Redis, and one message through all of them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from prober.clock import now
from prober.config.model import Config
from prober.contract import Contract
from prober.daemon.assembly import make_gate, target_client, target_witness
from prober.daemon.once_effects import CheckedEffects
from prober.doctor import target_reading as reading
from prober.doctor.claim import claimed
from prober.doctor.database import examine_database
from prober.doctor.finding import Finding, hint, ok, problem, skipped
from prober.doctor.redis import examine_redis
from prober.doctor.target import PATIENCE, TargetAsker, examine_pages, examine_way, page_steps
from prober.http1 import Client
from prober.outcome import Mode, SkipReason, StepVerdict, WebhookCheck
from prober.probes.base import Run
from prober.probes.marks import Marks
from prober.probes.synthetic import NOBODYS_NUMBER, Mark, new_run_id
from prober.probes.webhook import WebhookProbe
from prober.probes.webhook_message import Messages, WebhookSettings
from prober.result import WebhookResult

CLAIMABLE = (StepVerdict.OK, StepVerdict.HINT)


async def examine(config: Config, contract: Contract) -> AsyncIterator[Finding]:
    """Every step, one after the other, as it is found. Makes nothing that it does not remove.

    Whatever servers do is a finding; an exception is a fault of ours.
    """
    client, witness = target_client(config), target_witness(config)
    # Marked as a part of this instance: its daemon, which may run beside, takes nothing of it for its own.
    marks = None if witness is None else Marks(witness, f"{config.instance}/doctor")
    try:
        # First, since a message is sent only with its id claimed there; told after the target, which comes first.
        database = [finding async for finding in examine_database(config, contract)]
        obstacle = _obstacle(contract, database)
        asker = TargetAsker(
            config,
            contract,
            client,
            _messages(config, contract, client, marks),
            make_gate(config, contract),
        )
        way, answers = await examine_way(asker, config, None if obstacle else marks)
        for finding in way:
            yield finding
        async for finding in _pages(asker, config, answers=answers):
            yield finding
        for finding in [*database, *await examine_redis(config, contract)]:
            yield finding
        if config.probes.webhook.enabled:
            bad = next((f"{finding.name} failed" for finding in way if finding.is_bad), obstacle)
            for finding in await _examine_message(asker, config, client, marks, bad):
                yield finding
    finally:
        if witness is not None:
            await witness.close()


async def _pages(asker: TargetAsker, config: Config, *, answers: bool) -> AsyncIterator[Finding]:
    race, token = config.probes.race.enabled, config.target.bearer_token is not None
    if answers:
        async for finding in examine_pages(asker, race=race, has_token=token):
            yield finding
    else:
        for finding in skipped(page_steps(asker.contract, race=race), "no answer from the target"):
            yield finding


def _obstacle(contract: Contract, database: Sequence[Finding]) -> str:
    """Why no id can be claimed; empty when one can."""
    if contract.webhook.claimed is None:
        return "the contract has no webhook.claimed, and without a claim a message may have effects"
    steps = [finding for finding in database if finding.name.startswith("sql.webhook.claimed.")]
    bad = next((finding.name for finding in steps if finding.verdict not in CLAIMABLE), None)
    if bad is None and steps:
        return ""
    return f"{bad or 'the database'} failed, and without a claim a message may have effects"


def _messages(config: Config, contract: Contract, client: Client, marks: Marks | None) -> Messages:
    """Always claimed, and from nobody's number: a message of the doctor has no effect on anyone."""
    settings = WebhookSettings(
        mode=Mode.NO_SIDE_EFFECTS,
        public_url=config.target.public_url,
        auth_token=config.target.auth_token.get_secret_value(),
        account_sid=config.target.account_sid,
        from_number=NOBODYS_NUMBER,
    )
    return Messages(contract.webhook, settings, Mark(config.instance), client.endpoint, marks)


async def _examine_message(
    asker: TargetAsker, config: Config, client: Client, marks: Marks | None, obstacle: str
) -> list[Finding]:
    """A rightly signed message, its effect, and that nothing of it is left."""
    steps = [reading.SIGNED, reading.EFFECT]
    if obstacle:
        return skipped(steps, obstacle)
    contract, started = asker.contract, now()
    probe = WebhookProbe(asker.messages, client, _nothing)
    permit = await asker.gate.permit(probe.demand, patience=PATIENCE)
    if isinstance(permit, SkipReason):
        return skipped(steps, f"not asked: {permit.replace('_', ' ')}")
    timeout = config.probes.webhook.timeout
    run = Run(id=new_run_id(started.wall), started=started, timeout=timeout, permit=permit)
    try:
        result = await probe.run(run)
    finally:
        permit.close()
    if result.check is WebhookCheck.PATH:
        why = "no id could be claimed, and without a claim a message may have effects"
        return skipped(steps, why)
    signed = reading.read_signed(contract.webhook, result)
    if signed.is_bad:
        # Nothing to wait for; but the claim has to go.
        await _effect(config, contract, marks, result)
        if result.code in (401, *contract.webhook.path_check.refused):
            signed = await _other_urls(asker, config, marks, signed)
        return [signed, *skipped([reading.EFFECT], f"{signed.name} failed")]
    return [signed, *await _effect(config, contract, marks, result)]


async def _nothing(*_: object) -> None:
    """What a doctor makes it removes before it ends, so it keeps no journal."""


async def _effect(config: Config, contract: Contract, marks: Marks | None, result: WebhookResult) -> list[Finding]:
    if marks is None:
        return []
    lines = await CheckedEffects(config, contract, marks).lines([result])
    return [_effect_finding(line.verdict, line.sentence) for line in lines]


def _effect_finding(verdict: str, sentence: str) -> Finding:
    if verdict == "ok":
        return ok(reading.EFFECT, sentence)
    if verdict == "unknown":
        mend = "target.contract_overrides: webhook.claimed.effect, where this version leaves a trace of a repeat"
        return hint(reading.EFFECT, sentence, mend)
    mend = (
        "see the target's workers; if its version leaves other traces, target.contract_overrides: "
        "webhook.claimed.effect; if it is only slow, probes.webhook.processing_deadline"
    )
    return problem(reading.EFFECT, sentence, mend)


async def _other_urls(asker: TargetAsker, config: Config, marks: Marks | None, signed: Finding) -> Finding:
    """Try the spellings of the public URL that people mix up, a request each, with an id that is claimed."""
    target, webhook = config.target, asker.contract.webhook
    urls = reading.public_urls(target.public_url, target.url, webhook.path)
    async with claimed(webhook, marks, config.instance) as claim:
        if not claim.holds:
            urls = ()
        for url in urls:
            exchange = await asker.signed_for(url, claim.sid)
            if exchange.answer is not None and exchange.answer.status in webhook.accepted:
                claim.accepted = True
                return reading.explain_signature(webhook, signed, target.public_url, url, len(urls))
    return reading.explain_signature(webhook, signed, target.public_url, None, len(urls))
