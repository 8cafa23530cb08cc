"""A real PgBouncer of our own in front of our PostgreSQL, run from the system's binary where there is one."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar
from urllib.parse import quote

import asyncpg

from prober.demo.postgres import SUPERUSER, Postgres
from prober.demo.process import Owner
from prober.demo.server import HOST, Server
from prober.demo.user import ServerError, unprivileged_user

Setting = str | int | float

ADMIN_DATABASE = "pgbouncer"


class PgBouncer(Server):
    """One PgBouncer on all databases of `postgres`, for all of its roles, with their own passwords.

    `settings` are lines of the section [pgbouncer] (pgbouncer.ini) and may be changed between two starts.
    Clients must not prepare statements in the pool modes `transaction` and `statement` (asyncpg:
    `statement_cache_size=0`).
    """

    name: ClassVar[str] = "pgbouncer"

    def __init__(
        self,
        owner: Owner,
        directory: Path,
        postgres: Postgres,
        *,
        port: int | None = None,
        pool_mode: str = "transaction",
        settings: Mapping[str, Setting] | None = None,
    ):
        super().__init__(owner, directory, port, unprivileged_user())
        self.postgres = postgres
        self.settings: dict[str, Setting] = {"pool_mode": pool_mode, **(settings or {})}

    def dsn(self, user: str = SUPERUSER, dbname: str = "postgres", password: str | None = None) -> str:
        """Make a connection URL as `Postgres.dsn` does, through the pooler."""
        direct = self.postgres.dsn(user, dbname, password)
        login, _, _ = direct.rpartition("@")
        return f"{login}@{self.address}/{quote(dbname, safe='')}"

    async def ask(self) -> None:
        """Ask its own console, which works without PostgreSQL as well."""
        try:
            connection = await asyncpg.connect(self.dsn(dbname=ADMIN_DATABASE), statement_cache_size=0)
            try:
                await connection.execute("SHOW VERSION")
            finally:
                connection.terminate()
        except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise ServerError(f"{type(error).__name__}: {error}") from error

    def _command(self) -> Sequence[str | Path]:
        program = pgbouncer_program()
        self.owner.inhabit(self.directory, [program])
        # It asks PostgreSQL for everybody else's password, as this one user.
        users = self._write("users.txt", f'"{SUPERUSER}" "{self.postgres.password}"\n')
        settings: dict[str, Setting] = {
            "listen_addr": HOST,
            "listen_port": self.port,
            "unix_socket_dir": "",
            "auth_type": "scram-sha-256",
            "auth_file": str(users),
            "auth_user": SUPERUSER,
            "admin_users": SUPERUSER,
            **self.settings,
        }
        lines = [f"{name} = {value}\n" for name, value in settings.items()]
        databases = f"* = host={HOST} port={self.postgres.port}\n"
        return [program, self._write("pgbouncer.ini", f"[databases]\n{databases}\n[pgbouncer]\n{''.join(lines)}")]

    def _write(self, name: str, text: str) -> Path:
        file = self.directory / name
        file.touch(mode=0o600)
        file.write_text(text, encoding="utf-8")
        self._give(file)
        return file


def installed() -> bool:
    """Whether this machine has a PgBouncer."""
    return shutil.which("pgbouncer") is not None


def pgbouncer_program() -> Path:
    """Find the system's pgbouncer. ServerError that tells how to install it where there is none."""
    if (found := shutil.which("pgbouncer")) is None:
        raise ServerError("pgbouncer is not installed: apt-get install pgbouncer")
    return Path(found)
