"""When the place of a drill has gone: all of it, and for a while."""

from __future__ import annotations

import asyncio

import pytest

from prober.suites.drill.vanishing import AFTER, Absence, listens

ALL, TARGET, OTHERS, NONE = (True, True), (True, False), (False, True), (False, False)


@pytest.mark.parametrize(
    ("looks", "gone"),
    [
        ([(0.0, ALL), (AFTER - 0.1, ALL)], False),
        ([(0.0, ALL), (AFTER, ALL)], True),
        ([(0.0, TARGET), (AFTER, ALL), (AFTER + 1, ALL)], False),  # the target alone may die of the fault
        ([(0.0, OTHERS), (AFTER, OTHERS), (2 * AFTER, OTHERS)], False),
        ([(0.0, ALL), (AFTER - 0.1, NONE), (AFTER, ALL), (AFTER + 1, ALL)], False),  # it came back in between
        ([(0.0, ALL), (1.0, TARGET), (2.0, ALL), (2.0 + AFTER, ALL)], True),
    ],
)
def test_all_of_it_has_to_be_gone_without_a_break(
    looks: list[tuple[float, tuple[bool, bool]]], gone: bool
) -> None:
    absence = Absence()
    found = [absence.seen(at, target=target, others=others) for at, (target, others) in looks]
    assert found[-1] is gone
    assert not any(found[:-1])


async def test_whether_somebody_listens() -> None:
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    assert await listens("127.0.0.1", port)
    server.close()
    await server.wait_closed()
    assert not await listens("127.0.0.1", port)
