"""`prober race` on one real stack, and what a daemon makes of it, one test after the other."""

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

from prober.config.load import load_config
from prober.demo.process import Owner
from prober.demo.target.control_client import ControlClient
from prober.demo.target.record import Kind
from prober.outcome import Measure, RaceOutcome, Suite
from prober.publish.journal.stored import StoredSuite
from prober.suites import results
from prober.suites.presence import running_suite
from prober.suites.results_race import RaceDetail
from tests.daemon.scheduling import Told
from tests.system.commanding import Said, prober
from tests.system.daemon_stack import change_config, config_of, fast_stack, no_trace, nothing_of_ours, rows
from tests.system.wall_clock import libfaketime, wall_only
from tests.system.watching import Watched, until

pytestmark = pytest.mark.asyncio(loop_scope="module")

PROBES: dict[str, dict[str, Any]] = {
    "webhook": {"interval": "300ms", "timeout": "2s", "down_interval": "300ms", "processing_deadline": "4s"},
    "race": {"interval": "300ms", "timeout": "3s", "win_rate_window": 10_000},
}
WIN_RATE = {"suite": "vendor-race", "scenario": "light", "measure": "win_rate"}
SOON = 10.0  # seconds
VENDOR = "synthetic-prober-demo-vendor-"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def watched() -> AsyncIterator[Watched]:
    async with Owner() as owner:
        stack = fast_stack(owner, PROBES, shutdown_timeout="4s")
        await stack.start_services()
        await stack.start_watcher()
        yield Watched(stack)
        no_trace(stack.watcher)


@pytest_asyncio.fixture(loop_scope="module")
async def control(watched: Watched) -> AsyncIterator[ControlClient]:
    async with ControlClient(watched.stack.target.control_url) as control:
        yield control
        for fault in (await control.faults())["planted"]:
            await control.remove(fault)


async def race(watched: Watched, folder: Path, scenario: str, *arguments: str, config: Path | None = None) -> Said:
    output = folder / "vendor-race-test-results.json"
    file = config or watched.stack.config_file
    return await prober(file, "race", scenario, "--output", str(output), *arguments)


def read(folder: Path) -> tuple[results.Results, RaceDetail]:
    found = results.read(folder / "vendor-race-test-results.json")
    assert isinstance(found.detail, RaceDetail)
    return found, found.detail


def another_config(watched: Watched, folder: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    document = config_of(watched.stack)
    document["data_dir"] = str(folder / "data")
    change(document)
    file = folder / "config.yaml"
    file.touch(mode=0o600)
    file.write_text(json.dumps(document))
    return file


async def taken_up(watched: Watched, run_id: str) -> None:
    async def there() -> bool:
        return any(one.run_id == run_id for one in watched.reader.suites())

    await until("the daemon to take up the results", there)


async def stopped(watched: Watched) -> None:
    """Have no daemon run, whichever tests ran before."""
    if watched.watcher.returncode is None:
        await watched.watcher.stop(timeout=40)


async def vendors(watched: Watched) -> int:
    connection = await watched.stack.postgres.connect("orders")
    try:
        return int(
            await connection.fetchval(
                'SELECT count(*) FROM wholesalers WHERE id LIKE $1 AND NOT "isActive" AND NOT "isVerified"',
                f"{VENDOR}%",
            )
        )
    finally:
        await connection.close()


async def test_races_of_more_vendors_than_there_are_beside_a_daemon(
    watched: Watched, control: ControlClient, tmp_path: Path
) -> None:
    before = await watched.scrape()
    since = asyncio.get_running_loop().time()
    said = await race(watched, tmp_path, "moderate", "--races", "12")
    assert said.code == 0, said
    found, detail = read(tmp_path)
    assert (found.suite, found.ending, detail.vendors, detail.wanted) == (Suite.VENDOR_RACE, "complete", 10, 12)
    assert (detail.judged, detail.outcomes[RaceOutcome.ONE_WINNER], len(detail.races)) == (12, 12, 12)
    assert found.measures[Measure.WIN_RATE] == 1.0
    assert found.measures[Measure.RACE_CONDITIONS] == 0.0
    mean = found.measures[Measure.RACE_TIME]
    assert mean is not None
    assert mean == pytest.approx(sum(one.seconds or 0 for one in detail.races) / 12)
    assert any("5 of the 10 synthetic vendors" in note for note in found.notes)
    assert await vendors(watched) == 11

    # The target's own record agrees: of each race one was locked, and everybody was asked.
    accepts = [e for e in await control.record(Kind.REQUEST, since=since) if e["path"].endswith("/accept")]
    for one in detail.races:
        raced = [e for e in accepts if f"routing-{one.run_id}/" in e["path"]]
        assert len(raced) == sum(answer.ask in ("race", "again", "late") for answer in one.answers) == 12

    # The daemon knows, and has nothing of its own to say about it.
    await taken_up(watched, found.run_id)
    labels = {"suite": "vendor-race", "scenario": "moderate"}
    await watched.becomes("prober_suite_last_timestamp_seconds", lambda value: value > 0, 60.0, **labels)
    scrape = await watched.scrape()
    assert scrape.value("prober_suite_last_result", **labels, measure="win_rate") == 1.0
    assert scrape.value("prober_suite_last_verdict", **labels, measure="win_rate") == 0
    for name in ("prober_open_violations", "whatsapp_webhook_lost_total", "vendor_routing_race_conditions_total"):
        assert scrape.total(name) == 0
    outcomes = "vendor_routing_race_outcomes_total"
    assert scrape.total(outcomes) == scrape.total(outcomes, outcome="one_winner")
    skipped = "prober_probe_skipped_total"
    assert scrape.total(skipped, reason="cap") == before.total(skipped, reason="cap")

    status = await prober(watched.stack.config_file, "status", "--url", watched.watcher.url)
    assert "suite vendor-race moderate: " in status.out


async def test_the_results_are_a_page_of_the_api(watched: Watched, tmp_path: Path) -> None:
    assert (await race(watched, tmp_path, "light", "--races", "1")).code == 0
    newest, _ = read(tmp_path)
    await taken_up(watched, newest.run_id)
    status, text = await watched.watcher.get("/api/v1/suites?suite=vendor-race&limit=1")
    first = json.loads(text)
    assert (status, first["suites"][0]["run_id"], first["suites"][0]["scenario"]) == (200, newest.run_id, "light")
    status, text = await watched.watcher.get(f"/api/v1/suites?before={first['next']}")
    second = json.loads(text)
    assert [one["scenario"] for one in second["suites"]] == ["moderate"]
    assert second["next"] is None
    assert second["suites"][0]["measures"]["win_rate"] == 1.0
    assert json.loads((await watched.watcher.get("/api/v1/suites?suite=webhook-load"))[1])["suites"] == []
    for query in ("suite=races", "limit=0", "limit=x", "before=-1", "page=2"):
        status, text = await watched.watcher.get(f"/api/v1/suites?{query}")
        assert status == 400
        assert "expected" in json.loads(text)["error"]


async def killed_after_two_races(watched: Watched, folder: Path) -> list[str]:
    """Kill a race suite in the middle; the ids of the races that it had written down."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "prober", "race", "light", "--races", "50"),
        *("--config", str(watched.stack.config_file)),
        cwd=folder,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )

    def written() -> list[bytes]:
        files = list((watched.stack.data_dir / "suites").glob("*.found"))
        return files[0].read_bytes().split(b"\n")[1:-1] if files else []

    async def two() -> bool:
        return len(written()) >= 2

    await until("two races to be written down", two)
    process.send_signal(signal.SIGKILL)
    await process.wait()
    return [json.loads(line)["run_id"] for line in written()]


async def test_a_target_with_two_winners_is_convicted_and_pages(
    watched: Watched, control: ControlClient, tmp_path: Path
) -> None:
    # So that whatever is found is the suite's.
    await stopped(watched)
    await control.plant("double_accept")
    said = await race(watched, tmp_path, "light", "--races", "3")
    killed = await killed_after_two_races(watched, tmp_path)
    await control.remove("double_accept")
    assert said.code == 1, said
    found, detail = read(tmp_path)
    assert (detail.outcomes[RaceOutcome.MULTIPLE_WINNERS], found.measures[Measure.RACE_CONDITIONS]) == (3, 1.0)
    assert found.judgement.verdict == "critical"
    assert all(one.evidence is not None for one in detail.races)

    await watched.stack.start_watcher()
    convicted = 3 + len(killed)
    await watched.becomes("prober_open_violations", lambda value: value == convicted, kind="multiple_winners")
    scrape = await watched.scrape()
    assert scrape.value("vendor_routing_race_conditions_total", kind="multiple_winners") == convicted
    # What a killed run had found is no less known.
    (rescued,) = (one for one in watched.reader.suites() if one.ending == "failed")
    assert f"after {len(killed)} of 50 races of 5 vendors: {len(killed)} of" in rescued.sentence
    assert {f"multiple_winners-{run_id}" for run_id in killed} <= {
        one.id for one in watched.reader.violations(limit=100)
    }
    assert (
        scrape.value("prober_suite_last_verdict", suite="vendor-race", scenario="light", measure="win_rate") == 3
    )
    evidence = await prober(watched.stack.config_file, "evidence", f"multiple_winners-{detail.races[0].run_id}")
    assert evidence.code == 0
    assert "timeline" in evidence.out
    assert detail.races[0].answers[0].vendor in evidence.out

    # Taken up once, whatever happens between; and the probe's own win rate is not the suite's.
    await watched.stack.watcher.stop(timeout=40)
    await watched.stack.start_watcher()
    await watched.becomes("vendor_routing_win_rate", lambda value: value == 1.0)
    again = await watched.scrape()
    assert again.value("prober_open_violations", kind="multiple_winners") == convicted
    assert again.value("vendor_routing_race_conditions_total", kind="multiple_winners") == convicted
    assert again.value("prober_suite_last_verdict", suite="vendor-race", scenario="light", measure="win_rate") == 3


async def test_files_that_hold_no_results_are_set_aside_and_said(watched: Watched) -> None:
    folder = watched.stack.data_dir / "suites"
    for name, content in (("half.json", b'{"format": "prober-suite-results", "ver'), ("empty.json", b"")):
        (folder / name).write_bytes(content)

    async def aside() -> bool:
        return (folder / "half.json.bad").exists() and (folder / "empty.json.bad").exists()

    await until("both to be set aside", aside)
    assert "half.json.bad" in watched.stack.watcher.log_file.read_text()


async def test_a_killed_suite_leaves_nothing_that_a_clean_up_or_the_next_suite_does_not_remove(
    watched: Watched, control: ControlClient, tmp_path: Path
) -> None:
    await stopped(watched)
    config = watched.stack.config_file

    async def killed() -> None:
        await control.plant("hang")
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "prober", "race", "light", "--config", str(config)),
            cwd=tmp_path,
            stderr=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
        )

        async def racing() -> bool:
            requests = await control.record(Kind.REQUEST, since=since)
            made = sum((await rows(watched.stack, "orders")).values())
            return made > 0 and any(e["path"].endswith("/accept") for e in requests)

        since = asyncio.get_running_loop().time()
        await until("a race that waits for its answers", racing)
        running = running_suite(watched.stack.data_dir)
        assert running is not None
        assert (running.suite, running.scenario) == (Suite.VENDOR_RACE, "light")
        second = await race(watched, tmp_path, "light", "--races", "1")
        assert second.code == 3
        assert "runs with this data_dir" in second.err
        process.send_signal(signal.SIGKILL)
        await process.wait()
        await control.remove("hang")
        assert running_suite(watched.stack.data_dir) is None

    await killed()
    said = await prober(config, "cleanup", "--json")
    assert said.document["orders"]["removed"] == 1
    await killed()
    assert (await race(watched, tmp_path, "light", "--races", "1")).code == 0
    await nothing_of_ours(watched.stack)
    await killed()
    await watched.stack.start_watcher()
    await watched.stack.watcher.stop(timeout=40)
    said = await prober(config, "cleanup", "--json")
    assert said.document["orders"]["removed"] == 0


async def test_refused_where_it_does_not_fit_or_must_not_write(watched: Watched, tmp_path: Path) -> None:
    def in_production(document: dict[str, Any]) -> None:
        document["target"]["environment"] = "production"
        document["cap"] = {"requests": "10/1s", "burst": 20, "in_flight": 64}
        document["probes"]["webhook"] |= {"mode": "no_side_effects", "interval": "10s", "timeout": "10s"}

    config = another_config(watched, tmp_path, in_production)
    said = await race(watched, tmp_path, "moderate", config=config)
    assert said.code == 3
    assert "asks 35 times at once, but cap.burst is 20; within this cap: light" in said.err
    said = await race(watched, tmp_path, "light", "--races", "2", config=config)
    assert said.code == 0, said
    assert read(tmp_path)[1].judged == 2

    paused = await prober(config, "pause", "--for", "1h", "--reason", "test")
    assert paused.code == 0
    said = await race(watched, tmp_path, "light", config=config)
    assert said.code == 3
    assert "nothing may be written now: paused until" in said.err
    for arguments, wrong in ((("--races", "0"), "at least 1"), (("--scale", "0"), "above 0")):
        said = await race(watched, tmp_path, "light", *arguments)
        assert said.code == 2
        assert wrong in said.err


async def test_a_target_that_is_not_there_gets_no_verdict_and_the_reason(watched: Watched, tmp_path: Path) -> None:
    def nobody_listens(document: dict[str, Any]) -> None:
        document["target"]["url"] = f"http://127.0.0.1:{watched.stack.owner.port()}"

    config = another_config(watched, tmp_path, nobody_listens)
    said = await race(watched, tmp_path, "moderate", "--races", "20", config=config)
    assert said.code == 3, said
    found, detail = read(tmp_path)
    assert (found.ending, found.judgement.verdict, found.measures[Measure.WIN_RATE]) == ("failed", None, None)
    assert detail.outcomes[RaceOutcome.UNAVAILABLE] == len(detail.races) == 10
    assert "given up after 10 races in a row without a verdict" in found.sentence
    assert all("no race could be judged" in (row.why_not or "") for row in found.judgement.breaking_points)


async def test_a_scheduled_load_is_a_process_of_its_own_at_its_rate(
    watched: Watched, control: ControlClient, tmp_path: Path
) -> None:
    entry = {"cron": "0 5 * * *", "suite": "webhook-load", "scenario": "light", "rate": "4/1s", "duration": "2s"}
    file = another_config(watched, tmp_path, lambda document: document.update(suites={"schedule": [entry]}))
    told = Told(tmp_path, load_config(file, {}))
    since = asyncio.get_running_loop().time()
    await told.suites.due(told.config.suites.schedule[0])
    assert told.events == []
    (left,) = (tmp_path / "data" / "suites").glob("*.json")
    found = results.read(left)
    assert (found.suite, found.ending, found.run_id) == (Suite.WEBHOOK_LOAD, "complete", left.stem)
    assert found.parameters["rate_per_second"] == 4.0
    requests = [e for e in await control.record(Kind.REQUEST, since=since) if e["path"].endswith("/webhook")]
    # Its warm-up is none of the 2 s.
    assert 8 <= len(requests) <= 40


async def test_the_calendar_has_the_daemon_run_it(watched: Watched, control: ControlClient) -> None:
    library = libfaketime()
    if library is None:
        assert "CI" not in os.environ, "libfaketime is missing; run scripts/install-test-tools"
        pytest.skip("needs libfaketime: apt-get install faketime")
    schedule = [{"cron": "* * * * *", "suite": "vendor-race", "scenario": "light", "races": 2}]
    await stopped(watched)

    def only_scheduled(document: dict[str, Any]) -> None:
        document["suites"] = {"schedule": schedule}
        document["probes"]["race"] = {"enabled": False}  # so that whatever is found is the suite's

    change_config(watched.stack, only_scheduled)
    await control.plant("double_accept")
    # By the clock of the daemon the next minute begins soon after its start.
    watched.watcher.environment = wall_only(library, FAKETIME=f"{60 - time.time() % 60 - SOON:+.0f}")
    known = {one.run_id for one in watched.reader.suites()}
    await watched.stack.start_watcher()

    def new() -> list[StoredSuite]:
        # What earlier tests have left is taken up at this start as well.
        fresh = (one for one in watched.reader.suites() if one.run_id not in known)
        return [one for one in fresh if one.sentence.startswith("2 of 2 races")]

    async def ran() -> bool:
        return bool(new())

    # On a busy machine the daemon may not be there yet when the first minute begins.
    await until("a minute's suite", ran, 240.0)
    suite = new()[0]
    assert suite.ending == "complete"
    # On a busy machine the vendors of one race may come one after the other, past the fault.
    win_rate = suite.summary["measures"]["win_rate"]  # type: ignore[index]
    assert win_rate in (0.0, 0.5)
    # Told when they were found, and not once more with the results.
    await watched.becomes("prober_suite_last_result", lambda value: value == win_rate, 60.0, **WIN_RATE)
    found = watched.reader.violations(limit=1000)
    assert len([one for one in found if one.first_wall >= suite.started_wall]) == 2 - 2 * win_rate
    total = (await watched.scrape()).total("vendor_routing_race_conditions_total")
    assert total == watched.reader.counts().violations["multiple_winners"]
    race_id = watched.reader.violations(limit=1)[0].id.removeprefix("multiple_winners-")
    assert watched.reader.race(race_id) is not None
    await watched.stack.watcher.stop(timeout=40)
    assert watched.stack.watcher.returncode == 0
    assert not any((await rows(watched.stack, "orders", "vendor_routings")).values())
