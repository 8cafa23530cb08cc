"""Taking a message on a real PostgreSQL: of twins that come at one moment one is new, and none is an error."""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter

import asyncpg
import pytest

from prober.demo.target.forms import FORMS, Form
from prober.demo.target.messages import Message, Taken, take_message

TWINS = 8
MESSAGES = 400  # a twin met while it was being inserted in one of 300


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
async def test_twins_at_one_moment_are_one_message(form: Form, database: str) -> None:
    connections = [await asyncpg.connect(database) for _ in range(TWINS)]
    try:
        await connections[0].execute(form.schema())
        for _ in range(MESSAGES):
            message = Message(sid="SM" + secrets.token_hex(16), sender="+999000000000", body="twins")
            taken = await asyncio.gather(
                *(
                    take_message(connection, form.messages, message, store_job=True, delay=0.0, skip_now=True)
                    for connection in connections
                )
            )
            assert Counter(taken) == {Taken.NEW: 1, Taken.REPEATED_SID: TWINS - 1}
        assert await connections[0].fetchval("SELECT count(*) FROM webhook_jobs") == MESSAGES
    finally:
        for connection in connections:
            connection.terminate()
