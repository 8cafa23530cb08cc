"""Measured recovery next to the true one from outside: crash, freeze and ordinary restart of both services."""

from __future__ import annotations

import argparse
import asyncio
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.figures import percentile, table
from benchmarks.stacks import default_stack
from prober.demo.postgres import Postgres
from prober.demo.redis_server import RedisServer
from prober.demo.stack import Stack
from prober.publish.journal.reader import Reader
from prober.publish.journal.stored import StoredOutage

WATCH_EVERY = 0.001


@dataclass(frozen=True)
class Trial:
    """One outage: what was measured, what was true, and what the prober says it may be wrong by (seconds)."""

    measured: float
    true: float
    uncertainty: float

    @property
    def error(self) -> float:
        return self.measured - self.true


class Outside:
    """Asks a service every millisecond from a thread of its own: when it ceased to answer, and began again."""

    def __init__(self, answers: Callable[[], bool]) -> None:
        self._answers = answers
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.ceased = 0.0
        self.again = 0.0

    def begin(self) -> None:
        self._thread.start()

    def _watch(self) -> None:
        while True:
            asked = time.monotonic()
            if not self._answers():
                self.ceased = asked
                break
            time.sleep(WATCH_EVERY)
        while not self._answers():
            time.sleep(WATCH_EVERY)
        self.again = time.monotonic()

    async def outage(self) -> float:
        """The length of the one outage, seconds."""
        await asyncio.to_thread(self._thread.join, 60)
        return self.again - self.ceased


def redis_answers(server: RedisServer) -> bool:
    url = server.url()
    password = url.split(":")[2].split("@")[0] if "@" in url else None
    try:
        with socket.create_connection(("127.0.0.1", server.port), 0.2) as connection:
            connection.settimeout(0.2)
            if password:
                connection.sendall(f"AUTH {password}\r\n".encode())
                connection.recv(64)
            connection.sendall(b"PING\r\n")
            return connection.recv(64).startswith(b"+PONG")
    except OSError:
        return False


def postgres_answers(server: Postgres) -> bool:
    """Whether the server would let a session in: it asks for a password instead of saying that it starts."""
    user = b"user\0postgres\0database\0orders\0\0"
    startup = (len(user) + 8).to_bytes(4, "big") + (196608).to_bytes(4, "big") + user
    try:
        with socket.create_connection(("127.0.0.1", server.port), 0.2) as connection:
            connection.settimeout(0.2)
            connection.sendall(startup)
            return connection.recv(1) == b"R"
    except OSError:
        return False


async def crash(server: RedisServer | Postgres) -> None:
    server.kill()
    await server.wait_gone()
    await asyncio.sleep(0.3)
    await server.start()


async def stop(server: RedisServer | Postgres) -> None:
    await server.stop()
    await asyncio.sleep(0.3)
    await server.start()


async def freeze(server: RedisServer | Postgres) -> None:
    server.freeze()
    await asyncio.sleep(3.5)
    server.thaw()


FAULTS = {"SIGKILL and restart": crash, "stop and start": stop, "SIGSTOP and SIGCONT": freeze}


async def trial(stack: Stack, reader: Reader, probe: str, fault: str) -> Trial:
    server: RedisServer | Postgres = stack.redis if probe == "redis" else stack.postgres

    def answers() -> bool:
        return redis_answers(stack.redis) if probe == "redis" else postgres_answers(stack.postgres)

    known = {outage.id for outage in reader.outages(probe)}
    outside = Outside(answers)
    outside.begin()
    await asyncio.sleep(0.05)
    await FAULTS[fault](server)
    true = await outside.outage()
    outage = await over(reader, probe, known)
    assert outage.duration is not None
    return Trial(measured=outage.duration, true=true, uncertainty=outage.uncertainty or 0.0)


async def over(reader: Reader, probe: str, known: set[str]) -> StoredOutage:
    """Wait for the one outage that is new and has ended."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        new = [outage for outage in reader.outages(probe) if outage.id not in known]
        if new and all(outage.ended_wall is not None for outage in new):
            assert len(new) == 1, f"one fault made {len(new)} outages"
            return new[0]
        await asyncio.sleep(0.05)
    raise AssertionError(f"no outage of {probe} was recorded")


async def measure(times: int = 10) -> str:
    """Each fault on each service, `times` times, at the default intervals."""
    rows: list[tuple[object, ...]] = []
    async with default_stack() as stack:
        await stack.start_watcher()
        reader = Reader(stack.data_dir)
        for probe in ("redis", "database"):
            for fault in FAULTS:
                trials = []
                for _ in range(times):
                    trials.append(await trial(stack, reader, probe, fault))
                    await asyncio.sleep(1.5)
                errors = [abs(t.error) for t in trials]
                inside = sum(abs(t.error) <= t.uncertainty + 0.005 for t in trials)
                rows.append(
                    (
                        probe,
                        fault,
                        f"{percentile([t.true for t in trials], 50):.3f} s",
                        f"{percentile([t.measured for t in trials], 50):.3f} s",
                        f"{percentile(errors, 50) * 1000:.1f} ms",
                        f"{max(errors) * 1000:.1f} ms",
                        f"{inside} of {times}",
                    )
                )
    header = [
        "service",
        "fault",
        "true (median)",
        "measured (median)",
        "error (median)",
        "error (worst)",
        "within",
    ]
    return (
        f"{times} times each, intervals and timeouts at their defaults. *True* and *measured* are medians; *true* "
        "is what an observer outside the prober saw, which asks every millisecond. *Within*: the error is no "
        "larger than the uncertainty that the outage itself states.\n\n" + table(header, rows)
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--times", type=int, default=10)
    print(asyncio.run(measure(parser.parse_args().times)))
