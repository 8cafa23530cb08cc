"""The control of the proxy and its process: sentences for what is wrong, holds that end with their holder."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import resource
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from prober.demo import procfs
from prober.demo.ports import is_free
from prober.demo.process import Owner, gone
from prober.demo.proxy_server import Proxy
from prober.demo.redis_server import RedisServer
from prober.demo.user import ServerError
from prober.faults.conditions import CLEAR
from prober.faults.control import SOCKET
from prober.faults.control_client import ControlError
from tests.http1.raw_server import PATIENCE
from tests.system.proxying import connected_to, counted, ping, proxy_on
from tests.system.watching import until

PONG = b"+PONG\r\n"

HOLDER = """
import asyncio, pathlib, sys
from prober.faults.control_client import Control
async def main():
    async with Control(pathlib.Path(sys.argv[1])) as control:
        await control.hold(latency=0.5, refuse=True)
        print("holding", flush=True)
        await asyncio.sleep(3600)
asyncio.run(main())
"""

OWNER = """
import asyncio, sys
from prober.demo.process import Owner
from prober.demo.proxy_server import Proxy
async def main():
    async with Owner() as owner:
        proxy = Proxy(owner, owner.directory / "proxy", int(sys.argv[1]))
        await proxy.start()
        await proxy.set(freeze=sys.argv[2] == "frozen")
        print(proxy.pid, proxy.port, owner.directory, flush=True)
        await asyncio.sleep(3600)
asyncio.run(main())
"""


def raw(proxy: Proxy, *lines: bytes) -> list[dict[str, object]]:
    """What the control answers to these lines; fewer answers than lines when it hangs up."""
    with socket.socket(socket.AF_UNIX) as control:
        control.settimeout(PATIENCE)
        control.connect(str(proxy.directory / SOCKET))
        control.sendall(b"".join(lines))
        control.shutdown(socket.SHUT_WR)
        with control.makefile("rb") as answers:
            return [json.loads(line) for line in answers]


async def test_what_is_wrong_is_told_in_a_sentence_and_changes_nothing(
    owner: Owner, redis_server: RedisServer
) -> None:
    proxy = await proxy_on(owner, redis_server.port)
    wrong = {
        b"latency 50ms\n": "expected one JSON object a line, got b'latency 50ms\\n'",
        b"\xff\xfe\n": "expected one JSON object a line, got b'\\xff\\xfe\\n'",
        b"[1, 2]\n": "expected a JSON object, got b'[1, 2]\\n'",
        b"{}\n": '"do" is None; expected one of show, set, clear, reset',
        b'{"do": ["set"]}\n': "\"do\" is ['set']; expected one of show, set, clear, reset",
        b'{"do": "set", "conditions": 3}\n': 'expected {"do": "set", "conditions": {…}, "hold": true or false}',
        b'{"do": "set", "hold": 1}\n': 'expected {"do": "set", "conditions": {…}, "hold": true or false}',
        b'{"do": "set", "conditions": {"latency": NaN}}\n': (
            "latency (up) is nan; expected a number from 0 to 3600 (seconds)"
        ),
        b'{"do": "set", "conditions": {"freeze": true, "speed": 1}}\n': (
            "'speed' is not a condition; known are latency, jitter, bandwidth, up, down, reset, stall, refuse, "
            "freeze"
        ),
    }
    answers = await asyncio.to_thread(raw, proxy, *wrong, b'{"do": "show"}\n')
    assert [answer.get("error") for answer in answers] == [*wrong.values(), None]
    deep = b"[" * 50_000 + b"]" * 50_000
    for far_too_long in (b"x" * 1_000_000, deep):
        with contextlib.suppress(ConnectionError):  # it hangs up, and may do so before we have said all
            (answer,) = await asyncio.to_thread(raw, proxy, far_too_long + b"\n", b'{"do": "show"}\n')
            assert answer == {"error": "a request is one line of less than 64 KiB"}
    (answer, state) = await asyncio.to_thread(raw, proxy, deep[:30_000] + b"\n", b'{"do": "show"}\n')
    assert str(answer["error"]).startswith("expected one JSON object a line, got b'[[[[")
    assert state["held"] is False
    assert (await proxy.state()).conditions == CLEAR
    with pytest.raises(
        ControlError, match=re.escape("jitter (up) is 1 s with a latency of 0 s; expected no more")
    ):
        await proxy.set(jitter=1)
    assert "Traceback" not in proxy.log_tail(100)
    await proxy.stop()
    with pytest.raises(ControlError, match=re.escape(f"no proxy answers at {proxy.directory / SOCKET}: No such")):
        await proxy.state()
    assert proxy.returncode == 0
    assert not (proxy.directory / SOCKET).exists()


async def test_only_the_holder_changes_what_it_holds_and_anybody_may_clear(
    owner: Owner, redis_server: RedisServer
) -> None:
    proxy = await proxy_on(owner, redis_server.port)
    async with proxy.control() as holder:
        assert (await holder.hold(latency=0.01)).held
        assert (await holder.set(jitter=0.01)).conditions.up.jitter == 0.01
        for forbidden in (proxy.set(freeze=True), proxy.reset()):
            with pytest.raises(
                ControlError, match="another control connection holds the conditions; wait for its"
            ):
                await forbidden
        assert not (await proxy.clear()).held
        assert (await proxy.set(latency=1)).conditions.up.latency == 1
        with pytest.raises(ControlError, match="more jitter than latency"):
            await holder.hold(jitter=2)
    # It no longer held anything when it went.
    assert (await proxy.state()).conditions.up.latency == 1


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
async def test_held_conditions_end_with_their_holder(
    owner: Owner, redis_server: RedisServer, end: signal.Signals
) -> None:
    proxy = await proxy_on(owner, redis_server.port)
    holder = owner.spawn(
        [sys.executable, "-c", HOLDER, proxy.directory],
        name="holder",
        cwd=Path("/"),
        log_file=owner.directory / "holder.log",
    )

    async def holding() -> bool:
        return "holding" in holder.log_tail()

    await until("the conditions to be held", holding)
    assert (await proxy.state()).held
    with pytest.raises(ConnectionRefusedError):
        ping(proxy.port)
    assert holder.signal(end)

    async def released() -> bool:
        state = await proxy.state()
        return state.conditions == CLEAR and not state.held

    await until("the conditions to be cleared", released)
    assert await asyncio.to_thread(ping, proxy.port) == PONG


async def test_a_proxy_that_was_killed_starts_again_without_conditions(
    owner: Owner, redis_server: RedisServer
) -> None:
    proxy = await proxy_on(owner, redis_server.port)
    port = proxy.port
    await proxy.set(refuse=True)
    proxy.kill()
    await proxy.start()
    assert proxy.port == port
    assert (await proxy.state()).conditions == CLEAR
    assert await asyncio.to_thread(ping, port) == PONG


async def test_it_works_in_a_directory_whose_name_is_longer_than_any_socket_address(
    owner: Owner, redis_server: RedisServer
) -> None:
    proxy = Proxy(owner, owner.directory / ("long-" * 20) / ("longer-" * 20), redis_server.port)
    await proxy.start()
    assert (await proxy.set(latency=0.01)).conditions.down.latency == 0.01
    assert await asyncio.to_thread(ping, proxy.port) == PONG


async def test_only_its_owner_may_use_its_control(owner: Owner, redis_server: RedisServer) -> None:
    proxy = await proxy_on(owner, redis_server.port)
    assert (proxy.directory / SOCKET).stat().st_mode & 0o777 == 0o600


async def test_where_it_cannot_start_it_says_why(owner: Owner, redis_server: RedisServer) -> None:
    proxy = await proxy_on(owner, redis_server.port)
    taken = Proxy(owner, owner.directory / "second", redis_server.port, port=proxy.port)
    with pytest.raises(ServerError, match=f"cannot listen on 127.0.0.1:{proxy.port}: Address already in use"):
        await taken.start()
    assert taken.returncode == 3
    same_place = Proxy(owner, proxy.directory, redis_server.port)
    with pytest.raises(ServerError, match=r"cannot make its control in .*: another process answers there"):
        await asyncio.wait_for(expect_end(same_place), PATIENCE)
    assert await asyncio.to_thread(ping, proxy.port) == PONG


async def expect_end(proxy: Proxy) -> None:
    """Start a proxy whose control, which is another's, answers at once; wait for what becomes of it."""
    await proxy.start()
    while proxy.running:
        await asyncio.sleep(0.01)
    raise ServerError(proxy.log_tail())


@pytest.mark.parametrize("way", ["frozen", "clear"])
async def test_nothing_is_left_when_the_owner_is_killed(owner: Owner, redis_server: RedisServer, way: str) -> None:
    doomed = await asyncio.create_subprocess_exec(
        sys.executable, "-c", OWNER, str(redis_server.port), way, stdout=subprocess.PIPE
    )
    assert doomed.stdout is not None
    try:
        pid, port, directory = (await doomed.stdout.readline()).decode().split()
        remains = Path(directory)
        identity = procfs.identify(int(pid))
        assert identity is not None
        with connected_to(int(port)) as client:
            client.sendall(b"PING\r\n")
            doomed.kill()
            assert await gone([identity], PATIENCE) == []
            assert is_free(int(port))

            async def removed() -> bool:
                return not await asyncio.to_thread(remains.exists)

            await until("the directory to be removed", removed)
    finally:
        with contextlib.suppress(ProcessLookupError):
            doomed.kill()
        await doomed.wait()


async def test_connections_beyond_its_descriptors_wait_for_their_turn(
    owner: Owner, redis_server: RedisServer
) -> None:
    proxy = await proxy_on(owner, redis_server.port)
    # Room for fourteen connections, and for the control.
    resource.prlimit(proxy.pid, resource.RLIMIT_NOFILE, (60, 60))
    clients = [socket.create_connection(("127.0.0.1", proxy.port), timeout=PATIENCE) for _ in range(60)]
    try:
        state = await counted(proxy, "all that fit", lambda counters: counters.open == 14)
        assert state.counters.connections == 14
        for client in clients[5:]:
            client.close()
        assert await asyncio.to_thread(ping, proxy.port) == PONG
    finally:
        for client in clients:
            client.close()
    state = await counted(proxy, "all to be closed", lambda counters: counters.open == 0)
    assert (state.counters.connections, state.counters.upstream_failures) == (61, 0)
    assert "Traceback" not in proxy.log_tail(1000)
