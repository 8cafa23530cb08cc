"""One connection with `await`: an exchange at a time, or one staged, released at an instant and then awaited."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from time import monotonic

from prober.gate import Permit
from prober.http1.dial import Opening
from prober.http1.errors import Failure
from prober.http1.exchange import Exchange, split
from prober.http1.protocol import Http1Protocol
from prober.outcome import Outcome, Phase, RouteFamily

TOO_MANY = 429


class Connection:
    """An open connection, made by `Client.connect`. Nothing here raises for what the server does.

    A failed exchange closes the connection. Nothing is ever sent again by itself: a request that was lost
    on a connection which the server closed meanwhile comes back as CLOSED or RESET, and `request_sent` says
    whether the server may have seen it. Using it out of order is a RuntimeError, as is a request that its
    permit does not cover (OverspentError).
    """

    def __init__(self, protocol: Http1Protocol, opening: Opening, permit: Permit) -> None:
        self._protocol = protocol
        self._opening = opening
        self._permit = permit
        self._family = RouteFamily.PAGES  # of the exchange under way
        self._waiter: asyncio.Future[None] | None = None
        self._staged = False

    @property
    def opening(self) -> Mapping[Phase, float]:
        """What opening it took in seconds: `dns`, `connect` and `tls`; these are in no exchange on it."""
        o = self._opening
        return {
            Phase.DNS: o.resolved - o.started,
            Phase.CONNECT: o.connected - o.resolved,
            Phase.TLS: o.secured - o.connected,
        }

    @property
    def tls_not_after(self) -> float | None:
        """Unix time at which the server's certificate ends; None without TLS or without verification."""
        return self._opening.tls_not_after

    @property
    def usable(self) -> bool:
        """Whether a request may be sent now; asks the kernel whether the server has hung up meanwhile."""
        return not self._protocol.active and self._protocol.idle_failure() is None

    def renew(self, permit: Permit) -> None:
        """Go on under another permit: a connection that is kept outlives the one it was opened with."""
        self._permit = permit

    async def exchange(self, request: bytes, *, timeout: float) -> Exchange:
        """Send a request and return what comes of it within `timeout` seconds."""
        self._protocol.idle_failure()  # what it finds, `start` reports
        if timeout <= 0:
            return self._out_of_time()
        waiter = self._begin(request, 0)
        return await self._finish(waiter, self._protocol.started, timeout)

    async def first_exchange(self, request: bytes, *, timeout: float) -> Exchange:
        """The same with the phases of opening the connection before it; `timeout` counts from their start."""
        waiter = self._begin(request, 0)
        return await self._finish(waiter, self._opening.started, timeout, self._opening)

    def stage(self, request: bytes, hold: int = 1) -> None:
        """Put all of a request but its last `hold` bytes on the wire, so that `release` completes it.

        The rest goes into one segment (TCP_NODELAY is set), and into one record in TLS. A connection that
        fails before its release is reported by `answer`.
        """
        if not 0 < hold <= len(request):
            raise ValueError(f"hold: expected 1 to {len(request)} bytes of this request, found {hold}")
        self._protocol.idle_failure()
        self._waiter = self._begin(request, hold)
        self._staged = True

    def release(self) -> float:
        """Write the rest now; the monotonic instant just after. Never raises for what became of the server."""
        if not self._staged:
            raise RuntimeError("release needs a staged request")
        self._staged = False
        return self._protocol.release()

    async def answer(self, *, timeout: float) -> Exchange:
        """What came of the released request within `timeout` seconds of its release; phases count from there."""
        waiter = self._waiter
        if waiter is None or self._staged:
            raise RuntimeError("answer needs a released request")
        self._waiter = None
        return await self._finish(waiter, self._protocol.started, timeout)

    def close(self) -> None:
        """Close the connection; an exchange under way comes back as NOT_KNOWN."""
        self._staged = False
        self._protocol.fail(Failure(Outcome.NOT_KNOWN, "given up: the connection was closed from this side"))
        self._protocol.close()

    def _begin(self, request: bytes, hold: int) -> asyncio.Future[None]:
        if self._waiter is not None or self._protocol.active:
            raise RuntimeError("one exchange at a time: the last one is not over")
        self._family = self._permit.begin(request)
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        permit = self._permit
        waiter.add_done_callback(lambda _: permit.end())

        def done(_: Http1Protocol) -> None:
            if not waiter.done():
                waiter.set_result(None)

        self._protocol.on_done = done
        self._protocol.start(request, hold)
        return waiter

    async def _finish(
        self, waiter: asyncio.Future[None], started: float, timeout: float, opening: Opening | None = None
    ) -> Exchange:
        """Wait for the verdict, at most until `started + timeout`."""
        left = max(0.0, started + timeout - monotonic())
        timer = asyncio.get_running_loop().call_later(left, self._time_out, timeout)
        try:
            await waiter
        except asyncio.CancelledError:
            self._protocol.close()
            raise
        finally:
            timer.cancel()
        return self._result(started, opening)

    def _time_out(self, timeout: float) -> None:
        p, now = self._protocol, monotonic()
        if p.first_byte is not None:
            hung = f"it began {now - p.first_byte:.2f} s ago and hangs {p.progress()}"
        elif p.sent is not None:
            hung = f"waited {now - p.sent:.2f} s for the first byte"
        else:
            hung = f"{now - p.started:.2f} s spent sending the request, which was not taken whole"
        p.fail(Failure(Outcome.TIMEOUT, f"no answer within {timeout:g} s: {hung}"))

    def _out_of_time(self) -> Exchange:
        now = monotonic()
        return Exchange(
            outcome=Outcome.TIMEOUT,
            detail="no time was left to send the request",
            phases=split(now, (now,) * 5, now),
            started=now,
            finished=now,
            reused=self._protocol.exchanges > 0,
            tls_not_after=self.tls_not_after,
        )

    def _result(self, started: float, opening: Opening | None) -> Exchange:
        p = self._protocol
        before = (started,) * 3 if opening is None else (opening.resolved, opening.connected, opening.secured)
        finished = max(p.finished, started)  # an answer that came before the release ended before it began
        answer = p.answer()
        if answer is not None and answer.status == TOO_MANY and (wait := answer.retry_after) is not None:
            self._permit.limited(self._family, finished + wait)
        return Exchange(
            outcome=p.outcome,
            detail=p.detail,
            phases=split(started, (*before, p.sent, p.first_byte), finished),
            answer=answer,
            reused=p.reused,
            started=started,
            sent=p.sent,
            finished=finished,
            tls_not_after=self.tls_not_after,
            request_sent=p.request_sent,
        )
