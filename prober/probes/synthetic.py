"""How everything of ours is marked, so that people, rows and sweeps recognise it.

A mark carries the instance and the run; the run's id begins with its time.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass

PREFIX = "synthetic-prober"
HEADER = "X-Synthetic-Probe"

# +999 is not assigned to any country (ITU-T E.164): no message to it reaches anyone.
NOBODYS_NUMBER = "+999000000000"


def new_run_id(wall: float) -> str:
    """Make the id of a run: milliseconds since 1970 in 11 hex digits, then 8 random ones; sorts by time."""
    return f"{int(wall * 1000):011x}{secrets.token_hex(4)}"


def new_trace() -> tuple[str, str]:
    """Make a trace id and the `traceparent` header that carries it (W3C Trace Context, sampled)."""
    trace_id = secrets.token_hex(16)
    return trace_id, f"00-{trace_id}-{secrets.token_hex(8)}-01"


def new_message_sid() -> str:
    """Make a MessageSid of Twilio's form: `SM` and 32 hex digits."""
    return f"SM{secrets.token_hex(16)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One synthetic order: the ids by which all of it is found and removed."""

    id: str
    routing_id: str
    retailer_id: str
    run_id: str

    @property
    def values(self) -> dict[str, object]:
        """The parameters of a contract's statements about it; of its vendors only a race knows."""
        return {
            "order_id": self.id,
            "routing_id": self.routing_id,
            "retailer_id": self.retailer_id,
            "vendor_ids": [],
        }


@dataclass(frozen=True, slots=True)
class Mark:
    """The marks of one instance."""

    instance: str

    def header(self, run_id: str, fence: int | None = None) -> str:
        """The value of X-Synthetic-Probe; a write carries the fencing number where replicas are elected."""
        return f"{self.instance}/{run_id}" + ("" if fence is None else f";fence={fence}")

    def body(self, run_id: str) -> str:
        """The text of a synthetic message: unique, and readable to whoever finds it in a table."""
        return f"{PREFIX} {self.instance} {run_id}"

    def is_body(self, text: str, run_id: str) -> bool:
        """Whether a message of this run has this text; those after its first have a number behind it."""
        rest = text.removeprefix(self.body(run_id))
        return rest != text and (not rest or (rest[0] == " " and rest[1:].isdecimal() and rest.isascii()))

    def orders_of(self, run_id: str) -> tuple[Order, Order]:
        """What a run may make: an order for the race, and one for its second heat."""
        ids = (
            (self.order(run_id), self.routing(run_id)),
            (self.held_order(run_id), self.held_routing(run_id)),
        )
        first, second = (Order(id=o, routing_id=r, retailer_id=self.retailer, run_id=run_id) for o, r in ids)
        return first, second

    def order_called(self, order_id: str, run_id: str) -> Order | None:
        """The order of a run that has this id; None if it has none of that id."""
        return next((order for order in self.orders_of(run_id) if order.id == order_id), None)

    def order(self, run_id: str) -> str:
        """The id (and number) of a synthetic order."""
        return f"{PREFIX}-{self.instance}-order-{run_id}"

    def routing(self, run_id: str) -> str:
        """The id of a synthetic routing."""
        return f"{PREFIX}-{self.instance}-routing-{run_id}"

    def held_order(self, run_id: str) -> str:
        """The id of the order of the second heat."""
        return f"{PREFIX}-{self.instance}-order2-{run_id}"

    def held_routing(self, run_id: str) -> str:
        """The id of the routing of the second heat."""
        return f"{PREFIX}-{self.instance}-routing3-{run_id}"

    def second_routing(self, run_id: str) -> str:
        """The id of another routing of the same synthetic order."""
        return f"{PREFIX}-{self.instance}-routing2-{run_id}"

    @property
    def key_prefix(self) -> str:
        """What the keys in Redis begin with."""
        return f"{PREFIX}:{self.instance}:"

    def key(self, run_id: str) -> str:
        """The one key of a run in Redis."""
        return self.key_prefix + run_id

    @property
    def late_vendor(self) -> str:
        """The id of the synthetic vendor that asks when the race is over."""
        return f"{PREFIX}-{self.instance}-vendor-late"

    @property
    def retailer(self) -> str:
        """The id of the one synthetic retailer."""
        return f"{PREFIX}-{self.instance}-retailer"

    def vendors(self, count: int) -> tuple[str, ...]:
        """The ids of the first `count` synthetic vendors."""
        return tuple(f"{PREFIX}-{self.instance}-vendor-{n:02d}" for n in range(1, count + 1))
