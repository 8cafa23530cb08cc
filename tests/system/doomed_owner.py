"""A program that owns servers and waits for its death: the owner that test_owner_death.py kills.

`python doomed_owner.py STAGE`: prints STAGE on a line once it is reached, then goes on or waits for ever.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time

from prober.demo import procfs
from prober.demo.postgres import Postgres
from prober.demo.process import Owner
from prober.demo.redis_server import RedisServer


async def main(stage: str) -> None:
    owner = Owner()
    postgres = Postgres(owner, owner.directory / "postgres")
    redis = RedisServer(owner, owner.directory / "redis", settings={"appendonly": "yes"})
    if stage == "at_once":
        reached(stage)
    if stage == "initdb":
        task = asyncio.create_task(postgres.start())
        while not list(postgres.directory.glob("data.*/PG_VERSION")):
            await asyncio.sleep(0.001)
        reached(stage)
        await task
    await asyncio.gather(postgres.start(), redis.start())
    session = await postgres.connect()
    busy = asyncio.create_task(postgres.execute("SELECT pg_sleep(3600)"))
    while await session.fetchval("SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(3600)%'") < 2:
        await asyncio.sleep(0.001)
    await session.execute("CREATE TABLE t AS SELECT generate_series(1, 1000) AS n")
    await session.execute("BEGIN; DELETE FROM t")
    if stage == "frozen":
        postgres.freeze()
        redis.freeze()
    if stage == "orphans":
        # The worst case: the postmaster is gone, its children cannot notice it, and have another parent now.
        family = procfs.freeze(procfs.tree([procfs.Identity(*procfs.identify(postgres.pid) or (0, 0))]))
        procfs.send(family[0], signal.SIGKILL)
        while postgres.running:
            await asyncio.sleep(0.001)
    if stage == "forked" and os.fork() == 0:
        time.sleep(3600)  # noqa: ASYNC251
    reached(stage)
    if stage == "restarting":
        while True:
            postgres.kill()
            redis.kill()
            await asyncio.gather(postgres.start(), redis.start())
    await busy if stage != "orphans" else await asyncio.sleep(3600)


def reached(stage: str) -> None:
    sys.stdout.write(stage + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
