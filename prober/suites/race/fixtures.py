"""The vendors of a suite: looks how many are there, and makes those that are missing."""

from __future__ import annotations

from dataclasses import dataclass

from prober.contract import Race
from prober.probes.base import Permission
from prober.probes.synthetic import Mark
from prober.probes.witness import NotAskable, Witness

TIMEOUT = 10.0


class NoVendorsError(Exception):
    """There are not enough synthetic vendors, and they cannot be made; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Fixtures:
    """What there is now. `made`: how many were missing; None where the contract does not say how to look."""

    vendors: int
    made: int | None

    @property
    def note(self) -> str:
        """What was done, for people; empty where nothing was."""
        if self.made == 0:
            return ""
        what = "what was missing of the" if self.made is None else f"{self.made} of the"
        return (
            f"made {what} {self.vendors} synthetic vendors (inactive and unverified: no real order reaches "
            "them); they stay for the next time, `prober cleanup --fixtures` removes them"
        )


async def ensure_vendors(
    contract: Race, witness: Witness, mark: Mark, permission: Permission, vendors: int
) -> Fixtures:
    """Have so many synthetic vendors, one that comes late, and their retailer. Raises NoVendorsError."""
    wanted = [*mark.vendors(vendors), mark.late_vendor]
    values: dict[str, object] = {"retailer_id": mark.retailer, "vendor_ids": wanted}
    advice = (
        "make them with `prober doctor --setup` as the owner of the target's tables, with probes.race.vendors: "
        f"{vendors} in the config"
    )
    try:
        missing = await _missing(contract, witness, values, [mark.retailer, *wanted])
        if missing == 0:
            return Fixtures(vendors, 0)
        if (refused := permission.refusal()) is not None:
            raise NoVendorsError(f"the synthetic vendors are not all there, and writes are held back ({refused})")
        await witness.run(contract.fixtures, values, timeout=TIMEOUT)
    except NotAskable as why:
        raise NoVendorsError(
            f"{vendors} synthetic vendors are needed, and could not be made: {why.detail}; {advice}"
        ) from why
    return Fixtures(vendors, missing)


async def _missing(contract: Race, witness: Witness, values: dict[str, object], wanted: list[str]) -> int | None:
    """How many are not there; None where the contract does not say how to look."""
    if contract.present is None:
        return None
    there = {str(row["id"]) for row in await witness.fetch(contract.present, values, timeout=TIMEOUT)}
    return len(set(wanted) - there)
