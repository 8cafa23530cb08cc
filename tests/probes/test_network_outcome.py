"""The errors of the way to a server have their names, also where an event loop folds several into one."""

from __future__ import annotations

import errno
import socket
import ssl

import pytest

from prober.outcome import Outcome
from prober.probes.network_outcome import network_failure

REFUSED = "[Errno 111] Connect call failed"
MANY = f"Multiple exceptions: {REFUSED} ('::1', 1), {REFUSED} ('127.0.0.1', 1)"


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), Outcome.DNS),
        (ssl.SSLCertVerificationError(1, "certificate verify failed"), Outcome.TLS),
        (ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number"), Outcome.TLS),
        (TimeoutError(), Outcome.TIMEOUT),
        (OSError(errno.ETIMEDOUT, "timed out"), Outcome.TIMEOUT),
        (OSError(errno.ECONNREFUSED, "refused"), Outcome.REFUSED),
        (FileNotFoundError(errno.ENOENT, "no such file"), Outcome.REFUSED),
        (OSError(errno.ECONNRESET, "reset"), Outcome.RESET),
        (OSError(errno.EPIPE, "broken pipe"), Outcome.RESET),
        (OSError(errno.EHOSTUNREACH, "no route"), Outcome.UNREACHABLE),
        (OSError(errno.EMFILE, "too many open files"), Outcome.NOT_KNOWN),
        (OSError(MANY), Outcome.REFUSED),
        (ConnectionResetError(), Outcome.RESET),
        (ConnectionRefusedError(), Outcome.REFUSED),
    ],
)
def test_it_has_its_name(error: Exception, outcome: Outcome) -> None:
    failure = network_failure(error, "the server")
    assert failure is not None
    assert failure.outcome is outcome
    assert "the server" in failure.detail


def test_what_is_no_error_of_the_way_has_none() -> None:
    assert network_failure(KeyError("x"), "the server") is None
