"""`prober load` on a real stack: its counts against the target's own, and a true sentence for every trouble."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from prober.demo.process import Owner
from prober.demo.stack import FROM_NUMBER, Stack
from prober.demo.target.control_client import ControlClient
from prober.demo.target.record import Kind
from prober.outcome import Measure
from prober.suites import locust as locust_package
from prober.suites.ledger import folder_of
from tests.system.commanding import Said, prober
from tests.system.daemon_stack import rows
from tests.system.loading import Loaded, another_config, begun, load, recorded
from tests.system.watching import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

PROBES: dict[str, dict[str, Any]] = {
    "webhook": {"timeout": "3s", "processing_deadline": "1s", "from_number": FROM_NUMBER}
}
LOCUSTFILE = Path(locust_package.__file__).with_name("locustfile.py")
MESSAGES = ("processed_messages", "whatsapp_messages")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack() -> AsyncIterator[Stack]:
    async with Owner() as owner:
        stack = Stack(
            owner=owner,
            directory=owner.directory,
            probes=PROBES,
            target_settings={"rate_limit": {"requests": 10_000_000}},
            target_config={"rate_limit": "10000000/1m"},
        )
        await stack.start_services()
        yield stack


@pytest_asyncio.fixture(loop_scope="module")
async def control(stack: Stack) -> AsyncIterator[ControlClient]:
    async with ControlClient(stack.target.control_url) as control:
        await control.reset_record()
        yield control
        for fault in (await control.faults())["planted"]:
            await control.remove(fault)


async def nothing_left(stack: Stack) -> None:
    assert await rows(stack, *MESSAGES) == dict.fromkeys(MESSAGES, 0)


async def test_its_counts_are_those_of_the_target(stack: Stack, control: ControlClient, tmp_path: Path) -> None:
    loaded = await load(stack, tmp_path, "--duration", "1500ms")
    detail, record = loaded.detail, await recorded(control, loaded.results.run_id)
    sent = detail.requests.sent + detail.warm_up_sent
    assert detail.warm_up_sent == 10
    assert detail.requests.sent > 50
    assert record[Kind.REQUEST] == sent
    assert record[Kind.ACCEPTED] == detail.requests.accepted + detail.warm_up_sent == sent
    assert detail.effects is not None
    assert (detail.effects.effective, detail.effects.lost, detail.effects.repeated) == (sent, 0, 0)
    assert record[Kind.PROCESSED] == sent
    assert loaded.results.measures[Measure.ERROR_RATE] == 0
    assert detail.latency.count == detail.requests.accepted
    assert sum(slot.accepted for slot in detail.series) == detail.requests.accepted
    assert detail.pool_usage_max is not None
    assert detail.backlog_max is not None
    assert detail.target_memory_first is not None
    await nothing_left(stack)
    assert list(folder_of(stack.data_dir).iterdir()) == []
    # A daemon finds the results there.
    copy = stack.data_dir / "suites" / f"{loaded.results.run_id}.json"
    assert json.loads(copy.read_text()) == json.loads((tmp_path / "results.json").read_text())


async def test_lost_messages_are_found_one_by_one(stack: Stack, control: ControlClient, tmp_path: Path) -> None:
    await control.plant("lost_message", probability=0.2)
    loaded = await load(stack, tmp_path, "--duration", "1s")
    record = await recorded(control, loaded.results.run_id)
    assert loaded.detail.effects is not None
    assert record[Kind.LOST] > 0
    assert loaded.detail.effects.lost == record[Kind.LOST]
    assert loaded.detail.effects.effective == record[Kind.ACCEPTED]
    assert "accepted and lost" in loaded.results.sentence
    assert loaded.code == 1
    await nothing_left(stack)


async def test_an_open_loop_keeps_its_rate_and_says_nothing_of_the_capacity(
    stack: Stack, control: ControlClient, tmp_path: Path
) -> None:
    loaded = await load(stack, tmp_path, "--duration", "2s", "--rate", "40")
    detail = loaded.detail
    assert 78 <= detail.requests.sent + detail.requests.unsent <= 81
    assert detail.generator.late_p99 is not None
    record = await recorded(control, loaded.results.run_id)
    assert record[Kind.REQUEST] == detail.requests.sent + detail.warm_up_sent
    assert "40 a second were asked for" in loaded.why_not("requests_per_second")


async def test_an_open_loop_charges_a_slow_target_for_all_that_waited(
    stack: Stack, control: ControlClient, tmp_path: Path
) -> None:
    # 10 connections and 400 ms each: 25 a second at most, so at 100 a second the line grows as long as it lasts.
    await control.plant("slow", delay_ms=400)
    loaded = await load(stack, tmp_path, "--duration", "2s", "--rate", "100")
    latency = loaded.detail.latency
    assert latency.p99 is not None
    assert latency.p99 > 1.0
    assert loaded.detail.requests.unsent > 0
    assert any("were due and not sent" in note for note in loaded.results.notes)
    assert loaded.code == 1  # 25 a second is critical
    # And it is the target's own slowness, which is said too.
    assert not loaded.detail.generator.bound
    assert "the generator was not the limit" in loaded.detail.generator.sentence


async def test_a_generator_that_is_held_up_does_not_blame_the_target(
    stack: Stack, control: ControlClient, tmp_path: Path
) -> None:
    process = await begun(stack, tmp_path, control, "--duration", "3s")
    # As on a machine that gives it no time: it stands still for more than half of it.
    for _ in range(3):
        process.send_signal(signal.SIGSTOP)
        await asyncio.sleep(0.7)
        process.send_signal(signal.SIGCONT)
        await asyncio.sleep(0.3)
    out, err = await process.communicate()
    loaded = Loaded(Said(process.returncode or 0, out.decode(), err.decode()))
    assert loaded.detail.generator.bound
    assert "the generator was the limit: its event loop was" in loaded.detail.generator.sentence
    assert loaded.detail.latency.p99 is not None
    assert loaded.detail.latency.p99 > 0.5
    assert loaded.why_not("latency_p99_seconds") == "the generator was the limit, not the target"
    assert loaded.code == 0
    await nothing_left(stack)


async def test_rate_limited_half_way_there_is_no_verdict_on_its_throughput(
    stack: Stack, control: ControlClient, tmp_path: Path
) -> None:
    loading = asyncio.create_task(load(stack, tmp_path, "--duration", "2s"))

    async def under_way() -> bool:
        return (await control.summary())[Kind.REQUEST] > 30

    await until("the load to be under way", under_way)
    await control.plant("rate_limited")
    loaded = await loading
    assert loaded.detail.rate_limited
    assert loaded.detail.requests.rejected["rate_limited"] > 0
    assert "429" in loaded.why_not("requests_per_second")
    assert loaded.results.measures[Measure.ERROR_RATE] == 0  # no error of the endpoint
    assert loaded.detail.latency.count == loaded.detail.requests.accepted  # nor a sample of its latency


def wrong_token(document: dict[str, Any]) -> None:
    document["target"]["auth_token"] = "0" * 32


def nobody(document: dict[str, Any]) -> None:
    document["target"]["url"] = "http://127.0.0.1:1"


def no_https(document: dict[str, Any]) -> None:
    document["target"]["contract_overrides"] = {"webhook.headers": {"X-Forwarded-Proto": "http"}}


def impatient(document: dict[str, Any]) -> None:
    document["probes"]["webhook"]["timeout"] = "700ms"


def says_why(loaded: Loaded, said: str) -> None:
    assert loaded.code == 3
    assert said in loaded.results.sentence
    assert loaded.results.ending == "failed"
    assert loaded.results.judgement.verdict is None
    assert loaded.detail.requests.sent == 0


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("rate_limited", "answered 429 to all 10 messages: its rate limit, not its capacity"),
        ("routes_missing", "answered 404 to all 10 messages: there is no such path there"),
        ("errors", "server error (answered 500) for all 10 messages"),
        ("hang", "timeout (no whole answer within 0.7 s) for all 10 messages"),
    ],
)
async def test_where_the_target_takes_nothing_it_says_why(
    stack: Stack, control: ControlClient, tmp_path: Path, fault: str, said: str
) -> None:
    await control.plant(fault)
    config = another_config(stack, tmp_path, impatient) if fault == "hang" else None
    says_why(await load(stack, tmp_path, "--duration", "20s", config=config), said)


async def test_where_the_config_is_not_the_targets_it_says_why(stack: Stack, tmp_path: Path) -> None:
    cases = {
        wrong_token: "answered 403 to all 10 messages: the token, the public URL or the HTTPS header",
        nobody: "refused (connecting to 127.0.0.1:1: connection refused) for all 10 messages: nobody listens",
        no_https: "redirect (answered 301) for all 10 messages: it wants another address, or the HTTPS header",
    }

    async def one(change: Callable[[dict[str, Any]], None]) -> Loaded:
        folder = tmp_path / change.__name__
        folder.mkdir()
        config = another_config(stack, folder, change)
        return await load(stack, folder, "--duration", "20s", config=config)

    for loaded, said in zip(await asyncio.gather(*map(one, cases)), cases.values(), strict=True):
        says_why(loaded, said)


async def test_bad_usage_and_production_are_refused_before_anything_is_sent(
    stack: Stack, control: ControlClient, tmp_path: Path
) -> None:
    def production(document: dict[str, Any]) -> None:
        document["target"]["environment"] = "production"

    config = another_config(stack, tmp_path, production)
    nowhere = str(tmp_path / "none" / "results.json")
    none, unwritable, refused = await asyncio.gather(
        prober(stack.config_file, "load", "light", "--duration", "0s"),
        prober(stack.config_file, "load", "light", "--output", nowhere),
        prober(config, "load", "stress", "--duration", "1s", "--rate", "1"),
    )
    assert (none.code, "expected a duration above 0" in none.err) == (2, True)
    assert (unwritable.code, "expected a folder" in unwritable.err) == (2, True)
    assert (refused.code, "never runs against production" in refused.err) == (3, True)
    assert (await control.summary())[Kind.REQUEST] == 0


async def test_claimed_messages_run_the_chain_and_are_not_processed(
    stack: Stack, control: ControlClient, tmp_path: Path
) -> None:
    def claimed(document: dict[str, Any]) -> None:
        document["probes"]["webhook"]["mode"] = "no_side_effects"

    loaded = await load(stack, tmp_path, "--duration", "1s", config=another_config(stack, tmp_path, claimed))
    counts = await control.summary()
    sent = loaded.detail.requests.sent + loaded.detail.warm_up_sent
    assert loaded.detail.requests.sent > 20
    assert counts[Kind.REQUEST] >= sent
    assert counts[Kind.SKIPPED] == sent
    assert counts[Kind.PROCESSED] == 0
    assert loaded.detail.effects is not None
    assert loaded.detail.effects.effective == sent
    await nothing_left(stack)


async def test_several_generators_add_up(stack: Stack, control: ControlClient, tmp_path: Path) -> None:
    loaded = await load(stack, tmp_path, "--duration", "1s", "--processes", "2")
    assert loaded.detail.generator.processes == loaded.results.prober.processes == 2
    sent = loaded.detail.requests.sent + loaded.detail.warm_up_sent
    requests = [entry for entry in await control.record(Kind.REQUEST) if entry.get("mark")]
    assert len({entry["mark"] for entry in requests}) == 2
    assert len({entry["sid"] for entry in requests}) == len(requests) == sent
    await nothing_left(stack)
    assert list(folder_of(stack.data_dir).iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_told_to_stop_it_reports_what_it_has_and_cleans_up(
    stack: Stack, control: ControlClient, tmp_path: Path, number: signal.Signals
) -> None:
    process = await begun(stack, tmp_path, control)
    process.send_signal(number)
    out, err = await process.communicate()
    loaded = Loaded(Said(process.returncode or 0, out.decode(), err.decode()))
    assert loaded.results.ending == "interrupted"
    assert any(f"stopped by {number.name}" in note for note in loaded.results.notes)
    record = await recorded(control, loaded.results.run_id)
    assert record[Kind.REQUEST] == loaded.detail.requests.sent + loaded.detail.warm_up_sent
    assert loaded.code in (1, 3)  # by what was measured until then, and never 0
    await nothing_left(stack)


async def test_a_pause_ends_it(stack: Stack, control: ControlClient, tmp_path: Path) -> None:
    process = await begun(stack, tmp_path, control)
    paused = await prober(stack.config_file, "pause", "--for", "1m", "--reason", "a test")
    assert paused.code == 0
    try:
        out, err = await process.communicate()
        loaded = Loaded(Said(process.returncode or 0, out.decode(), err.decode()))
        assert any("writes are held back (paused)" in note for note in loaded.results.notes)
        again = await prober(stack.config_file, "load", "light")
        assert (again.code, "nothing may be written now" in again.err) == (3, True)
    finally:
        assert (await prober(stack.config_file, "resume")).code == 0


async def test_after_kill_9_cleanup_removes_exactly_what_it_left(
    stack: Stack, control: ControlClient, tmp_path: Path
) -> None:
    process = await begun(stack, tmp_path, control)
    beside = await prober(stack.config_file, "cleanup", "--json")
    assert beside.document["messages"]["removed"] == 0  # what lives is left alone
    os.kill(process.pid, signal.SIGKILL)
    await process.wait()
    left = await rows(stack, *MESSAGES)
    assert left["processed_messages"] > 90
    assert len(list(folder_of(stack.data_dir).glob("*.jsonl"))) == 1
    # Its queue is worked off first, or it would write rows after they were removed.
    killed = time.monotonic()

    async def processed() -> bool:
        counts = await control.summary()
        return counts[Kind.PROCESSED] == counts[Kind.ACCEPTED] and time.monotonic() > killed + 1.1

    await until("the target to have processed all", processed)
    said = await prober(stack.config_file, "cleanup", "--json")
    assert said.document["messages"]["removed"] >= left["whatsapp_messages"]
    await nothing_left(stack)
    assert list(folder_of(stack.data_dir).iterdir()) == []


async def test_locust_with_a_master_and_two_workers_is_judged_like_our_own_engine(
    stack: Stack, control: ControlClient, tmp_path: Path
) -> None:
    port = stack.owner.port()
    locust = [sys.executable, "-m", "locust", "-f", str(LOCUSTFILE), "--loglevel", "WARNING"]
    environment = {
        **os.environ,
        "PROBER_CONFIG": str(stack.config_file),
        "PROBER_LOCUST_OUTPUT": str(tmp_path / "locust.json"),
    }
    master = await asyncio.create_subprocess_exec(
        *(*locust, "--master", "--master-bind-host", "127.0.0.1", "--master-bind-port", str(port), "--headless"),
        *("--users", "10", "--spawn-rate", "10", "--run-time", "3", "--expect-workers", "2", "--only-summary"),
        env=environment,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    workers = [
        await asyncio.create_subprocess_exec(
            *(*locust, "--worker", "--master-host", "127.0.0.1", "--master-port", str(port)),
            env=environment,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        for _ in range(2)
    ]
    said = [(await process.communicate())[1].decode() for process in (master, *workers)]
    assert (tmp_path / "locust.json").is_file(), "\n".join(said)
    loaded = await load(stack, tmp_path, "--from-locust", str(tmp_path / "locust.json"))
    detail = loaded.detail
    requests = [entry for entry in await control.record(Kind.REQUEST) if entry.get("mark")]
    assert detail.engine == "locust"
    assert detail.generator.processes == 2
    assert len({entry["mark"] for entry in requests}) == 2
    assert len({entry["sid"] for entry in requests}) == len(requests) == detail.requests.sent > 20
    assert detail.requests.accepted == (await control.summary())[Kind.ACCEPTED] == len(requests)
    assert detail.effects is not None
    assert detail.effects.effective == detail.requests.accepted
    assert [row.measure for row in loaded.results.judgement.breaking_points if row.verdict is not None]
    await nothing_left(stack)
    assert list(folder_of(stack.data_dir).iterdir()) == []
