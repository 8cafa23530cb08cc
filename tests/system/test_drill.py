"""Drills on a real stack, in short forms: what they say is what the target's own record says."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from prober.demo.process import Owner
from prober.demo.stack import Stack
from prober.demo.target.control_client import ControlClient
from prober.demo.target.faults import Switch
from prober.outcome import Ending, Measure, Verdict
from prober.suites.results import Results
from prober.suites.results_drill import DrillDetail, PhaseFigures
from tests.system.commanding import prober
from tests.system.daemon_stack import change_config, rows
from tests.system.drilling import Ended, drillable_stack, drilled, recorded
from tests.system.watching import until

pytestmark = pytest.mark.asyncio(loop_scope="module")
SHORT = ("--duration", "4s", "--rate", "12")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack() -> AsyncIterator[Stack]:
    async with Owner() as owner:
        stack = drillable_stack(owner)
        await stack.start_services()
        yield stack
        await stack.stop_drills()


def complete(ended: Ended) -> tuple[Results, DrillDetail]:
    assert ended.results is not None, ended.told
    assert ended.results.ending is Ending.COMPLETE, ended.told
    detail = ended.results.detail
    assert isinstance(detail, DrillDetail)
    assert [i for i in detail.injections if not i.checked] == []
    return ended.results, detail


def phase(detail: DrillDetail, name: str) -> PhaseFigures:
    (found,) = [each for each in detail.phases if each.name == name]
    return found


async def agree(stack: Stack, results: Results, detail: DrillDetail) -> None:
    """Every count is the target's own."""
    record = await recorded(stack, results.run_id)
    followed = detail.followed
    assert followed is not None
    answered = sum(each.accepted + sum(each.rejected.values()) for each in detail.phases)
    assert answered <= len(record.received) <= sum(each.sent for each in detail.phases)
    taken, unanswered = record.accepted | record.lost, sum(sum(each.failed.values()) for each in detail.phases)
    # Who gave up on an answer does not know that the target took the message: nothing is claimed of it.
    assert followed.accepted <= len(taken) <= followed.accepted + unanswered
    # One that was being committed when the database died had its effect, and the target never heard of it.
    lost = len(taken - record.processed)
    assert lost - unanswered - 1 <= followed.lost <= lost + 1
    assert followed.not_known == 0
    assert followed.repeated == 0


async def nothing_left(stack: Stack) -> None:
    async def no_rows() -> bool:
        if not any((await rows(stack, "processed_messages", "whatsapp_messages")).values()):
            return True
        # What arrived after the drill had ended is removed by its ledger: by a daemon, or by this.
        await prober(stack.config_file, "cleanup")
        return False

    await until("every row of the drill to be removed", no_rows)
    connection = await stack.postgres.connect("orders")
    try:
        sessions = await connection.fetchval(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'synthetic-prober%drill-%'"
        )
    finally:
        await connection.close()
    assert sessions == 0
    assert list((stack.data_dir / "faults").glob("*.json")) == []
    client = stack.redis.client()
    try:
        assert [key async for key in client.scan_iter("synthetic-prober:*drill*")] == []
    finally:
        await client.aclose()


async def messages_of(stack: Stack, run_id: str) -> int:
    """How many messages of this run had their effect; a drill before it may have left some to a later clean-up."""
    connection = await stack.postgres.connect("orders")
    try:
        found = "SELECT count(*) FROM whatsapp_messages one WHERE strpos(one::text, $1) > 0"
        return int(await connection.fetchval(found, run_id))
    finally:
        await connection.close()


async def switched(stack: Stack, switch: Switch, *, on: bool) -> None:
    async with ControlClient(stack.target.control_url) as control:
        await control.switch(switch, on=on)


@pytest.mark.parametrize(
    ("words", "switch", "measure"),
    [
        (("redis", "crash"), Switch.QUEUE_FALLBACK, Measure.ERROR_RATE),
        (("db", "crash"), Switch.DURABLE_ACCEPT, Measure.SUCCESS_DURING),
    ],
    ids=["redis", "db"],
)
async def test_resilience_on_and_off(
    stack: Stack, words: tuple[str, str], switch: Switch, measure: Measure
) -> None:
    # What is due at the fault's edges may get through, or be answered before our own probes see the service again:
    # of a shorter drill, on a busy machine, that is more than the guide allows.
    sizes = ("--duration", "7s", "--rate", "12")
    with_it, detail = complete(await drilled(stack.config_file, *words, *sizes))
    await agree(stack, with_it, detail)
    # On a busy machine the one that is under way as it breaks may fail.
    assert with_it.measures[measure] == pytest.approx(0 if measure is Measure.ERROR_RATE else 1, abs=0.1)
    assert with_it.judgement.verdict in (Verdict.EXCELLENT, Verdict.GOOD)
    assert detail.recovery.service_outage_seconds is not None
    assert detail.recovery.service_outage_seconds > 1
    await nothing_left(stack)
    await switched(stack, switch, on=False)
    try:
        ended = await drilled(stack.config_file, *words, *sizes)
    finally:
        await switched(stack, switch, on=True)
    without, detail = complete(ended)
    await agree(stack, without, detail)
    assert ended.code == 1
    assert detail.followed is not None
    assert detail.followed.lost > 0
    # What was taken just before the fault is still under way when it strikes, and may be lost with it.
    before, during = phase(detail, "before").success_rate, phase(detail, "during").success_rate
    assert before is not None
    assert during is not None
    assert before > during
    (row,) = [point for point in without.judgement.breaking_points if point.measure is measure]
    assert row.verdict in (Verdict.WARNING, Verdict.CRITICAL)
    # Lost and not waited for: the remedy is a queue and no circuit breaker.
    titles = [advice.title for advice in without.judgement.advice]
    assert [title for title in titles if "(fallback queue)" in title]
    assert not [title for title in titles if "(circuit breaker)" in title], without.measures
    await nothing_left(stack)


async def test_a_database_drill_counts_its_own_rollbacks(stack: Stack) -> None:
    results, detail = complete(
        await drilled(stack.config_file, "db", "cascade", "--duration", "5s", "--rate", "8")
    )
    assert [injection.fault for injection in detail.injections] == ["locks", "sessions", "kill"]
    assert detail.rollbacks is not None
    assert detail.rollbacks.transactions > 10
    assert results.measures[Measure.ROLLBACKS] == detail.rollbacks.rolled_back / detail.rollbacks.transactions
    assert detail.backlog.largest is not None
    await agree(stack, results, detail)
    await nothing_left(stack)


@pytest.mark.parametrize("words", [("redis", "crash"), ("db", "slow")], ids=["redis", "db"])
async def test_claimed_messages_have_no_side_effect_whatever_is_broken(
    stack: Stack, words: tuple[str, str]
) -> None:
    await nothing_left(stack)
    original = stack.config_file.read_text(encoding="utf-8")
    change_config(stack, lambda document: document["probes"]["webhook"].update(mode="no_side_effects"))
    try:
        results, detail = complete(await drilled(stack.config_file, *words, "--duration", "3s", "--rate", "12"))
    finally:
        stack.config_file.write_text(original, encoding="utf-8")
    assert detail.followed is not None
    assert detail.followed.accepted > 20
    record = await recorded(stack, results.run_id)
    assert record.received
    assert not record.processed
    # Neither later, by a job that finds its claim gone.
    assert await messages_of(stack, results.run_id) == 0
    judged = {row.measure: row for row in results.judgement.breaking_points}
    if words[0] == "redis":
        for measure in (Measure.ERROR_RATE, Measure.BACKLOG):
            assert judged[measure].verdict is None
            assert "claimed, and end before the target queues anything" in (judged[measure].why_not or "")
    else:
        assert judged[Measure.SUCCESS_DURING].verdict is not None
    await nothing_left(stack)


async def test_nothing_is_broken_where_nothing_works(stack: Stack) -> None:
    original = stack.config_file.read_text(encoding="utf-8")
    change_config(stack, lambda document: document["target"].update(auth_token="0" * 32))
    try:
        ended = await drilled(stack.config_file, "redis", "crash", *SHORT)
    finally:
        stack.config_file.write_text(original, encoding="utf-8")
    assert ended.code == 3
    assert "nothing was broken, since none of" in ended.told
    assert "403" in ended.told
    assert "making the fault" not in ended.told
    await nothing_left(stack)


async def test_production_is_never_broken(stack: Stack) -> None:
    original = stack.config_file.read_text(encoding="utf-8")

    def change(document: dict[str, dict[str, str]]) -> None:
        document["target"]["environment"] = "production"
        document["drills"].pop("demo")

    change_config(stack, change)
    try:
        ended = await drilled(stack.config_file, "redis", "connection", *SHORT)
    finally:
        stack.config_file.write_text(original, encoding="utf-8")
    assert ended.code == 3
    assert "never runs against production" in ended.told
