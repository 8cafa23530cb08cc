"""The two forms of the target: complete, the same in shape, and every statement good on its own tables."""

from __future__ import annotations

from dataclasses import fields

import asyncpg
import pytest

from prober.config import load_strict
from prober.contract import SHIPPED, Contract, shipped_names
from prober.demo import stack
from prober.demo.target.decision import Decision, Verdict
from prober.demo.target.forms import FORMS, Form, FormName
from prober.outcome import Claim
from prober.sql import Sql


def statements(form: Form) -> dict[str, Sql]:
    parts = (form.routing, form.messages)
    named = {field.name: getattr(part, field.name) for part in parts for field in fields(part)}
    return {name: sql for name, sql in named.items() if sql is not None}


def test_every_name_has_a_form_and_every_shipped_contract_one_of_them() -> None:
    assert set(FORMS) == set(FormName)
    assert set(stack.FORMS) == set(shipped_names())
    assert set(stack.FORMS.values()) == set(FormName)


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
async def test_every_statement_prepares_on_the_tables_of_its_form(form: Form, database: str) -> None:
    connection = await asyncpg.connect(database)
    try:
        for _ in range(2):  # a second time changes nothing
            await connection.execute(form.schema())
        for name, sql in statements(form).items():
            prepared = await connection.prepare(sql.query)
            assert len(prepared.get_parameters()) == len(sql.parameters), name
            columns = {column.name for column in prepared.get_attributes()}
            if name == "look":
                assert columns == LOOK
            elif name == "status":
                assert columns == {"locked_vendor", "accepted_vendors"}
    finally:
        await connection.close()


LOOK = {
    *("order_id", "locked", "locked_at", "vendor_known"),
    *("response_id", "lost_before", "has_other", "order_taken"),
}


def test_a_form_uses_no_parameter_that_the_other_does_not_know() -> None:
    """What is given to a statement is what the deployed form needs, or more."""
    deployed, guide = (statements(FORMS[name]) for name in FormName)
    for name in deployed:
        more = set(guide[name].parameters) - set(deployed[name].parameters)
        # Of a message everything is given to every statement.
        assert more <= ({"form", "source_ip"} if name == "process_deferred" else set()), name


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_every_verdict_has_an_answer_and_the_contract_reads_it_rightly(form: Form) -> None:
    answers = {verdict: form.accept_answer(Decision(verdict, "v1"), "r1", "v1") for verdict in Verdict}
    contract = next(name for name, has in stack.FORMS.items() if has is form.name)
    race = load_strict(SHIPPED / f"{contract}.yaml", Contract).race
    claims: dict[Verdict, Claim] = {}
    for verdict, answer in answers.items():
        assert isinstance(answer.body, bytes)
        claims[verdict] = race.read(answer.status, answer.body)
    guide = form.name is FormName.GUIDE
    assert claims == {
        Verdict.LOCKED: Claim.WON,
        Verdict.ALREADY_ACCEPTED: Claim.WON if guide else Claim.ALREADY_WON,
        Verdict.LOST_RACE: Claim.LOST,
        Verdict.ALREADY_LOCKED: Claim.LOST,
        Verdict.CONFLICT: Claim.REFUSED if guide else Claim.LOST,
        Verdict.UNKNOWN_ROUTING: Claim.REFUSED,
        Verdict.UNKNOWN_VENDOR: Claim.FAILED,
        Verdict.NO_RESPONSE_ROW: Claim.REFUSED,
    }
    if guide:
        assert answers[Verdict.LOCKED].body == answers[Verdict.ALREADY_ACCEPTED].body
