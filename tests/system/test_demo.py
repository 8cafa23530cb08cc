"""`prober demo` as a user runs it: what it prints, what it exports, how it ends, and that nothing is left."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
import urllib.request
from pathlib import Path

import pytest

import prober
from prober.demo.process import User, obstacle
from prober.demo.stack import FORMS
from tests.promtool import check_metrics
from tests.system.watching import Scrape, parse

TWELVE = (  # the guide, "Prometheus Metrics to Track"
    "whatsapp_webhook_requests_total",
    "whatsapp_webhook_duration_seconds_count",
    "whatsapp_webhook_errors_total",
    "vendor_routing_races_total",
    "vendor_routing_win_rate",
    "vendor_routing_response_time_seconds_count",
    "redis_connection_errors_total",
    "redis_queue_backlog",
    "redis_recovery_time_seconds",
    "db_connection_pool_usage",
    "db_recovery_time_seconds",
    "db_transaction_rollbacks_total",
)
NOBODY = 65534


class Demo:
    """One demo under test, in a directory of its own."""

    def __init__(self, directory: Path, *options: str, user: int | None = None) -> None:
        self.directory = directory
        self.output = directory.parent / "demo.out"
        python = sys.executable if user is None else str(python_of(user, directory.parent))
        command = [python, "-m", "prober", "demo", "--data-dir", str(directory), "--no-prometheus", *options]
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                command,
                stdout=output,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                user=user,
                group=user,
                extra_groups=[] if user is not None else None,
                cwd=directory.parent,
                env={**os.environ, "HOME": str(directory.parent)},
            )

    def said(self) -> str:
        return self.output.read_text()

    async def ready(self) -> str:
        """Wait for the line `ready http://…` and return the address."""
        deadline = time.monotonic() + 90
        while time.monotonic() < deadline:
            for line in self.said().splitlines():
                if line.startswith("ready "):
                    return line.removeprefix("ready ")
            assert self.process.poll() is None, self.said()
            await asyncio.sleep(0.1)
        raise AssertionError(self.said())

    async def ended(self, timeout: float = 90) -> int:
        deadline = time.monotonic() + timeout
        while self.process.poll() is None:
            assert time.monotonic() < deadline, self.said()
            await asyncio.sleep(0.1)
        return self.process.returncode

    def processes(self) -> set[int]:
        """Whoever mentions our directory, as command line, open file or working directory."""
        marker = str(self.directory).encode()
        found = set()
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit() or int(entry.name) == os.getpid():
                continue
            try:
                mentions = marker in (entry / "cmdline").read_bytes() or bytes(
                    entry.joinpath("cwd").readlink()
                ).startswith(marker)
            except OSError:
                continue
            if mentions:
                found.add(int(entry.name))
        return found

    async def nothing_left(self) -> None:
        deadline = time.monotonic() + 30
        while self.processes():
            assert time.monotonic() < deadline, self.processes()
            await asyncio.sleep(0.1)


def python_of(user: int, base: Path) -> Path:
    """A virtual environment that this user may run, with our packages; ours may lie where he may not go."""
    who = User(uid=user, gid=user, name="nobody")
    ours = Path(sys.executable).resolve()
    system = Path(f"/usr/bin/python3.{sys.version_info.minor}")
    interpreter = next((path for path in (ours, system) if path.exists() and not obstacle(path.parent, who)), None)
    assert interpreter is not None, f"an ordinary user may run neither {ours} nor {system}; install the latter"
    subprocess.run([interpreter, "-m", "venv", "--without-pip", base / "venv"], check=True)
    packages = Path(sysconfig.get_path("purelib"))
    if obstacle(packages, who):
        packages = Path(shutil.copytree(packages, base / "packages"))
    source = Path(prober.__file__).parent
    if obstacle(source, who):
        source = Path(shutil.copytree(source, base / "source" / "prober"))
    (theirs,) = (base / "venv" / "lib").glob("python*/site-packages")
    (theirs / "ours.pth").write_text(f"{packages}\n{source.parent}\n")
    return base / "venv" / "bin" / "python"


def fetch(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as answer:
        text: str = answer.read().decode()
        return text


class SharedMemory:
    """What the PostgreSQL of a demo holds in shared memory, looked at while it runs."""

    def __init__(self, directory: Path) -> None:
        (file,) = directory.rglob("postmaster.pid")
        lines = file.read_text().splitlines()
        maps = Path(f"/proc/{lines[0]}/maps").read_text()
        self._posix = set(re.findall(r"/dev/shm/PostgreSQL\.\d+", maps))
        self._segment = lines[6].split()[1]

    def left(self) -> list[str]:
        rows = Path("/proc/sysvipc/shm").read_text().splitlines()[1:]
        segments = {row.split()[1] for row in rows}
        return [*(path for path in self._posix if Path(path).exists()), *({self._segment} & segments)]


def control_of(text: str) -> str:
    return text.split("(faults: ")[1].split("/faults)")[0]


async def settled_record(control: str, url: str) -> tuple[dict[str, int], Scrape]:
    """The target's summary, and a scrape in between two equal summaries: then both speak of the same."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        before = json.loads(fetch(f"{control}/record?kind=request&since=0&limit=1000000"))["entries"]
        scrape = parse(fetch(f"{url}/metrics"))
        after = json.loads(fetch(f"{control}/record?kind=request&since=0&limit=1000000"))["entries"]
        webhooks = [entry for entry in after if entry["path"].endswith("/webhook") and entry["method"] == "POST"]
        answered = [entry for entry in webhooks if entry["status"] is not None]
        requests = "whatsapp_webhook_requests_total"
        counted = scrape.total(requests) - scrape.total(requests, code="none")
        if len(before) == len(after) and len(answered) == counted:
            accepts = sum(entry["path"].endswith("/accept") and "none" not in entry["path"] for entry in after)
            return {"webhooks": len(webhooks), "accepts": accepts}, scrape
        await asyncio.sleep(0.03)
    raise AssertionError("the record and the metrics never agreed")


@pytest.mark.parametrize("user", [None, NOBODY], ids=["ourselves", "ordinary user"])
async def test_a_demo_shows_the_truth_and_leaves_nothing(user: int | None) -> None:
    if user is not None and os.geteuid() != 0:
        pytest.skip("only root can become somebody else; the other case is an ordinary user here")
    with public_directory() as base:
        directory = base / "demo"
        directory.mkdir()
        for path in (base, directory):
            os.chown(path, user if user is not None else os.geteuid(), -1)
        demo = Demo(directory, "--duration", "25s", user=user)
        url = await demo.ready()
        memory = SharedMemory(directory)
        await asyncio.sleep(8)
        record, scrape = await settled_record(control_of(demo.said()), url)
        for name in TWELVE:
            assert any(found == name for found, _ in scrape.samples), name
        assert scrape.value("vendor_routing_win_rate") == 1
        assert scrape.total("whatsapp_webhook_errors_total") == 0
        assert scrape.total("whatsapp_webhook_violations_total") == 0
        assert record["webhooks"] == scrape.total("whatsapp_webhook_requests_total")
        assert record["accepts"] >= 5 * scrape.total("vendor_routing_races_total") > 0
        exposition = fetch(f"{url}/metrics")
        assert await demo.ended() == 0, demo.said()
        assert "violations none" in demo.said()
        await demo.nothing_left()
    assert memory.left() == []
    check_metrics(exposition)


class public_directory:  # noqa: N801 - used like a function
    """A directory that any user may enter, removed at the end."""

    def __enter__(self) -> Path:
        self._directory = tempfile.TemporaryDirectory(dir="/var/tmp", prefix="prober-test-")
        path = Path(self._directory.name)
        path.chmod(0o755)
        return path

    def __exit__(self, *_: object) -> None:
        self._directory.cleanup()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
async def test_however_it_ends_nothing_is_left(how: signal.Signals) -> None:
    with public_directory() as base:
        demo = Demo(base / "demo")
        url = await demo.ready()
        memory = SharedMemory(base / "demo")
        demo.process.send_signal(how)
        code = await demo.ended()
        assert code == (-signal.SIGKILL if how is signal.SIGKILL else 0), demo.said()
        await demo.nothing_left()
        with pytest.raises(OSError, match="refused"):
            fetch(url)
    assert memory.left() == []


@pytest.mark.parametrize("contract", FORMS)
async def test_a_planted_fault_is_told_and_the_exit_code_says_so(contract: str) -> None:
    with public_directory() as base:
        demo = Demo(base / "demo", "--contract", contract, "--duration", "10s", "--break", "double_accept")
        assert await demo.ended(120) == 1, demo.said()
        assert "multiple_winners" in demo.said()
        assert "were told they had won" in demo.said()


@pytest.mark.parametrize(
    ("option", "name", "said"),
    [
        ("--break", "double_acept", "no such fault: 'double_acept'"),
        ("--contract", "giude", "no such contract: 'giude'; there are whatsapp-ordering-system, guide"),
    ],
)
async def test_an_unknown_name_is_bad_usage(option: str, name: str, said: str) -> None:
    with public_directory() as base:
        demo = Demo(base / "demo", option, name)
        assert await demo.ended() == 2
        assert said in demo.said()
        assert "Traceback" not in demo.said()


async def test_every_other_command_can_be_pointed_at_it() -> None:
    with public_directory() as base:
        demo = Demo(base / "demo")
        await demo.ready()
        config = str(base / "demo" / "config.yaml")

        def prober(*arguments: str) -> subprocess.CompletedProcess[str]:
            command = [sys.executable, "-m", "prober", *arguments, "--config", config]
            return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)

        checked = await asyncio.to_thread(prober, "check", "--json")
        assert checked.returncode == 0, checked.stdout + checked.stderr
        lines = {line["name"]: line for line in json.loads(checked.stdout)["probes"]}
        checks = {"webhook_duplicate", "webhook_signature", "webhook_replay", "repeats effect"}
        assert set(lines) == {"webhook", "webhook effect", "race", "redis", "database", "health", *checks}
        assert {line["verdict"] for line in lines.values()} == {"ok"}
        assert lines["race"]["outcome"] == "one_winner"
        assert (await asyncio.to_thread(prober, "config", "check")).returncode == 0
        shown = await asyncio.to_thread(prober, "config", "show")
        assert "***" in shown.stdout
        demo.process.send_signal(signal.SIGTERM)
        await demo.ended()
