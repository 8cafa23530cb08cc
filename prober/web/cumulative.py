"""Following a total that a server keeps, so that the server's own restart never looks like a step back."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cumulative:
    """The last reading of a server's total, and the `epoch` in which it counts (run_id, reset time).

    PostgreSQL and Redis forget their totals in a crash and then read 0. Prometheus would take a copy of such
    a total for a restart of the prober, and a reset between two scrapes that has been caught up with for
    nothing at all. So only increases are handed on; the first reading is the base line and counts nothing,
    or each start of the prober would look like a burst.
    """

    total: int | None = None
    epoch: object = None

    def read(self, total: int, epoch: object) -> tuple[Cumulative, int]:
        """Take a reading, give what to remember and by how much the total rose since the last one."""
        if self.total is None:
            risen = 0
        elif epoch != self.epoch or total < self.total:
            risen = total
        else:
            risen = total - self.total
        return Cumulative(total, epoch), risen
