"""The daemon when something of its own breaks: its journal, its directory, its port, its web process, itself."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import pytest
import pytest_asyncio
import yaml

from prober.demo import procfs
from prober.demo.process import Owner, ServerError, gone
from prober.demo.procfs import Identity
from prober.demo.watcher import Watcher
from prober.publish.journal.reader import UnreadableError
from prober.publish.journal.schema import FILE_NAME
from tests.system.daemon_stack import config_of, ended, fast_stack, no_trace, nothing_of_ours, watcher_on
from tests.system.watching import Watched, until

pytestmark = pytest.mark.asyncio(loop_scope="module")

PROBES: dict[str, dict[str, Any]] = {
    "webhook": {"interval": "300ms", "timeout": "2s", "down_interval": "300ms", "processing_deadline": "4s"},
    "race": {"interval": "500ms", "timeout": "3s"},
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def watched() -> AsyncIterator[Watched]:
    async with Owner() as owner:
        stack = fast_stack(owner, PROBES)
        await stack.start_services()
        yield Watched(stack)


@pytest_asyncio.fixture(loop_scope="module")
async def running(watched: Watched) -> Watched:
    if not watched.stack.watcher.running:
        await watched.stack.start_watcher()
    return watched


def family(watcher: Watcher) -> tuple[Identity, Identity]:
    """The prober process and its web process."""
    prober = procfs.identify(watcher.pid)
    assert prober is not None
    (web,) = [process for process in procfs.tree([prober]) if process != prober]
    return prober, web


async def test_a_journal_that_is_overwritten_is_set_aside_and_probing_goes_on(running: Watched) -> None:
    await running.clean_again()
    directory = running.stack.data_dir
    file = directory / FILE_NAME
    size = file.stat().st_size
    with file.open("r+b") as journal:
        journal.write(b"\xa5" * size)
    await running.grows("prober_journal_failures_total", reason="corrupt")
    assert [path for path in directory.iterdir() if "corrupt" in path.name]
    await running.clean_again()

    async def written_again() -> bool:
        try:
            return len(running.reader.races()) >= 2
        except UnreadableError:
            return False

    await until("a new journal with new races", written_again)
    assert "set aside as" in running.stack.watcher.log_file.read_text()
    assert (await running.scrape()).total("whatsapp_webhook_violations_total") == 0


async def test_without_a_directory_it_probes_as_ever(watched: Watched) -> None:
    stack = watched.stack
    watcher = watcher_on(stack, config_of(stack), "homeless")
    # Root may write into a read-only directory; below a file nobody may make one.
    (stack.directory / "homeless-data").write_text("not a directory", encoding="utf-8")
    await watcher.start()
    homeless = Watched(stack, watcher)
    try:
        await watcher.wait_complete()
        await homeless.becomes("prober_journal_failures_total", lambda value: value >= 1, reason="io")
        before = await homeless.scrape()
        await homeless.clean_again()
        await homeless.grows("prober_probe_runs_total", by=10, since=before, probe="webhook", outcome="ok")
        after = await homeless.scrape()
        # No run waits for the disk: a wait of the journal's own (2 s a message) would skip six runs for each.
        runs = after.total("prober_probe_runs_total", probe="webhook")
        assert after.total("prober_probe_skipped_total", probe="webhook") < 2 * runs
        assert after.total("whatsapp_webhook_violations_total") == 0
        assert after.value("vendor_routing_win_rate") == 1
    finally:
        await watcher.stop(timeout=40)
    assert watcher.returncode == 0
    no_trace(watcher)


async def test_a_port_in_use_is_told_in_a_sentence(watched: Watched) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        # With a directory of its own: the one of the stack may be in use.
        document = {**config_of(watched.stack), "data_dir": str(watched.stack.directory / "without-a-port")}
        config = watched.stack.directory / "without-a-port.yaml"
        config.touch(mode=0o600)
        config.write_text(yaml.safe_dump(document), encoding="utf-8")
        command = [sys.executable, "-m", "prober", "run", "--config", config]
        run = partial(subprocess.run, command, capture_output=True, text=True, check=False, timeout=60)
        done = await asyncio.to_thread(run, env={**os.environ, "PROBER_LISTEN": f"127.0.0.1:{port}"})
    assert done.returncode == 3
    assert "cannot serve" in done.stderr
    assert str(port) in done.stderr
    assert "Traceback" not in done.stderr


async def test_the_daemon_ends_in_order_when_its_web_process_is_killed(running: Watched) -> None:
    watcher = running.stack.watcher
    prober, web = family(watcher)
    os.kill(web.pid, signal.SIGKILL)
    assert await ended(watcher) == 3
    assert "the web process ended" in watcher.log_file.read_text()
    assert await gone([prober, web], 10) == []
    no_trace(watcher)
    await nothing_of_ours(running.stack)


async def test_no_web_process_outlives_its_daemon(running: Watched) -> None:
    prober, web = family(running.stack.watcher)
    os.kill(prober.pid, signal.SIGKILL)
    assert await gone([prober, web], 10) == []
    with pytest.raises(ServerError):
        await running.stack.watcher.get("/metrics")
