"""The one place where the exceptions of sockets, TLS, DNS and the HTTP parser become our outcomes."""

from __future__ import annotations

import errno
import os
import socket
import ssl
from dataclasses import dataclass

import httptools

from prober.outcome import Outcome


@dataclass(frozen=True, slots=True)
class Failure:
    """Why there is no answer: the outcome, and a sentence that says what was expected and what came."""

    outcome: Outcome
    detail: str


_BY_ERRNO = {
    errno.ECONNREFUSED: Outcome.REFUSED,
    errno.ECONNRESET: Outcome.RESET,
    errno.ECONNABORTED: Outcome.RESET,
    errno.EPIPE: Outcome.RESET,
    errno.ETIMEDOUT: Outcome.TIMEOUT,
    errno.EHOSTUNREACH: Outcome.UNREACHABLE,
    errno.ENETUNREACH: Outcome.UNREACHABLE,
    errno.EHOSTDOWN: Outcome.UNREACHABLE,
    errno.ENETDOWN: Outcome.UNREACHABLE,
    errno.ENETRESET: Outcome.UNREACHABLE,
    errno.EAFNOSUPPORT: Outcome.UNREACHABLE,
    errno.EACCES: Outcome.UNREACHABLE,  # connect() says these two when a firewall here forbids it
    errno.EPERM: Outcome.UNREACHABLE,
}
# Faults of this machine say nothing about the target.
_OURS = {
    errno.EMFILE: "this process has no file descriptor left: raise its limit (ulimit -n)",
    errno.ENFILE: "this machine has no file descriptor left",
    errno.ENOBUFS: "this machine has no socket buffers left",
    errno.ENOMEM: "this machine has no memory left",
    errno.EADDRNOTAVAIL: "this machine has no local address or port left to connect from",
}
# Which of several addresses' failures tells most: the server's own word before the network's silence.
_TELLING = (Outcome.RESET, Outcome.REFUSED, Outcome.TIMEOUT, Outcome.UNREACHABLE, Outcome.NOT_KNOWN)


def explain(error: BaseException, doing: str) -> Failure:
    """The outcome of an exception; `doing` names what was going on, as in "connecting to 10.0.0.1:80"."""
    if isinstance(error, ExceptionGroup):
        return _most_telling([explain(each, _at(each, doing)) for each in error.exceptions])
    if isinstance(error, socket.gaierror):
        return Failure(Outcome.DNS, f"{doing}: the name does not resolve: {error.strerror or error}")
    if isinstance(error, ssl.SSLError):
        return _explain_tls(error, doing)
    if isinstance(error, httptools.HttpParserError):
        return Failure(Outcome.GARBAGE, f"{doing}: expected HTTP/1.1: {error}")
    if isinstance(error, OSError):
        return _explain_os(error, doing)
    return Failure(Outcome.NOT_KNOWN, f"{doing}: {type(error).__name__}: {error}")


def _at(error: Exception, doing: str) -> str:
    """`doing` with the address that `error` is noted to be about."""
    return f"{doing} ({', '.join(error.__notes__)})" if getattr(error, "__notes__", None) else doing


def _explain_os(error: OSError, doing: str) -> Failure:
    number = error.errno
    if number is None:
        # The event loop's own way to say that the other side hung up in the middle of the TLS handshake.
        hung_up = isinstance(error, ConnectionError)
        outcome = Outcome.CLOSED if hung_up else Outcome.NOT_KNOWN
        return Failure(outcome, f"{doing}: {'the connection was closed' if hung_up else error}")
    if number in _OURS:
        return Failure(Outcome.NOT_KNOWN, f"{doing}: {_OURS[number]}")
    return Failure(_BY_ERRNO.get(number, Outcome.UNREACHABLE), f"{doing}: {os.strerror(number).lower()}")


def _explain_tls(error: ssl.SSLError, doing: str) -> Failure:
    if isinstance(error, ssl.SSLCertVerificationError):
        return Failure(Outcome.TLS, f"{doing}: the certificate was not accepted: {error.verify_message}")
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return Failure(Outcome.CLOSED, f"{doing}: the connection was closed")
    reason = (error.reason or str(error)).replace("_", " ").lower()
    return Failure(Outcome.TLS, f"{doing}: TLS failed: {reason}")


def _most_telling(failures: list[Failure]) -> Failure:
    def rank(failure: Failure) -> int:
        return _TELLING.index(failure.outcome) if failure.outcome in _TELLING else len(_TELLING)

    best = min(failures, key=rank)
    return Failure(best.outcome, "; ".join(dict.fromkeys(failure.detail for failure in failures)))
