"""The link to a real web process: its start, its end, what it may know, and a reader that does not read."""

from __future__ import annotations

import asyncio
import os
import pickle
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio
from hypothesis import given, settings
from hypothesis import strategies as st

from prober.clock import now
from prober.event import LoopLag, ViolationFound
from prober.outcome import RaceOutcome, Violation
from prober.publish.frames import (
    MAX_FRAME,
    BrokenFrameError,
    Failed,
    FrameReader,
    Ready,
    pickled,
    read_upward,
    unpickled,
    upward,
)
from prober.publish.link import Link, WebProcessError
from prober.publish.outbox import Outbox, is_ordinary
from tests.web.event_samples import race, ran, redis, started

VIOLATION = ViolationFound(id="1", kind=Violation.SPLIT_ORDER, at=now(), sentence="two winners")


class Ends:
    """Exit codes that `on_exit` was called with."""

    def __init__(self) -> None:
        self.codes: list[int] = []

    def __call__(self, code: int) -> None:
        self.codes.append(code)


@pytest.fixture
def ends() -> Ends:
    return Ends()


@pytest_asyncio.fixture
async def link(ends: Ends) -> AsyncIterator[Link]:
    link = await Link.start("127.0.0.1", 0, on_exit=ends)
    yield link
    await link.close()


async def until(condition: Callable[[], bool], within: float = 20.0) -> None:
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


def alive(pid: int) -> bool:
    """Whether the process exists and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def told(link: Link, file: str) -> str:
    """What the kernel says of the web process."""
    return Path(f"/proc/{link.pid}/{file}").read_bytes().decode(errors="replace")


async def scrape(link: Link) -> dict[str, float]:
    def get() -> str:
        with urllib.request.urlopen(f"{link.ready.url}/metrics", timeout=20) as answer:
            return str(answer.read().decode())

    lines = (await asyncio.to_thread(get)).splitlines()
    pairs = (line.rpartition(" ") for line in lines if not line.startswith("#"))
    return {name: float(value) for name, _, value in pairs}


async def test_events_become_metrics_in_the_other_process(link: Link, ends: Ends) -> None:
    link.send(started(at=now()))
    link.send(VIOLATION)
    link.send(ran(redis()))
    assert link.pid != os.getpid()
    while (await scrape(link)).get('prober_probe_runs_total{outcome="ok",probe="redis"}') != 1:
        await asyncio.sleep(0.02)
    assert (await scrape(link))['vendor_routing_race_conditions_total{kind="split_order"}'] == 1
    await link.close()
    assert not alive(link.pid)
    assert ends.codes == []


async def test_an_end_that_nobody_asked_for_is_told_once(link: Link, ends: Ends) -> None:
    os.kill(link.pid, signal.SIGKILL)
    await until(lambda: ends.codes != [])
    link.send(VIOLATION)
    await link.close()
    assert ends.codes == [-signal.SIGKILL]


async def test_sigterm_ends_it_in_order_and_ctrl_c_not_at_all(link: Link, ends: Ends) -> None:
    link.send(started(at=now()))
    os.kill(link.pid, signal.SIGINT)
    assert "prober_build_info" in str(await scrape(link))
    os.kill(link.pid, signal.SIGTERM)
    await until(lambda: ends.codes != [])
    assert ends.codes == [0]


async def test_a_port_in_use_is_told_in_a_sentence_and_leaves_no_process(ends: Ends) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        before = _children()
        with pytest.raises(WebProcessError, match=rf"cannot listen on 127\.0\.0\.1:{port}: .*in use"):
            await Link.start("127.0.0.1", port, on_exit=ends)
    assert _children() == before
    assert ends.codes == []


async def test_an_address_that_is_not_ours_is_told_too(ends: Ends) -> None:
    with pytest.raises(WebProcessError, match=r"cannot listen on 192\.0\.2\.1:9877"):
        await Link.start("192.0.2.1", 9877, on_exit=ends)


async def test_secrets_of_the_environment_stay_here(ends: Ends, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TWILIO_AUTH_TOKEN", "not for the web process")
    link = await Link.start("127.0.0.1", 0, on_exit=ends)
    try:
        environment, command = told(link, "environ"), told(link, "cmdline")
    finally:
        await link.close()
    assert "not for" not in environment + command
    assert "PYTHONPATH=" in environment


async def test_the_web_process_gives_way_and_stays_small(link: Link) -> None:
    link.send(started(at=now()))
    for _ in range(20):
        await scrape(link)
    assert os.getpriority(os.PRIO_PROCESS, link.pid) == os.getpriority(os.PRIO_PROCESS, 0) + 5
    resident = int(told(link, "status").partition("VmRSS:")[2].split()[0])
    assert resident < 60_000  # kB; 43,000 as measured


@pytest.mark.parametrize(
    ("module", "foreign"),
    [
        ("prober.web.process", {"pydantic", "asyncpg", "redis", "apscheduler", "httptools"}),
        ("prober.publish.link", {"aiohttp", "prometheus_client", "bcrypt"}),
    ],
)
def test_each_process_loads_only_what_it_needs(module: str, foreign: set[str]) -> None:
    program = f"import sys, {module}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert not foreign & set(done.stdout.split())


async def test_a_reader_that_does_not_read_costs_bounded_memory_and_no_violation(link: Link) -> None:
    """As after a scrape that never ends, or on a machine that swaps: sending goes on and takes no time."""
    link.send(started(at=now()))
    os.kill(link.pid, signal.SIGSTOP)
    try:
        big = ran(redis(detail="x" * 20_000))
        longest = 0.0
        for _ in range(600):
            began = time.perf_counter()
            link.send(big)
            longest = max(longest, time.perf_counter() - began)
        link.send(VIOLATION)
        for _ in range(10):
            link.send(big)
        assert longest < 1.0
        assert 0 < link.dropped < 600
    finally:
        os.kill(link.pid, signal.SIGCONT)
    runs = 'prober_probe_runs_total{outcome="ok",probe="redis"}'
    dropped = link.dropped
    deadline = time.monotonic() + 20
    while (found := await scrape(link)).get(runs) != 610 - dropped:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)
    assert found["prober_events_dropped_total"] == dropped
    assert found['vendor_routing_race_conditions_total{kind="split_order"}'] == 1


async def test_closing_ends_a_web_process_that_hangs(ends: Ends) -> None:
    link = await Link.start("127.0.0.1", 0, on_exit=ends)
    os.kill(link.pid, signal.SIGSTOP)
    began = time.monotonic()
    await link.close()
    assert time.monotonic() - began < 15
    assert not alive(link.pid)
    assert ends.codes == []


def _children() -> set[int]:
    tasks = Path(f"/proc/{os.getpid()}/task").iterdir()
    return {int(pid) for task in tasks for pid in (task / "children").read_text().split()}


@given(sizes=st.lists(st.integers(0, 200), max_size=20), cuts=st.lists(st.integers(1, 50), min_size=1))
def test_frames_survive_any_cutting_of_the_stream(sizes: list[int], cuts: list[int]) -> None:
    messages = [b"m" * size for size in sizes]
    stream = b"".join(pickled(message) for message in messages)
    reader, found, at = FrameReader(), list[bytes](), 0
    while at < len(stream):
        cut = cuts[at % len(cuts)]
        found += [unpickled(payload) for payload in reader.feed(stream[at : at + cut])]
        at += cut
    assert found == messages


def test_a_length_out_of_all_reason_is_refused() -> None:
    with pytest.raises(BrokenFrameError, match="at most"):
        FrameReader().feed((MAX_FRAME + 1).to_bytes(4, "big"))


@pytest.mark.parametrize("word", [Ready(host="::1", port=9877, tls=True), Failed(sentence="no — really")])
def test_the_words_upwards_are_read_back(word: Ready | Failed) -> None:
    (payload,) = FrameReader().feed(upward(word))
    assert read_upward(payload) == word


@given(payload=st.binary(max_size=60) | st.just(pickle.dumps(Failed(sentence="a pickle"))))
def test_nothing_else_is_understood_upwards(payload: bytes) -> None:
    with pytest.raises(BrokenFrameError):
        read_upward(payload)


def test_an_ipv6_address_is_written_as_a_url() -> None:
    assert Ready(host="::1", port=9877, tls=True).url == "https://[::1]:9877"


@settings(deadline=None)
@given(frames=st.lists(st.tuples(st.integers(1, 50), st.booleans()), max_size=60), limit=st.integers(0, 500))
def test_the_outbox_keeps_order_and_drops_only_the_oldest_ordinary(
    frames: list[tuple[int, bool]], limit: int
) -> None:
    outbox = Outbox(limit)
    put = [(number.to_bytes(2, "big") * size, ordinary) for number, (size, ordinary) in enumerate(frames)]
    for frame, ordinary in put:
        outbox.put(frame, ordinary=ordinary)
    taken = [outbox.take() for _ in range(len(outbox))]
    ordinary_frames = [frame for frame, ordinary in put if ordinary]
    lost = ordinary_frames[: outbox.dropped]
    assert taken == [frame for frame, _ in put if frame not in lost]
    kept_size = sum(len(frame) for frame, ordinary in put if not ordinary)
    assert sum(map(len, taken)) <= max(limit, kept_size)


def test_what_may_be_lost_is_what_comes_again_soon() -> None:
    assert is_ordinary(ran(redis()))
    assert is_ordinary(LoopLag(seconds=0.0, at=now()))
    assert not is_ordinary(ran(race(race_outcome=RaceOutcome.SPLIT_ORDER)))
    assert not is_ordinary(VIOLATION)
    assert not is_ordinary(started())
