"""The short form of `make election`: of three replicas one writes, whatever becomes of it."""

from __future__ import annotations

import asyncio

from prober.config.load import load_config
from prober.daemon.assembly import load_contract
from prober.daemon.once import check_once
from proofs.electing import trial, until_led
from proofs.election import verdict
from proofs.election_judge import Trouble
from tests.system.daemon_stack import no_trace
from tests.system.watching import until

TERM = 3.0


async def test_one_of_three_writes_whatever_becomes_of_it() -> None:
    async with trial(TERM) as found:
        for kind, terms in (
            (Trouble.FREEZE, 2.0),
            (Trouble.SILENCE, 2.0),
            (Trouble.KILL, 0.0),
            (Trouble.REFUSE, 1.0),
        ):
            holder = await until_led(found)
            fence = (await found.passings())[-1].fence

            async def writes(fence: int = fence) -> bool:
                return any(request.fence == fence for request in (await found.requests())[0])

            await until("the holder of the lease to write", writes)
            await found.disturb(holder, kind, terms * TERM)
            # In peace again: so that what comes late has come.
            await asyncio.sleep(TERM / 2)
        await until_led(found)
        file = found.stack.directory / f"{found.replicas[0].name}.yaml"
        config = load_config(file, {})
        lines = {line.name: line for line in await check_once(config, load_contract(config, file.parent))}
        assert lines["race"].sentence == "not run: another replica holds the lease"
        assert lines["webhook"].verdict == "ok"
        assert lines["webhook"].sentence.endswith("not delivered: not_leader")
        assert lines["database"].sentence.startswith("select")
        proved = await verdict(found)
        assert proved.wrong == []
        assert {each.fault.kind for each in proved.handovers} == {
            Trouble.FREEZE,
            Trouble.SILENCE,
            Trouble.KILL,
            Trouble.REFUSE,
        }
        assert proved.requests > 100
        assert proved.rows > 100
        for replica in found.replicas:
            await replica.watcher.stop(timeout=40)
            assert replica.watcher.returncode == 0
            no_trace(replica.watcher)
