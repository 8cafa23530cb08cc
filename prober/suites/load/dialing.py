"""Opens the connections of the load engine, some at a time, and after failures later and later."""

from __future__ import annotations

import asyncio
import random
import socket
import ssl
from collections import deque
from collections.abc import Callable

from prober.http1 import Endpoint
from prober.http1.errors import Failure, explain
from prober.outcome import Outcome
from prober.suites.load.lane import Lane

# So many handshakes at once: more would overrun the target's queue of connections before it could accept them.
AT_ONCE = 64
FIRST_PAUSE = 0.05  # seconds after a failed try; doubled by each further one
LONGEST_PAUSE = 1.0


def pause_after(tries: int) -> float:
    """How long (seconds) to wait after so many failed tries in a row; 0 after none."""
    return 0.0 if tries == 0 else min(FIRST_PAUSE * 2 ** min(tries - 1, 10), LONGEST_PAUSE)


class Dialer:
    """Connects lanes. `on_open` or `on_failure` is called once for each `dial`, unless closed before."""

    def __init__(self, endpoint: Endpoint, tls: ssl.SSLContext | None, timeout: float) -> None:
        self._endpoint = endpoint
        self._tls = tls
        self._timeout = timeout
        self._waiting: deque[tuple[Lane, Callable[[Lane], None], Callable[[Lane, Failure], None]]] = deque()
        self._under_way: set[asyncio.Task[None]] = set()
        self._timers: set[asyncio.TimerHandle] = set()
        self.closed = False

    def dial(
        self,
        lane: Lane,
        tries: int,
        on_open: Callable[[Lane], None],
        on_failure: Callable[[Lane, Failure], None],
    ) -> None:
        """Connect a lane, after a pause that grows with the failed `tries` before."""
        delay = pause_after(tries)
        if not delay:
            self._waiting.append((lane, on_open, on_failure))
            self._start()
            return

        def due() -> None:
            self._timers.discard(timer)
            self._waiting.append((lane, on_open, on_failure))
            self._start()

        # Lanes that fell together must not come back together.
        timer = asyncio.get_running_loop().call_later(delay * random.uniform(0.75, 1.25), due)  # noqa: S311
        self._timers.add(timer)

    def close(self) -> None:
        """Give up whatever is being connected."""
        self.closed = True
        self._waiting.clear()
        for timer in self._timers:
            timer.cancel()
        for task in self._under_way:
            task.cancel()

    def _start(self) -> None:
        while self._waiting and len(self._under_way) < AT_ONCE and not self.closed:
            task = asyncio.get_running_loop().create_task(self._connect(*self._waiting.popleft()))
            self._under_way.add(task)
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            raise error
        self._start()

    async def _connect(
        self, lane: Lane, on_open: Callable[[Lane], None], on_failure: Callable[[Lane, Failure], None]
    ) -> None:
        endpoint = self._endpoint
        doing = f"connecting to {endpoint.host}:{endpoint.port}"
        try:
            async with asyncio.timeout(self._timeout):
                transport, _ = await asyncio.get_running_loop().create_connection(
                    lambda: lane,
                    endpoint.host,
                    endpoint.port,
                    ssl=self._tls,
                    server_hostname=None if self._tls is None else endpoint.server_name or endpoint.host,
                )
        except TimeoutError:
            on_failure(lane, Failure(Outcome.TIMEOUT, f"{doing}: no answer within {self._timeout:g} s"))
            return
        except (OSError, ExceptionGroup, UnicodeError) as error:
            on_failure(lane, explain(error, doing))
            return
        sock = transport.get_extra_info("socket")
        if sock is not None and sock.family in (socket.AF_INET, socket.AF_INET6):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if lane.open:
            on_open(lane)
        else:
            on_failure(lane, Failure(Outcome.CLOSED, f"{doing}: closed at once"))
