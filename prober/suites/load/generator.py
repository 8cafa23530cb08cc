"""One generator of load, from its ledger to what it counted; in the command itself or a process of its own."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from prober.config.model import Config
from prober.contract import Contract
from prober.daemon.assembly import target_client_parts, target_witness
from prober.outcome import Mode
from prober.probes.synthetic import NOBODYS_NUMBER, Mark
from prober.suites.ledger import Ledger
from prober.suites.load.dialing import Dialer
from prober.suites.load.engine import Engine, Settings
from prober.suites.load.messages import Composer, Ids, Sender
from prober.suites.load.stock import stock_for
from prober.suites.load.tally import Tally
from prober.suites.stop import Stop

# A series of more stretches than this tells nothing more, and is slow to look at.
MOST_SLOTS = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What one generator is to do; `rate` is its own share."""

    run_id: str
    concurrency: int
    rate: float | None
    duration: float

    @property
    def slot(self) -> float:
        """How long (seconds) a stretch of the series is."""
        return float(max(1, -(-int(self.duration) // MOST_SLOTS)))


@dataclass(slots=True, kw_only=True)
class Portion:
    """What one generator did. `used` ordinals, from 1, may have rows in the target.

    `seconds` is how long it sent, None where the warm-up showed that there is nothing to measure; `in_time` are
    the messages that were accepted by then.
    """

    run_id: str
    warm_up: Tally
    warm_up_seconds: float
    used: int = 0
    tally: Tally = field(default_factory=Tally)
    seconds: float | None = None
    in_time: int = 0
    cpu_seconds: float = 0.0
    waited_seconds: float = 0.0  # ready to work, and no core was free
    starved: int = 0
    trouble: str = ""


Start = Callable[[Portion], Awaitable[float | None]]


class Generator:
    """Makes its own ledger, which stays locked until `close`: so nobody takes the run for dead before that."""

    def __init__(self, config: Config, contract: Contract, task: Task) -> None:
        self._config = config
        self._contract = contract
        self._task = task
        self.from_number = config.probes.webhook.from_number or NOBODYS_NUMBER
        self.mode: Mode = config.probes.webhook.mode
        self.ids = Ids(Mark(config.instance), task.run_id)
        self.ledger = Ledger(
            config.data_dir,
            instance=config.instance,
            run_id=task.run_id,
            mode=self.mode,
            from_number=self.from_number,
        )

    async def run(self, start: Start, stop: Stop) -> Portion:
        """Warm up, ask `start` for the instant to begin at (None: not at all), send, and wait for the last answer.

        Raises OSError where the ledger cannot be written and NotAskable where nothing can be claimed.
        """
        config, task = self._config, self._task
        endpoint, tls = target_client_parts(config)
        sender = Sender(
            contract=self._contract.webhook,
            endpoint=endpoint,
            public_url=config.target.public_url,
            auth_token=config.target.auth_token.get_secret_value(),
            account_sid=config.target.account_sid,
            from_number=self.from_number,
        )
        witness = target_witness(config) if self.mode is Mode.NO_SIDE_EFFECTS else None
        try:
            stock = stock_for(
                self.mode,
                Composer(sender, self.ids),
                self.ledger,
                self._contract.webhook,
                witness,
                self.from_number,
                ahead=max(int(task.duration * (task.rate or 2000.0)), 2 * task.concurrency),
            )
            await stock.fill()
            engine = Engine(
                Settings(
                    concurrency=task.concurrency,
                    rate=task.rate,
                    timeout=config.probes.webhook.timeout,
                    accepted=frozenset(self._contract.webhook.accepted),
                    slot=task.slot,
                ),
                Dialer(endpoint, tls, config.probes.webhook.timeout),
                stock.supply,
            )
            filling = asyncio.create_task(stock.forever())
            try:
                portion = await self._drive(engine, start, stop)
            finally:
                engine.close()
                filling.cancel()
                await asyncio.wait([filling])
            portion.used = stock.touched
            portion.starved = stock.supply.starved
            portion.trouble = stock.trouble
            return portion
        finally:
            if witness is not None:
                await witness.close()

    async def _drive(self, engine: Engine, start: Start, stop: Stop) -> Portion:
        began = time.monotonic()
        warm_up = await engine.warm_up()
        portion = Portion(run_id=self._task.run_id, warm_up=warm_up, warm_up_seconds=time.monotonic() - began)
        instant = await start(portion)
        if instant is None:
            return portion
        with _undisturbed():
            await asyncio.sleep(max(instant - time.monotonic(), 0.0))
            cpu, waited, began = time.process_time(), waited_for_a_core(), time.monotonic()
            engine.begin(began)
            await stop.wait(self._task.duration)
            portion.in_time = engine.tally.accepted
            engine.halt()
            portion.seconds = time.monotonic() - began
            portion.cpu_seconds = time.process_time() - cpu
            portion.waited_seconds = waited_for_a_core() - waited
        await engine.drained()
        portion.tally = engine.tally
        return portion

    def close(self) -> None:
        """Leave the ledger to whoever cleans up."""
        self.ledger.close()


def waited_for_a_core() -> float:
    """How long (seconds) this thread was ready to run and did not (kernel, sched-stats); 0 if that is not told."""
    try:
        fields = Path("/proc/thread-self/schedstat").read_text(encoding="ascii").split()
        return int(fields[1]) / 1e9
    except (OSError, ValueError, IndexError):
        return 0.0


@contextmanager
def _undisturbed() -> Iterator[None]:
    """No garbage collection meanwhile: what the engine makes it lets go of by itself."""
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.unfreeze()


def share(task: Task, run_ids: list[str]) -> list[Task]:
    """Deal a task out to as many generators as there are run ids; odd connections go to the first."""
    each, more = divmod(task.concurrency, len(run_ids))
    return [
        replace(
            task,
            run_id=run_id,
            concurrency=each + (index < more),
            rate=None if task.rate is None else task.rate / len(run_ids),
        )
        for index, run_id in enumerate(run_ids)
    ]
