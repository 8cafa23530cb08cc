"""The load engine beside wrk, hey and Locust: messages per CPU second of the client, and the tail.

One nginx on loopback answers all of them. Ours is the whole command, and like Locust it sends unique, signed
messages, built while it sends; wrk and hey send one fixed request of the same size again and again.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from benchmarks.figures import table
from prober.config.load import load_config
from prober.daemon.assembly import load_contract, target_client_parts
from prober.demo.process import Owner
from prober.probes.synthetic import Mark
from prober.suites import locust as locust_package
from prober.suites.load.messages import Ids, Sender

ROUNDS = 3
SECONDS = 5
SCENARIOS = {50: "moderate", 500: "stress"}
LOCUSTFILE = Path(locust_package.__file__).with_name("locustfile.py")

NGINX = """\
daemon off; worker_processes 1; pid {directory}/nginx.pid; error_log {directory}/error.log crit;
events {{ worker_connections 4096; }}
http {{
  access_log off; keepalive_requests 1000000000; client_body_temp_path {directory};
  fastcgi_temp_path {directory}; uwsgi_temp_path {directory}; scgi_temp_path {directory};
  proxy_temp_path {directory};
  server {{ listen 127.0.0.1:{port} backlog=4096; location / {{ return 200 "OK"; }} }}
}}
"""

# The bars of the issue, of ratios within one run.
BARS = {"wrk": 0.5, "hey": 2.0, "Locust": 15.0}
TAIL_BAR = 1.5


@dataclass(frozen=True)
class Run:
    """One tool in one run: messages, CPU seconds of the client, p99 in seconds (None where it is not told)."""

    sent: int
    cpu: float
    p99: float | None

    @property
    def per_cpu(self) -> float:
        """Messages per CPU second."""
        return self.sent / self.cpu


class Bench:
    """An nginx, a config that points at it, and one message as the others send it."""

    def __init__(self, directory: Path, port: int) -> None:
        self.directory = directory
        self.config = directory / "config.yaml"
        document = {
            "instance": "bench",
            "data_dir": str(directory / "data"),
            "target": {
                "environment": "demo",
                "url": f"http://127.0.0.1:{port}",
                "public_url": "https://orders.demo.example",
                "account_sid": "AC" + "0" * 32,
                "auth_token": "0123456789abcdef" * 2,
            },
            "probes": {
                "webhook": {"from_number": "+999000000001"},
                "race": {"enabled": False},
                "redis": {"enabled": False},
                "database": {"enabled": False},
            },
        }
        self.config.touch(mode=0o600)
        self.config.write_text(yaml.safe_dump(document), encoding="utf-8")
        config = load_config(self.config, {})
        contract = load_contract(config, directory)
        endpoint, _ = target_client_parts(config)
        sender = Sender(
            contract=contract.webhook,
            endpoint=endpoint,
            public_url=config.target.public_url,
            auth_token=config.target.auth_token.get_secret_value(),
            account_sid=config.target.account_sid,
            from_number="+999000000001",
        )
        ids = Ids(Mark("bench"), "0" * 19)
        self.url = f"{endpoint}{contract.webhook.path}"
        self.headers: Mapping[str, str] = sender.headers(ids, 1)
        self.body = sender.content(ids, 1).decode()

    async def ours(self, connections: int) -> Run:
        """The whole command; its CPU is what it says of its own, from the first message to the last."""
        out, _ = await self._run(
            *(sys.executable, "-m", "prober", "load", SCENARIOS[connections], "--json", "--processes", "1"),
            *("--config", str(self.config), "--duration", f"{SECONDS}s", "--output", "ours.json"),
        )
        detail = json.loads(out)["detail"]
        latency, generator = detail["latency"], detail["generator"]
        return Run(detail["requests"]["accepted"], generator["cpu_seconds"], latency["p99"])

    async def wrk(self, connections: int) -> Run:
        """One thread."""
        script = self.directory / "post.lua"
        headers = "\n".join(f"wrk.headers[{name!r}] = {value!r}" for name, value in self.headers.items())
        script.write_text(f'wrk.method = "POST"\nwrk.body = {self.body!r}\n{headers}\n', encoding="utf-8")
        out, cpu = await self._run(
            *("wrk", "-t1", f"-c{connections}", f"-d{SECONDS}s", "--latency", "-s", str(script), self.url),
        )
        return Run(int(found(r"(\d+) requests in", out)), cpu, in_seconds(found(r"99%\s+(\S+)", out)))

    async def hey(self, connections: int) -> Run:
        """One core."""
        headers = [part for name, value in self.headers.items() for part in ("-H", f"{name}: {value}")]
        out, cpu = await self._run(
            *("hey", "-z", f"{SECONDS}s", "-c", str(connections), "-cpus", "1", "-m", "POST", *headers),
            *("-T", self.headers["Content-Type"], "-d", self.body, self.url),
        )
        return Run(int(found(r"\[200\]\s+(\d+) responses", out)), cpu, float(found(r"99% in (\S+) secs", out)))

    async def locust(self, connections: int) -> Run:
        """One process; its CPU is what its worker counts, from the first message to the last."""
        file = self.directory / "locust.json"
        await self._run(
            *(sys.executable, "-m", "locust", "-f", str(LOCUSTFILE), "--headless", "--only-summary"),
            *("--users", str(connections), "--spawn-rate", str(connections), "--run-time", str(SECONDS)),
            PROBER_CONFIG=str(self.config),
            PROBER_LOCUST_OUTPUT=str(file),
        )
        (portion,) = json.loads(file.read_text(encoding="utf-8"))["portions"]
        counts: dict[int, int] = {}
        for slot in portion["slots"]:
            for micros, count in slot["micros"].items():
                counts[int(micros)] = counts.get(int(micros), 0) + count
        total, seen = sum(counts.values()), 0
        for micros in sorted(counts):
            seen += counts[micros]
            if seen >= total * 0.99:
                return Run(total, portion["cpu_seconds"], micros / 1e6)
        raise AssertionError("Locust has sent nothing")

    async def _run(self, *command: str, **environment: str) -> tuple[str, float]:
        """The output of a command, and the CPU seconds that it took."""
        return await asyncio.to_thread(run, command, self.directory, {**os.environ, **environment})


def run(command: Sequence[str], directory: Path, environment: Mapping[str, str]) -> tuple[str, float]:
    with (directory / "out").open("w+") as out:
        process = subprocess.Popen(
            command,
            cwd=directory,
            stdout=out,
            stderr=subprocess.DEVNULL,
            stdin=subprocess.DEVNULL,
            env=dict(environment),
        )
        _, _, used = os.wait4(process.pid, 0)
        process.returncode = 0
        out.seek(0)
        return out.read(), used.ru_utime + used.ru_stime


def found(pattern: str, text: str) -> str:
    match = re.search(pattern, text)
    if match is None:
        raise AssertionError(f"expected {pattern!r} in: {text[:500]}")
    return match[1]


def in_seconds(text: str) -> float:
    """`17.30ms` as wrk writes it."""
    units = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0}
    number, unit = re.fullmatch(r"([\d.]+)(us|ms|s|m)", text).groups()  # type: ignore[union-attr]
    return float(number) * units[unit]


@asynccontextmanager
async def bench() -> AsyncIterator[Bench]:
    """Run nginx; AssertionError where a tool is missing."""
    path = os.environ.get("PATH", "") + ":/usr/sbin"
    missing = [tool for tool in ("nginx", "wrk", "hey") if shutil.which(tool, path=path) is None]
    assert not missing, f"missing: {', '.join(missing)}; `make tools` installs them"
    async with Owner() as owner:
        directory, port = owner.directory, owner.port()
        directory.chmod(0o755)
        file = directory / "nginx.conf"
        file.write_text(NGINX.format(directory=directory, port=port), encoding="utf-8")
        nginx = shutil.which("nginx", path=path) or "nginx"
        owner.spawn(
            [nginx, "-c", file, "-e", directory / "error.log", "-p", directory],
            name="nginx",
            cwd=directory,
            log_file=directory / "nginx.log",
        )
        deadline = time.monotonic() + 10
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                assert time.monotonic() < deadline, (directory / "nginx.log").read_text()
                await asyncio.sleep(0.05)
            else:
                writer.close()
                break
        yield Bench(directory, port)


async def measure() -> str:
    """All four at 50 and at 500 connections, in turn, and the medians of three rounds."""
    async with bench() as made:
        tools = {"prober": made.ours, "wrk": made.wrk, "hey": made.hey, "Locust": made.locust}
        rounds: dict[tuple[str, int], list[Run]] = {}
        for _ in range(ROUNDS):
            for connections in SCENARIOS:
                for name, tool in tools.items():
                    rounds.setdefault((name, connections), []).append(await tool(connections))
    rates = {key: statistics.median(run.per_cpu for run in runs) for key, runs in rounds.items()}
    tails = {key: statistics.median(run.p99 or 0.0 for run in runs) for key, runs in rounds.items()}
    rows = [
        (
            name,
            *(f"{rates[name, connections]:,.0f}" for connections in SCENARIOS),
            *(f"{tails[name, connections] * 1000:.1f} ms" for connections in SCENARIOS),
        )
        for name in tools
    ]
    header = ["client", *(f"per CPU second, {c}" for c in SCENARIOS), *(f"p99, {c}" for c in SCENARIOS)]
    bars = [
        (
            f"messages per CPU second, of {name}'s",
            f"{bar:g} ×",
            *(f"{rates['prober', c] / rates[name, c]:.2f} ×" for c in SCENARIOS),
        )
        for name, bar in BARS.items()
    ]
    tail = tails["prober", 500] / tails["wrk", 500]
    return (
        f"{SECONDS} s each against one nginx worker on loopback, medians of {ROUNDS} rounds in turn; 50 and 500 "
        "connections. Per CPU second of the client alone. `prober load` and Locust's FastHttpUser send unique "
        "messages and sign each; wrk and hey send one fixed request of the same bytes.\n\n"
        + table(header, rows)
        + "\n\n"
        + table(["", "bar, at least", *(f"{c} connections" for c in SCENARIOS)], bars)
        + f"\n\np99 at 500 connections: **{tail:.2f} ×** wrk's (bar: at most {TAIL_BAR:g} ×)."
    )


if __name__ == "__main__":
    print(asyncio.run(measure()))
