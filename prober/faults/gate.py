"""The proxy's listening socket, the connections that came through it, and the conditions that all are under."""

from __future__ import annotations

import asyncio
import resource
import socket
import sys
import time

from prober.faults.conditions import CLEAR, Conditions
from prober.faults.deathwatch import Deathwatch
from prober.faults.plan import draw_fate
from prober.faults.relay import Relay, Upstream
from prober.faults.state import Counters

BACKLOG = 1_024
ACCEPTS = 64  # at once, before what is open gets its turn
RESERVE = 32  # descriptors that connections leave to the control: what cannot be reached cannot be cleared
BREATH = 0.1  # seconds until the next try when the machine has no descriptor or memory left


class Gate:
    """Accepts on `listen` and connects `upstream`, both of loopback, for as long as it is open."""

    def __init__(self, listen: Upstream, upstream: Upstream, seed: int) -> None:
        self.conditions = CLEAR
        self.counters = Counters()
        self._address = listen
        self._upstream = upstream
        self._seed = seed
        self._loop = asyncio.get_running_loop()
        self._relays: set[Relay] = set()
        self._deathwatch = Deathwatch()
        self._listener = socket.socket(socket.AF_INET6 if ":" in listen[0] else socket.AF_INET, socket.SOCK_STREAM)
        self._listener.setblocking(False)
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._accepting = False

    def open(self) -> None:
        """Listen. OSError when the address is taken."""
        self._listener.bind(self._address)
        self._listener.listen(BACKLOG)
        self._attend()

    def change(self, conditions: Conditions) -> float:
        """Put everything under these conditions; the instant since which they are in force (CLOCK_MONOTONIC).

        OSError when it should listen again and somebody else has taken the address; nothing is changed then.
        """
        before, refused = self.conditions, conditions.refuse
        if before.refuse and not refused:
            self._listener.listen(BACKLOG)
        self.conditions = conditions
        self._attend()
        if refused and not before.refuse:
            # Shut down and not closed: the kernel refuses, and the port stays ours (Linux, tcp_disconnect).
            self._listener.shutdown(socket.SHUT_RD)
            self.reset()
        for relay in list(self._relays):
            relay.change(conditions)
        return time.monotonic()

    def clear(self) -> float:
        """Take every condition away; connections that stalled are reset, since they would stay so for ever."""
        for relay in list(self._relays):
            relay.pardon()
            if relay.stalled:
                relay.reset()
        return self.change(CLEAR)

    def reset(self) -> float:
        """Reset all connections that are open now."""
        for relay in list(self._relays):
            relay.reset()
        return time.monotonic()

    def close(self) -> None:
        """Stop listening and end all connections."""
        self._look_at_listener(wanted=False)
        self._listener.close()
        for relay in list(self._relays):
            relay.give_up()
        self._deathwatch.close()

    def _attend(self) -> None:
        """Accept if we may; who has to wait does so in the kernel's backlog, as before any busy server."""
        if self._listener.fileno() >= 0:
            held_off = self.conditions.refuse or self.conditions.freeze
            self._look_at_listener(wanted=not held_off and self._has_room())

    def _has_room(self) -> bool:
        descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        return 2 * (len(self._relays) + 1) + RESERVE <= descriptors

    def _look_at_listener(self, *, wanted: bool) -> None:
        if wanted is not self._accepting:
            self._accepting = wanted
            if wanted:
                self._loop.add_reader(self._listener.fileno(), self._accept)
            else:
                self._loop.remove_reader(self._listener.fileno())

    def _accept(self) -> None:
        for _ in range(ACCEPTS):
            if not self._has_room():
                self._attend()
                return
            try:
                client, _ = self._listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                print(f"cannot accept: {error.strerror}; trying again", file=sys.stderr)
                self._look_at_listener(wanted=False)
                self._loop.call_later(BREATH, self._attend)
                return
            self._relay(client)

    def _relay(self, client: socket.socket) -> None:
        client.setblocking(False)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.counters.connections += 1
        self.counters.open += 1
        number = self.counters.connections
        relay = Relay(
            client,
            self._upstream,
            number=number,
            seed=self._seed,
            fate=draw_fate(self.conditions, self._seed, number),
            conditions=self.conditions,
            counters=self.counters,
            deathwatch=self._deathwatch,
            on_closed=self._forget,
        )
        self._relays.add(relay)
        relay.start()

    def _forget(self, relay: Relay) -> None:
        self._relays.remove(relay)
        self.counters.open -= 1
        self._attend()
