"""Reload: reads the config again, builds everything anew, and only then lets it take the place of the old.

Whatever is wrong leaves the old one in force, and says so. The reading takes place in a thread of its own: a file
system that hangs must not stop the probes, nor our end.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Collection
from functools import partial
from typing import Protocol, TypeVar

import structlog

from prober.clock import now
from prober.config.model import Config
from prober.config.problem import ConfigError
from prober.contract import Contract
from prober.daemon.assembly import Assembled
from prober.daemon.changes import Running, changes, elsewhere, refusals
from prober.daemon.settings import Settings
from prober.event import Reloaded, Started
from prober.log import configure_log
from prober.outcome import ProbeName
from prober.web.settings import WebSettings

log = structlog.get_logger()

# Reading and building take some 100 ms; a disk that does not answer for so long (seconds) is given up.
READ_WITHIN = 20.0
# A web process gone wild must not fill our memory with its questions.
MOST_ASKED = 100

T = TypeVar("T")


class Reloadable(Protocol):
    """The running daemon, as a reload sees it."""

    def build(self, config: Config, contract: Contract) -> Assembled:
        """Make everything by another config, without touching what runs. Called in a thread."""
        ...

    async def take_up(
        self, config: Config, contract: Contract, assembled: Assembled, elsewhere: Collection[ProbeName]
    ) -> Started:
        """Let it take the place of what runs, in one turn of the event loop; what runs now."""
        ...


class _RefusedError(Exception):
    def __init__(self, problems: list[str]) -> None:
        super().__init__()
        self.problems = tuple(problems)


class Reloader:
    """Does one reload after the other; what is asked for during one is answered by the next.

    `read` reads the settings and may raise ConfigError; `settings` are those that run. `serve` is told how the
    HTTP side is to serve.
    """

    def __init__(self, settings: Settings, read: Callable[[], Settings]) -> None:
        self._running = Running(settings.config, settings.contract, settings.web)
        self._redact = settings.redact
        self._read = read
        self._wanted = asyncio.Event()
        self._asked: list[int] = []
        self._reading: asyncio.Future[tuple[Running, Assembled]] | None = None
        self.serve: Callable[[WebSettings], None] = _nobody

    def signalled(self) -> None:
        """SIGHUP came."""
        self._wanted.set()

    def asked(self, id_: int) -> None:
        """`POST /-/reload` came, by the web process, which faces the network and is not believed blindly."""
        if not self._running.config.web.reload:
            log.error("the web process asked for a reload, which `web.reload` does not allow")
        elif len(self._asked) < MOST_ASKED:
            self._asked.append(id_)
            self._wanted.set()

    async def forever(self, daemon: Reloadable, publish: Callable[[Reloaded], None]) -> None:
        """Reload whenever that is asked for, until cancelled."""
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            ids, self._asked = tuple(self._asked), []
            publish(await self._reload(daemon, ids))

    async def _reload(self, daemon: Reloadable, ids: tuple[int, ...]) -> Reloaded:
        try:
            after, assembled = await self._built(daemon)
        except _RefusedError as refused:
            for problem in refused.problems:
                log.error("reload refused", problem=problem)
            log.error("the config before stays in force", problems=len(refused.problems))
            return Reloaded(at=now(), asked=ids, problems=refused.problems)
        before, self._running = self._running, after
        found = changes(before, after)
        elsewhere_now = elsewhere(before.config, after.config)
        started = await daemon.take_up(after.config, after.contract, assembled, elsewhere_now)
        self.serve(after.web)
        configure_log(after.config.log.level, after.config.log.format, self._redact)
        for change in found:
            log.info("changed", change=str(change))
        log.info("config reloaded", changes=len(found))
        return Reloaded(
            at=now(),
            asked=ids,
            now=started,
            changed=tuple(change.key for change in found),
            elsewhere=tuple(elsewhere_now),
        )

    async def _built(self, daemon: Reloadable) -> tuple[Running, Assembled]:
        """Read and build, all or nothing; _RefusedError with every problem."""
        if self._reading is not None and not self._reading.done():
            raise _RefusedError(["the files of an earlier reload are still being read; is their disk there?"])
        self._reading = reading = _in_thread(lambda: self._build(daemon))
        done, _ = await asyncio.wait([reading], timeout=READ_WITHIN)
        if not done:
            raise _RefusedError([f"the files could not be read within {READ_WITHIN:g} s; is their disk there?"])
        try:
            return reading.result()
        except ConfigError as error:
            raise _RefusedError([str(problem) for problem in error.problems]) from None
        except OSError as error:
            # A certificate that is none, or a file that went between two looks at it.
            raise _RefusedError([f"a file that the config names cannot be used: {error}"]) from None
        except _RefusedError:
            raise
        except Exception as error:
            log.exception("reload failed inside the prober")
            raise _RefusedError(
                [f"a fault in the prober itself: {type(error).__name__}; its log has it"]
            ) from None

    def _build(self, daemon: Reloadable) -> tuple[Running, Assembled]:
        read = self._read()
        after = Running(read.config, read.contract, read.web)
        if problems := refusals(self._running, after):
            raise _RefusedError(problems)
        return after, daemon.build(after.config, after.contract)


def _nobody(_: WebSettings) -> None:
    """Nobody serves."""


def _in_thread(work: Callable[[], T]) -> asyncio.Future[T]:
    """Do it in a thread that does not keep the process alive."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def tell(outcome: Callable[[], None]) -> None:
        if not future.done():
            outcome()

    def run() -> None:
        outcome: Callable[[], None]
        try:
            result = work()
        except BaseException as error:
            outcome = partial(future.set_exception, error)
        else:
            outcome = partial(future.set_result, result)
        try:
            loop.call_soon_threadsafe(tell, outcome)
        except RuntimeError:
            return  # the loop has been closed: nobody waits any more

    threading.Thread(target=run, name="reload", daemon=True).start()
    return future
