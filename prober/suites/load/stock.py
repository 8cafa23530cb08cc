"""Keeps a supply ahead of what is sent: ordinals reserved in the ledger and, where that is wanted, claimed."""

from __future__ import annotations

import asyncio

from prober.contract import Webhook
from prober.outcome import Mode, Outcome
from prober.probes.witness import NotAskable, Witness
from prober.suites.ledger import Ledger
from prober.suites.load.messages import Composer
from prober.suites.load.supply import Composed

# Some tenths of a second of more than anything sends; each block is as large as what was sent until then.
BLOCK = 10_000
LOOK_EVERY = 0.02  # seconds
# A claim is a statement; so many go in one transaction, and so many are ahead of what is sent.
CLAIMS = 200
CLAIMED_AHEAD = 4_000
CLAIM_TIMEOUT = 10.0


class Stock:
    """Fills `supply`. `trouble` says why no more could be had, "" while all is well."""

    def __init__(self, composer: Composer, ledger: Ledger) -> None:
        self.supply = Composed(composer)
        self._ledger = ledger
        self._reserved = 0
        self.trouble = ""

    @property
    def touched(self) -> int:
        """Ordinals up to this one may have rows in the target."""
        return self.supply.used

    async def fill(self) -> None:
        """Have enough to begin with. Raises OSError where the ledger cannot be written."""
        await self._reserve()
        self.supply.allow(self._reserved)

    async def forever(self) -> None:
        """Stay ahead until cancelled, or until there is trouble."""
        try:
            while True:
                await asyncio.sleep(LOOK_EVERY)
                await self._more()
        except OSError as error:
            self.trouble = f"the ledger of what was sent cannot be written: {error.strerror}"
        except NotAskable as why:
            self.trouble = f"messages could not be claimed any more: {why.detail}"

    async def _more(self) -> None:
        if self.supply.left < self._reserved / 2:
            await self._reserve()
            self.supply.allow(self._reserved)

    async def _reserve(self) -> None:
        upto = self._reserved + max(self._reserved, BLOCK)
        # fsync takes its time, which must not show in what is measured.
        await asyncio.to_thread(self._ledger.reserve, upto)
        self._reserved = upto


class ClaimedStock(Stock):
    """The same in mode `no_side_effects`: what is not claimed is never sent."""

    def __init__(
        self, composer: Composer, ledger: Ledger, contract: Webhook, witness: Witness, from_number: str, ahead: int
    ) -> None:
        super().__init__(composer, ledger)
        if contract.claimed is None:
            raise NotAskable(Outcome.SETUP_FAILED, "the contract has no webhook.claimed: nothing can be claimed")
        self._claim = contract.claimed.claim
        self._witness = witness
        self._from_number = from_number
        self._ids = composer.ids
        self._claimed = 0
        self._ahead = min(ahead, CLAIMED_AHEAD)

    @property
    def touched(self) -> int:
        """What is claimed has a row, sent or not; what was being claimed at the end may have one."""
        return min(self._claimed + CLAIMS, self._reserved)

    async def fill(self) -> None:
        """Claim enough to begin with. Raises OSError and NotAskable."""
        while self.supply.left < self._ahead:
            await self._claim_some()

    async def _more(self) -> None:
        if self.supply.left < self._ahead:
            await self._claim_some()

    async def _claim_some(self) -> None:
        upto = self._claimed + CLAIMS
        if upto > self._reserved:
            await self._reserve()
        sids = self._ids.sids(range(self._claimed + 1, upto + 1))
        writes = [(self._claim, {"message_sid": sid, "from_number": self._from_number}) for sid in sids]
        await self._witness.run_each(writes, timeout=CLAIM_TIMEOUT)
        self._claimed = upto
        self.supply.allow(upto)


def stock_for(
    mode: Mode,
    composer: Composer,
    ledger: Ledger,
    contract: Webhook,
    witness: Witness | None,
    from_number: str,
    ahead: int,
) -> Stock:
    """The stock that a mode needs. NotAskable where nothing could be claimed."""
    if mode is Mode.FULL:
        return Stock(composer, ledger)
    if witness is None:
        raise NotAskable(
            Outcome.SETUP_FAILED,
            "mode no_side_effects claims each message first, and no database is configured (probes.database.dsn)",
        )
    return ClaimedStock(composer, ledger, contract, witness, from_number, ahead)
