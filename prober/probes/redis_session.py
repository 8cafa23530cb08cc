"""Opens a connection to Redis as configured: plain, TLS or unix socket, ACL user, directly or through Sentinel."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field

from prober.probes.redis_outcome import SentinelError, redis_failure
from prober.probes.resp import MAX_ITEMS, RedisConnection, Refusal, RefusedError, pack

Endpoint = tuple[str, int]  # host, port


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisAddress:
    """Where Redis is and who we are there.

    With `sentinels` the master named `sentinel_master` is asked for at every connect, and `host`, `port` and
    `unix_socket` are not used. `tls` and `sentinel_tls` are contexts with the certificates already loaded.
    """

    host: str = "127.0.0.1"
    port: int = 6379
    unix_socket: str | None = None
    db: int = 0
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: ssl.SSLContext | None = None
    tls_server_name: str | None = None  # whom the certificate has to name, if not `host`
    sentinels: tuple[Endpoint, ...] = ()
    sentinel_master: str = ""
    sentinel_username: str | None = None
    sentinel_password: str | None = field(default=None, repr=False)
    sentinel_tls: ssl.SSLContext | None = None

    def __str__(self) -> str:
        if self.sentinels:
            return f"Redis master {self.sentinel_master!r}"
        return f"Redis at {self.unix_socket or f'{self.host}:{self.port}'}"


async def open_session(
    address: RedisAddress,
    *,
    client_name: str,
    timeout: float,
    subscriber: bool = False,
    most_items: int = MAX_ITEMS,
) -> RedisConnection:
    """Connect, authenticate, choose the database and give the connection a name.

    `timeout` (seconds) is what the Sentinels share; the caller bounds the whole. `most_items`: of one array that
    it reads. Raises OSError, SentinelError, and whatever `RedisConnection.ask` raises; then no connection is left.
    """

    def protocol() -> RedisConnection:
        return RedisConnection(subscriber=subscriber, most_items=most_items)

    if address.sentinels:
        endpoint = await _find_master(address, timeout)
        connection = await _dial(endpoint, address.tls, address.tls_server_name, protocol)
    elif address.unix_socket is not None:
        _, connection = await asyncio.get_running_loop().create_unix_connection(protocol, address.unix_socket)
    else:
        endpoint = (address.host, address.port)
        connection = await _dial(endpoint, address.tls, address.tls_server_name, protocol)
    await _greet(connection, address.username, address.password, address.db, client_name)
    return connection


async def _dial(
    endpoint: Endpoint,
    tls: ssl.SSLContext | None,
    server_name: str | None,
    protocol: Callable[[], RedisConnection] = RedisConnection,
) -> RedisConnection:
    host, port = endpoint
    _, connection = await asyncio.get_running_loop().create_connection(
        protocol,
        host,
        port,
        ssl=tls,
        server_hostname=(server_name or host) if tls is not None else None,
    )
    return connection


async def _greet(
    connection: RedisConnection, username: str | None, password: str | None, db: int, client_name: str
) -> None:
    wanted: list[tuple[str, bytes]] = []
    if password is not None:
        credentials = (username, password) if username else (password,)
        wanted.append(("AUTH", pack("AUTH", *credentials)))
    if db:
        wanted.append(("SELECT", pack("SELECT", db)))
    wanted.append(("CLIENT SETNAME", pack("CLIENT", "SETNAME", client_name)))
    answers = (await connection.ask(*(command for _, command in wanted))).answers
    for (doing, _), answer in zip(wanted, answers, strict=True):
        if isinstance(answer, Refusal) and not (doing == "CLIENT SETNAME" and _may_go_nameless(answer)):
            connection.drop()
            raise RefusedError(answer, doing)


def _may_go_nameless(refusal: Refusal) -> bool:
    # The name is for those who read CLIENT LIST; a user that may not set it, or a server that cannot, is as good.
    return refusal.code == "NOPERM" or refusal.text.lower().startswith("err unknown")


async def _find_master(address: RedisAddress, timeout: float) -> Endpoint:
    """Ask one Sentinel after the other; each has an equal share, so that a hanging one does not cost the run."""
    share = timeout / (len(address.sentinels) + 1)
    reports: list[str] = []
    cause: Exception | None = None
    for host, port in address.sentinels:
        try:
            async with asyncio.timeout(share):
                master = await _ask_sentinel(address, host, port)
        except Exception as error:
            cause = error
            reports.append(redis_failure(error, f"Sentinel {host}:{port}").detail)
        else:
            if master is not None:
                return master
            reports.append(f"Sentinel {host}:{port} does not know a master {address.sentinel_master!r}")
    raise SentinelError("; ".join(reports), cause)


async def _ask_sentinel(address: RedisAddress, host: str, port: int) -> Endpoint | None:
    sentinel = await _dial((host, port), address.sentinel_tls, address.tls_server_name)
    try:
        await _greet(sentinel, address.sentinel_username, address.sentinel_password, 0, "synthetic-prober")
        command = pack("SENTINEL", "GET-MASTER-ADDR-BY-NAME", address.sentinel_master)
        (answer,) = (await sentinel.ask(command)).answers
    finally:
        sentinel.drop()
    if isinstance(answer, Refusal):
        raise RefusedError(answer, "SENTINEL GET-MASTER-ADDR-BY-NAME")
    if isinstance(answer, list) and len(answer) == 2:
        found, at = answer
        if isinstance(found, bytes) and isinstance(at, bytes) and at.isdigit():
            return found.decode("utf-8", "replace"), int(at)
    return None
