"""A violation pages until it is acknowledged, over a `kill -9`, and again when that is over: on a real stack."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from prober.demo.process import Owner
from prober.demo.target.control_client import ControlClient
from tests.system import commanding
from tests.system.commanding import Said
from tests.system.daemon_stack import change_config, fast_stack, no_trace
from tests.system.watching import Watched, until

pytestmark = pytest.mark.asyncio(loop_scope="module")

PROBES: dict[str, dict[str, Any]] = {
    "webhook": {"interval": "500ms", "timeout": "2s", "down_interval": "500ms", "processing_deadline": "4s"},
    "race": {"interval": "500ms", "timeout": "3s", "vendors": 4},
}
OPEN, KNOWN = "prober_open_violations", "prober_known_violations"
KIND = "multiple_winners"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def watched() -> AsyncIterator[Watched]:
    async with Owner() as owner:
        stack = fast_stack(owner, PROBES, violations={"violation_hold": "1h"})
        await stack.start_services()
        await stack.start_watcher()
        yield Watched(stack)


async def prober(watched: Watched, command: str, *arguments: str) -> Said:
    return await commanding.prober(watched.stack.config_file, command, *arguments)


async def stands(watched: Watched, **wanted: int) -> None:
    """Wait until so many are open and so many known."""
    await watched.becomes(OPEN, lambda value: value == wanted["open"], kind=KIND)
    await watched.becomes(KNOWN, lambda value: value == wanted["known"], kind=KIND)


async def test_before_anything_is_found_every_kind_is_nought(watched: Watched) -> None:
    scrape = await watched.scrape()
    assert scrape.value(OPEN, kind=KIND) == scrape.value(KNOWN, kind="lost_message") == 0
    said = await prober(watched, "status")
    assert (said.code, said.out.splitlines()[0]) == (0, "ordering works")


@pytest_asyncio.fixture(loop_scope="module")
async def violated(watched: Watched) -> Watched:
    """The stack when two vendors have won an order in it, and races are right again."""
    if not watched.reader.violations(KIND):
        async with ControlClient(watched.stack.target.control_url) as control:
            await control.plant("double_accept")
            await watched.becomes(OPEN, lambda value: value >= 1, kind=KIND)
            await control.remove("double_accept")
        # One that was under way may still be wrong.
        await watched.grows("vendor_routing_race_outcomes_total", by=2, outcome="one_winner")
    return watched


async def test_a_violation_is_open_and_stays_so_over_a_kill(violated: Watched) -> None:
    watched = violated
    found = len(watched.reader.violations(KIND))
    await stands(watched, open=found, known=0)
    watched.stack.watcher.kill()
    await watched.stack.watcher.start()
    await stands(watched, open=found, known=0)
    await watched.grows("prober_probe_runs_total", by=1, probe="webhook", outcome="ok")
    said = await prober(watched, "status")
    assert said.code == 1
    first, *rest = said.out.splitlines()
    assert (
        first == f"ordering does not work right: {found} violation{' is' if found == 1 else 's are'} open ({KIND})"
    )
    assert any(watched.reader.violations(KIND)[0].id in line for line in rest)
    document = json.loads((await prober(watched, "status", "--json")).out)
    assert document["violations"]["open"] == {KIND: found}
    assert document["instance"] == "demo"


async def test_the_evidence_has_every_vendor_and_what_it_was_told(violated: Watched) -> None:
    watched = violated
    violation = watched.reader.violations(KIND)[0]
    said = await prober(watched, "evidence", violation.id)
    assert said.code == 0
    assert violation.sentence in said.out
    assert "accepted" in said.out
    race = watched.reader.race(violation.id.removeprefix(f"{KIND}-"))
    assert race is not None
    assert race.evidence is not None
    history: Any = race.evidence["history"]
    answers = [answer for answer in history["answers"] if answer["ask"] == "race"]
    assert len(answers) == PROBES["race"]["vendors"]
    for answer in answers:
        assert f"-> {answer['vendor_id']}  accept  trace {answer['trace_id']}" in said.out
        assert f"<- {answer['vendor_id']}  200, {answer['claim']}" in said.out
    assert (await prober(watched, "evidence", race.routing_id)).out == said.out
    document = json.loads((await prober(watched, "evidence", race.id, "--json")).out)
    assert document["race"]["evidence"] == race.evidence
    assert [one["id"] for one in document["violations"]] == [violation.id]


async def test_an_acknowledged_one_does_not_page_and_does_again(violated: Watched) -> None:
    watched = violated
    found = len(watched.reader.violations(KIND))
    token = (await asyncio.to_thread(watched.stack.config_file.read_text)).split("auth_token: ")[1].split()[0]
    said = await prober(watched, "ack", KIND, "--reason", f"the token {token} is in ticket 7")
    assert said.code == 0, said.err
    await stands(watched, open=0, known=found)
    status = await prober(watched, "status")
    assert status.code == 0
    assert "the token *** is in ticket 7" in status.out
    evidence = await prober(watched, "evidence", watched.reader.violations(KIND)[0].id)
    assert "known until" in evidence.out
    assert f"(all of {KIND}): the token *** is in ticket 7" in evidence.out
    # The last word counts, also when it is a shorter one.
    assert (await prober(watched, "ack", KIND, "--for", "3s", "--reason", "only for a moment")).code == 0
    (acknowledgement,) = watched.reader.acknowledgements(KIND)
    await stands(watched, open=found, known=0)
    assert time.time() >= acknowledgement.until_wall
    assert (await prober(watched, "status")).code == 1


async def test_one_of_them_can_be_acknowledged_alone_and_without_a_daemon(violated: Watched) -> None:
    watched = violated
    found = watched.reader.violations(KIND)
    await watched.stack.watcher.stop(timeout=40)
    for violation in found:
        said = await prober(watched, "ack", violation.id, "--reason", "ticket 8")
        assert said.code == 0, said.err
    gone = await prober(watched, "status")
    assert gone.code == 3
    assert "cannot be reached: Connection refused" in gone.err
    assert (await prober(watched, "evidence", found[0].id)).code == 0
    await watched.stack.watcher.start()
    await stands(watched, open=0, known=len(found))
    assert (await prober(watched, "status")).code == 0


async def test_what_there_is_not_is_said_with_what_there_is(violated: Watched) -> None:
    watched = violated
    violation = watched.reader.violations(KIND)[0]
    unknown = await prober(watched, "ack", "mutiple_winners", "--reason", "x")
    assert unknown.code == 2
    assert f"did you mean {KIND}?" in unknown.err
    assert violation.id in unknown.err
    nothing = await prober(watched, "evidence", f"{violation.id}x")
    assert nothing.code == 2
    assert f"did you mean {violation.id}?" in nothing.err
    assert (await prober(watched, "ack", KIND, "--reason", "  ")).code == 2
    assert (await prober(watched, "ack", KIND, "--for", "3", "--reason", "x")).code == 2


async def test_the_evidence_of_a_webhook_and_of_an_outage(watched: Watched) -> None:
    stack = watched.stack
    stack.redis.kill()
    await watched.becomes("prober_outage", lambda value: value == 1, probe="redis")
    down = await prober(watched, "status")
    assert (
        down.out.startswith("ordering is in trouble: redis down for ") or "webhook down" in down.out.split("\n")[0]
    )
    await stack.redis.start()
    await watched.becomes("prober_outage", lambda value: value == 0, probe="redis")

    async def kept() -> bool:
        return not watched.reader.open_outages()

    await until("the end of the outage in the journal", kept)
    outage = watched.reader.outages("redis")[0]
    said = await prober(watched, "evidence", outage.id)
    assert f"outage {outage.id} of redis: lasted " in said.out
    result = next(r for r in watched.reader.results("webhook") if r.specifics["accepted"])
    webhook = await prober(watched, "evidence", str(result.specifics["message_sid"]))
    assert f"webhook {result.specifics['message_sid']}: " in webhook.out
    assert str(result.specifics["trace_id"]) in webhook.out
    assert (await prober(watched, "evidence", result.run_id)).out.splitlines()[0] == webhook.out.splitlines()[0]


async def test_without_a_journal_it_says_what_to_do(watched: Watched) -> None:
    await watched.stack.watcher.stop(timeout=40)
    no_trace(watched.stack.watcher)
    change_config(watched.stack, lambda document: document.update(data_dir="nowhere"))
    for command in (("ack", KIND, "--reason", "x"), ("evidence", "some-id")):
        said = await prober(watched, *command)
        assert said.code == 3
        assert "does not exist; has a prober run with this data_dir?" in said.err
    assert not (watched.stack.config_file.parent / "nowhere").exists()
