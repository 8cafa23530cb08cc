"""`prober doctor --setup` from outside: what is made, who is asked, and who may."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from prober.demo.stack import Stack
from prober.probes.schema import OBJECTS
from prober.probes.synthetic import Mark
from tests.system.deployed import PASSWORD
from tests.system.doctoring import FAILED, FINE, doctor, doctor_stack, probe, run

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack() -> AsyncIterator[Stack]:
    async with doctor_stack() as stack:
        yield stack


async def test_no_schema_and_no_fixtures_until_they_are_made(stack: Stack) -> None:
    await stack.postgres.execute(
        "DROP SCHEMA prober CASCADE; DELETE FROM wholesalers; DELETE FROM retailers", "orders"
    )
    walk = await doctor(stack)
    assert walk.code == FAILED
    assert walk.bad() == ["database.schema", "race.fixtures"]
    for step in walk.bad():
        assert "prober doctor --setup" in walk.mends(step)
    assert {"grant.prober", "grant.prober.heartbeat", "race.vendors"} <= walk.skipped()

    code, out, _ = await run(stack, "doctor", "--setup")
    assert code == FINE
    assert "CREATE TABLE prober.heartbeat" in out
    assert "INSERT INTO wholesalers" in out
    assert Mark("demo").vendors(5)[4] in out
    assert "nothing was made" in out
    assert (await doctor(stack)).bad() == ["database.schema", "race.fixtures"]

    code, out, _ = await run(stack, "doctor", "--setup", "--yes")
    assert code == FINE
    assert "made: schema prober, table prober.heartbeat, table prober.marks, table prober.lease, " in out
    assert "the heartbeat of demo, a synthetic retailer" in out
    walk = await doctor(stack)
    assert (walk.code, walk.bad()) == (FINE, [])

    code, out, _ = await run(stack, "doctor", "--setup", "--yes")
    assert code == FINE
    assert "everything is there; nothing was made" in out
    assert "missing" not in out

    code, out, _ = await run(stack, "doctor", "--setup", "--json", change=probe("race", vendors=7))
    items = json.loads(out)["items"]
    assert [item["there"] for item in items] == [True] * (2 + len(OBJECTS)) + [False]
    assert "2 of 8 missing" in items[-1]["name"]


async def test_a_person_at_a_terminal_is_asked(stack: Stack) -> None:
    await stack.postgres.execute("DROP SCHEMA prober CASCADE", "orders")
    for typed, made in (("n", False), ("y", True)):
        main, terminal = os.openpty()
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "prober", "doctor", "--setup", "--config", str(stack.config_file)),
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
        )
        os.close(terminal)
        os.write(main, f"{typed}\n".encode())
        assert await process.wait() == FINE
        said = os.read(main, 65536).decode()
        os.close(main)
        assert "make what is missing? [y/N]" in said
        assert ("made: schema prober" in said) is made
        assert ("nothing was made" in said) is not made
    assert (await doctor(stack)).bad() == []


async def test_what_the_dry_run_prints_makes_the_same(stack: Stack) -> None:
    """The SQL is shown to be pasted by whoever does not give prober the rights."""
    drop = "DROP SCHEMA prober CASCADE; DELETE FROM wholesalers; DELETE FROM retailers"
    await stack.postgres.execute(drop, "orders")
    _, out, _ = await run(stack, "doctor", "--setup", "--json")
    await stack.postgres.execute("\n".join(item["sql"] for item in json.loads(out)["items"]), "orders")
    walk = await doctor(stack)
    assert (walk.code, walk.bad()) == (FINE, [])


async def test_a_role_that_may_not_set_up_is_told_who_may(stack: Stack) -> None:
    await stack.postgres.execute(f"CREATE ROLE nobody LOGIN PASSWORD '{PASSWORD}'", "orders")
    await stack.postgres.execute("DROP SCHEMA prober CASCADE", "orders")
    dsn = stack.postgres.dsn("nobody", "orders", PASSWORD)
    code, _, err = await run(stack, "doctor", "--setup", "--yes", change=probe("database", dsn=dsn))
    assert code == FAILED
    assert "as the owner of the target's tables" in err
    await stack.postgres.execute("DROP ROLE nobody", "orders")
    assert (await run(stack, "doctor", "--setup", "--yes"))[0] == FINE
