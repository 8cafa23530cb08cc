"""Whether this replica is the one that writes: keeps the lease, and answers each write by the clock.

What is known is judged by `prober.judge.lease`; here the row is asked for, in time, on a connection of its own.
"""

from __future__ import annotations

import asyncio
import math
import secrets
from collections.abc import Callable

import structlog

from prober.clock import boottime, now
from prober.config.model import Config
from prober.daemon.assembly import database_addresses
from prober.event import Event, Leading
from prober.judge import lease
from prober.judge.lease import Asking, Lease, Row
from prober.outcome import SkipReason
from prober.probes.database_outcome import database_failure
from prober.probes.database_session import MARK, DatabaseAddress, DatabaseSession, open_database
from prober.probes.lease_table import LeaseTable

log = structlog.get_logger()

GIVE_BACK_TIMEOUT = 2.0


def _nobody(_: int) -> None:
    """Nobody wants to know."""


class Leadership:
    """Permission to write for the one of several replicas that holds the lease; a `Permission`.

    `publish` is told of each change and of each renewal; `gained` of the fencing number, each time that this
    replica becomes the one that writes: what the holder before it left is then its to finish.
    """

    def __init__(
        self,
        address: DatabaseAddress,
        *,
        name: str,
        term: float,
        instance: str,
        publish: Callable[[Event], None],
        gained: Callable[[int], None] = _nobody,
    ) -> None:
        self._address = address
        self._name = name
        self._application_name = f"{MARK}{instance}/election"
        self._publish = publish
        self._gained = gained
        # Another life of this instance is another holder: what it had under way is not ours.
        self._lease = Lease(holder=f"{instance}/{secrets.token_hex(8)}", term=term)
        self._session: DatabaseSession | None = None
        self._told_leading: bool | None = None
        self._told_holder = ""
        self._told_trouble = ""

    def refusal(self, *, undo: bool = False) -> SkipReason | None:  # noqa: ARG002 (the next holder cleans up)
        """Why no write may begin now; nothing is remembered from one question to the next."""
        return None if self._lease.holds(boottime()) else SkipReason.NOT_LEADER

    @property
    def fence(self) -> int:
        """The number of the lease held last; 0, which no lease ever has, before the first."""
        return self._lease.fence

    def move(self, address: DatabaseAddress) -> None:
        """Ask the same database by another address or password, from the next connection on."""
        self._address = address

    async def forever(self) -> None:
        """Keep the lease, or try to get it, until cancelled."""
        self._tell("begins without the lease")
        while True:
            await asyncio.sleep(self._until_next())
            if self._lease.ask_at <= boottime():
                await self.ask_once()
            else:
                self._tell("the lease ran out before it could be renewed")

    async def try_once(self) -> None:
        """Take the lease if it is to be had at once."""
        for asking in (Asking.LOOK, Asking.TAKE):
            if lease.next_asking(self._lease, boottime()) is asking:
                await self.ask_once()

    async def ask_once(self) -> None:
        """Ask one thing, whatever is due next, and take in what came of it."""
        asking = lease.next_asking(self._lease, boottime())
        was = self._lease
        try:
            async with asyncio.timeout(lease.patience(was, boottime())):
                table = LeaseTable(await self._connected(), self._name)
                sent = boottime()
                row = await self._ask(table, asking, was)
        except Exception as error:
            self._drop()
            self._lease = lease.failed(self._lease, boottime())
            self._tell_trouble(database_failure(error, str(self._address)).detail)
            self._tell("the lease ran out before it could be renewed")
            return
        except BaseException:
            self._drop()
            raise
        self._tell_trouble("")
        self._lease = lease.answered(self._lease, asking, row, sent=sent, now=boottime())
        self._tell(_sentence(asking, row), renewed=asking is not Asking.LOOK and row is not None)

    async def give_back(self) -> None:
        """Hold it no longer and let another have it at once. Nothing may be written after this."""
        held, self._lease = self._lease, lease.given_back(self._lease)
        self._tell("the lease was given back")
        try:
            if held.holds(boottime()):
                async with asyncio.timeout(GIVE_BACK_TIMEOUT):
                    await LeaseTable(await self._connected(), self._name).give_back(held.holder, held.fence)
        except Exception as error:
            # It runs out by itself.
            log.warning("lease not given back", detail=database_failure(error, str(self._address)).detail)
        finally:
            self._drop()

    async def _ask(self, table: LeaseTable, asking: Asking, was: Lease) -> Row | None:
        match asking:
            case Asking.LOOK:
                return await table.look()
            case Asking.TAKE:
                return await table.take(was.holder, was.term, was.seen)
            case Asking.RENEW:
                return await table.renew(was.holder, was.term, was.fence)

    async def _connected(self) -> DatabaseSession:
        if self._session is not None and not self._session.is_open:
            self._drop()
        if self._session is None:
            self._session = await open_database(self._address, self._application_name)
        return self._session

    def _drop(self) -> None:
        if self._session is not None:
            self._session.drop()
            self._session = None

    def _until_next(self) -> float:
        """Seconds until something is to be asked, or to be said of a lease that runs out."""
        at = boottime()
        due = self._lease.ask_at
        if self._told_leading:
            due = min(due, self._lease.until)
        return min(max(0.0, due - at), self._lease.term)

    def _tell(self, sentence: str, *, renewed: bool = False) -> None:
        """Publish how it stands, if that has changed or is to be known for longer."""
        held = self._lease
        leading = held.holds(boottime())
        changed = leading is not self._told_leading
        holder = "" if leading else self._seen_holder()
        if not changed and not (renewed and leading) and holder == self._told_holder:
            return
        began, self._told_leading, self._told_holder = self._told_leading is None, leading, holder
        self._publish(
            Leading(
                leading=leading,
                at=now(),
                until=held.until if leading else -math.inf,
                fence=held.fence if leading else None,
                holder=holder,
                sentence=sentence if changed and not began else "",
            )
        )
        if changed and leading:
            self._gained(held.fence)

    def _seen_holder(self) -> str:
        """The instance that held the lease when it was last looked at."""
        row = self._lease.seen
        if row is None:
            return "" if self._lease.looked else self._told_holder
        return "" if row.free else row.holder.rpartition("/")[0]

    def _tell_trouble(self, trouble: str) -> None:
        if trouble and not self._told_trouble:
            log.warning("the lease cannot be asked for", detail=trouble)
        elif self._told_trouble and not trouble:
            log.info("the lease can be asked for again")
        self._told_trouble = trouble


def _sentence(asking: Asking, row: Row | None) -> str:
    if row is None:
        return "another replica has taken the lease" if asking is Asking.RENEW else "nobody holds the lease"
    if asking is Asking.LOOK:
        return f"{row.holder} held the lease when it was looked at"
    return f"took the lease under number {row.fence}"


def leadership_of(
    config: Config, publish: Callable[[Event], None], gained: Callable[[int], None] = _nobody
) -> Leadership | None:
    """The part in the election that the config wants; None without one."""
    election = config.election
    if not election.enabled:
        return None
    direct, _ = database_addresses(config.probes.database)
    if direct is None:
        raise ValueError("an election without a database: the config was not checked")
    return Leadership(
        direct,
        name=election.name,
        term=election.lease,
        instance=config.instance,
        publish=publish,
        gained=gained,
    )
