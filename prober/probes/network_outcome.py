"""Names what went wrong on the way to a server: the errors of the operating system, of DNS and of TLS."""

from __future__ import annotations

import asyncio
import errno
import re
import socket
import ssl
from dataclasses import dataclass

from prober.outcome import Outcome, SkipReason

_BY_ERRNO = {
    errno.ECONNREFUSED: Outcome.REFUSED,
    errno.ENOENT: Outcome.REFUSED,  # no unix socket there: nobody listens
    errno.ECONNRESET: Outcome.RESET,
    errno.ECONNABORTED: Outcome.RESET,
    errno.EPIPE: Outcome.RESET,
    errno.EHOSTUNREACH: Outcome.UNREACHABLE,
    errno.ENETUNREACH: Outcome.UNREACHABLE,
    errno.EHOSTDOWN: Outcome.UNREACHABLE,
    errno.ENETDOWN: Outcome.UNREACHABLE,
    errno.ETIMEDOUT: Outcome.TIMEOUT,
    errno.EACCES: Outcome.DENIED,  # the permissions of a unix socket
    errno.EPERM: Outcome.UNREACHABLE,  # a firewall on this machine
    # Faults of this machine say nothing about the server.
    errno.EMFILE: Outcome.NOT_KNOWN,
    errno.ENFILE: Outcome.NOT_KNOWN,
    errno.ENOBUFS: Outcome.NOT_KNOWN,
    errno.ENOMEM: Outcome.NOT_KNOWN,
    errno.EADDRNOTAVAIL: Outcome.NOT_KNOWN,
}
_ERRNO_IN_TEXT = re.compile(r"\[Errno (\d+)\]")


@dataclass(frozen=True, slots=True)
class Failure:
    """A named outcome and the sentence that goes with it: what was expected, what came, what to do."""

    outcome: Outcome
    detail: str


class UntriedError(Exception):
    """It answers reads, but refused the last write (`last`), and no write may be tried now, for `why`.

    So nothing is known: that it can be read must not end an outage of its writes.
    """

    def __init__(self, last: Exception, why: SkipReason) -> None:
        super().__init__(str(last))
        self.last = last
        self.why = why

    def failure(self, last: str) -> Failure:
        """As a named outcome; `last` is the sentence of the last write."""
        return Failure(
            Outcome.NOT_KNOWN, f"it answers reads; no write is tried ({self.why}), and the last: {last}"
        )


def network_failure(error: BaseException, where: str) -> Failure | None:
    """What `error` says of the way to `where` (a name for people); None when it is no error of the way."""
    if isinstance(error, socket.gaierror):
        return Failure(Outcome.DNS, f"the name of {where} does not resolve: {error.strerror or error}")
    if isinstance(error, ssl.SSLError | ssl.CertificateError):
        reason = getattr(error, "verify_message", "") or getattr(error, "reason", "") or str(error)
        return Failure(Outcome.TLS, f"TLS with {where} failed: {reason}")
    if isinstance(error, TimeoutError | asyncio.TimeoutError):
        return Failure(Outcome.TIMEOUT, f"no whole answer from {where} in time")
    if isinstance(error, OSError):
        number = _errno(error)
        outcome = _BY_ERRNO.get(number, Outcome.UNREACHABLE) if number else _without_errno(error)
        reason = errno_name(number) if number else str(error)
        return Failure(outcome, f"{_PHRASES.get(outcome, 'could not talk to')} {where}: {reason}")
    return None


def errno_name(number: int) -> str:
    """`ECONNREFUSED` for 111: the same on every machine and in every language."""
    return errno.errorcode.get(number, f"errno {number}")


def _errno(error: OSError) -> int | None:
    if error.errno is not None:
        return error.errno
    # A name with several addresses: event loops fold the errors of all of them into one text.
    found = _ERRNO_IN_TEXT.search(str(error))
    return int(found.group(1)) if found else None


def _without_errno(error: OSError) -> Outcome:
    if isinstance(error, ConnectionRefusedError):
        return Outcome.REFUSED
    return Outcome.RESET if isinstance(error, ConnectionError) else Outcome.UNREACHABLE


_PHRASES = {
    Outcome.REFUSED: "nobody listens at",
    Outcome.RESET: "the connection was reset by",
    Outcome.UNREACHABLE: "there is no way to",
    Outcome.TIMEOUT: "no whole answer in time from",
    Outcome.DENIED: "we have no permission to reach",
    Outcome.NOT_KNOWN: "this machine lacks what it takes to ask",
}
