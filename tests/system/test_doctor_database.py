"""The doctor's look at a database costs it nothing: no rollback, no row, whatever is missing there."""

from __future__ import annotations

from pathlib import Path
from unittest.mock import patch

import pytest

from prober.config.load import load_config
from prober.contract import Contract
from prober.daemon.assembly import load_contract
from prober.demo.postgres import Postgres
from prober.demo.target.forms import FORMS, FormName
from prober.doctor.database import examine_database
from prober.doctor.database_asking import DatabaseAsker
from prober.doctor.finding import Finding
from prober.probes import schema
from prober.probes.database_session import DatabaseAddress, open_database
from tests.config.examples import ENV, MINIMAL
from tests.system.probing import as_role, connected, rollbacks


async def look(folder: Path, dsn: str, contract: str) -> list[Finding]:
    file = folder / "config.yaml"
    file.write_text(
        MINIMAL.replace("postgresql://prober@db/orders", dsn).replace(
            "target:\n", f"target:\n  contract: {contract}\n"
        )
    )
    config = load_config(file, ENV)
    loaded: Contract = load_contract(config, folder)
    return [finding async for finding in examine_database(config, loaded)]


def bad(findings: list[Finding]) -> set[str]:
    return {finding.name for finding in findings if finding.is_bad}


@pytest.mark.parametrize(
    ("contract", "schema"),
    [
        ("whatsapp-ordering-system", FORMS[FormName.DEPLOYED].schema()),
        ("guide", FORMS[FormName.GUIDE].schema()),
    ],
)
async def test_it_rolls_nothing_back_whatever_is_missing(
    postgres: Postgres, prepared: str, role: str, tmp_path: Path, contract: str, schema: str
) -> None:
    before = await rollbacks(postgres, prepared)
    findings = await look(tmp_path, prepared, contract)
    assert {name for name in bad(findings) if name.startswith("sql.")} >= {"sql.race.create[0]", "sql.race.rows"}
    assert await rollbacks(postgres, prepared) == before

    async with connected(prepared) as connection:
        await connection.execute(schema)
    findings = await look(tmp_path, as_role(prepared, role), contract)
    denied = [f for f in findings if f.name.startswith("sql.")]
    assert all(f.is_bad and f.mend.startswith("GRANT ") for f in denied), denied
    assert {"grant.prober"} <= bad(findings)
    assert await rollbacks(postgres, prepared) == before

    # Every mend that is a statement, done as it says, mends it.
    async with connected(prepared) as connection:
        for _ in range(2):
            for finding in await look(tmp_path, as_role(prepared, role), contract):
                if finding.mend.startswith("GRANT "):
                    await connection.execute(finding.mend)
    assert bad(await look(tmp_path, as_role(prepared, role), contract)) == {"race.fixtures"}
    assert await rollbacks(postgres, prepared) == before
    async with connected(prepared) as connection:
        assert await connection.fetchval("SELECT count(*) FROM orders") == 0


async def test_a_new_table_and_a_new_function_of_ours_are_one_entry_each(
    prepared: str, role: str, tmp_path: Path
) -> None:
    """What `prober.probes.schema` promises to whoever adds to it."""
    table = schema.SchemaObject("TABLE", "more", ("SELECT", "DELETE"), "CREATE TABLE prober.more (id text)")
    function = schema.SchemaObject(
        "FUNCTION",
        "another(text, bigint)",
        ("EXECUTE",),
        "CREATE FUNCTION prober.another(text, bigint) RETURNS bool LANGUAGE sql AS 'SELECT true';"
        "REVOKE EXECUTE ON FUNCTION prober.another(text, bigint) FROM PUBLIC",
    )
    file = tmp_path / "config.yaml"
    file.write_text(MINIMAL)
    config = load_config(file, ENV)
    with patch.object(schema, "OBJECTS", (*schema.OBJECTS, table, function)):
        async with connected(prepared) as connection:
            assert (await schema.lacking(connection)).objects == (table, function)
            assert await schema.ensure_schema(connection)
            assert not await schema.lacking(connection)
            assert not await schema.ensure_schema(connection)
            await connection.execute(f"GRANT USAGE ON SCHEMA prober TO {role}")
            session = await open_database(DatabaseAddress(dsn=as_role(prepared, role)), "synthetic-prober/test")
            asker = DatabaseAsker(session, config)
            assert await asker.lacks(table) == ["SELECT", "DELETE"]
            assert await asker.lacks(function) == ["EXECUTE"]
            for grant in schema.grants(role):
                await connection.execute(grant)
            assert [await asker.lacks(each) for each in schema.OBJECTS] == [[]] * len(schema.OBJECTS)
            session.drop()
