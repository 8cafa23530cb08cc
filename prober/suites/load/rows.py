"""The rows that messages of a load leave in the target: asked for, and removed, many at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from prober.contract import Webhook
from prober.outcome import Mode
from prober.probes.witness import Witness
from prober.suites.load.messages import Ids

# So many messages in one query. The contract's statements go through the sender's rows once for each batch, and an
# answer may have 256 KiB (`prober.probes.metered`), of which each row takes some 70 bytes.
BATCH = 2_000
ASK_TIMEOUT = 30.0


@dataclass(frozen=True, slots=True)
class Sight:
    """What one look at a message found."""

    effects: int
    done: bool


class Rows:
    """Asks about, and removes, messages by their ordinals. Every call raises NotAskable and nothing else."""

    def __init__(self, contract: Webhook, witness: Witness, ids: Ids, mode: Mode, from_number: str) -> None:
        self._traces = contract.traces(mode)
        self._witness = witness
        self._ids = ids
        self._from_number = from_number

    @property
    def visible(self) -> bool:
        """Whether the effect of such a message can be seen at all."""
        return self._traces.effect is not None

    async def look(self, ordinals: Sequence[int]) -> dict[int, Sight]:
        """What is there of these messages, by ordinal; those without a row are not in it."""
        found: dict[int, Sight] = {}
        effect = self._traces.effect
        if effect is None:
            return found
        for batch in batches(ordinals):
            sids = self._ids.sids(batch)
            by_sid = dict(zip(sids, batch, strict=True))
            rows = await self._witness.fetch(effect, self._values(batch, sids), timeout=ASK_TIMEOUT)
            for row in rows:
                ordinal = by_sid.get(str(row["message_sid"]))
                if ordinal is not None:
                    found[ordinal] = Sight(int(row["effects"] or 0), bool(row["done"]))
        return found

    async def remove(self, ordinals: Sequence[int]) -> None:
        """Remove every row of these messages."""
        for batch in batches(ordinals):
            values = self._values(batch, self._ids.sids(batch))
            await self._witness.run(self._traces.cleanup, values, timeout=ASK_TIMEOUT)

    async def left(self, ordinals: Sequence[int]) -> int:
        """How many of these messages still have something in the target, as far as it can be seen."""
        return sum(sight.effects > 0 or sight.done for sight in (await self.look(ordinals)).values())

    def _values(self, batch: list[int], sids: list[str]) -> dict[str, object]:
        return {
            "from_number": self._from_number,
            "message_sids": sids,
            "bodies": self._ids.bodies(batch),
        }


def batches(ordinals: Sequence[int]) -> Iterator[list[int]]:
    """Ordinals in lists of at most BATCH."""
    for first in range(0, len(ordinals), BATCH):
        yield list(ordinals[first : first + BATCH])
