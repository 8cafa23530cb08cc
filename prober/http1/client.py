"""The client: makes connections to one endpoint, or one whole exchange on a connection of its own."""

from __future__ import annotations

import ssl
from pathlib import Path

from prober.gate import Permit
from prober.http1.connection import Connection
from prober.http1.dial import dial
from prober.http1.endpoint import Endpoint
from prober.http1.exchange import Exchange, Limits
from prober.http1.protocol import Http1Protocol


def tls_context(*, ca_file: Path | None = None, verify: bool = True) -> ssl.SSLContext:
    """The TLS settings: the system's certificates or those of `ca_file`, and HTTP/1.1 only.

    Loading certificates takes milliseconds, so make it once and not while something is measured. With
    `verify` off any certificate is taken, and `tls_not_after` is not known. OSError for an unreadable file.
    """
    context = ssl.create_default_context(cafile=ca_file)
    context.set_alpn_protocols(["http/1.1"])
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


class Client:
    """Speaks to one endpoint. It keeps no connections: who wants reuse holds a `Connection`.

    Everything needs a permit (`prober.gate`); what it does not cover is an OverspentError, and nothing is sent.
    `tls` is for https alone; None means the system's certificates.
    """

    def __init__(
        self, endpoint: Endpoint, *, tls: ssl.SSLContext | None = None, limits: Limits | None = None
    ) -> None:
        self.endpoint = endpoint
        self._limits = limits or Limits()
        self._tls = (tls or tls_context()) if endpoint.tls else None

    async def exchange(self, permit: Permit, request: bytes, *, timeout: float) -> Exchange:
        """One request on a fresh connection, closed after; `timeout` seconds bound everything together."""
        opened = await self.connect(permit, timeout=timeout)
        if isinstance(opened, Exchange):
            return opened
        try:
            return await opened.first_exchange(request, timeout=timeout)
        finally:
            opened.close()

    async def connect(self, permit: Permit, *, timeout: float) -> Connection | Exchange:
        """Open a connection; the failed exchange, with its phases, if that cannot be done in time."""
        permit.open()
        dialed = await dial(
            self.endpoint, tls=self._tls, limits=self._limits, timeout=timeout, on_done=_nobody_waits
        )
        return dialed if isinstance(dialed, Exchange) else Connection(*dialed, permit)


def _nobody_waits(protocol: Http1Protocol) -> None:
    """Stands in until a Connection takes the protocol over."""
