"""What tests expect to hear from the target and to find in its tables, form by form; all else they share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from prober.config import load_strict
from prober.contract import SHIPPED, Contract
from prober.demo.stack import FORMS
from prober.demo.target.forms import FormName

CONTRACTS: Mapping[FormName, Contract] = {
    form: load_strict(SHIPPED / f"{contract}.yaml", Contract) for contract, form in FORMS.items()
}


@dataclass(frozen=True, kw_only=True)
class Words:
    """An answer is (status, reason): `data.reason`, `data.response`, or `code`.

    `repeated` and `claimed` are what `message_status` says of a message that was processed and came again, and
    of one that was claimed and came. Queries have the order's, the routing's or the vendor's id as `$1`.
    """

    form: FormName
    routing: str  # base path
    won: tuple[int, str]
    won_again: tuple[int, str]
    lost: frozenset[tuple[int, str]]
    late: tuple[int, str]
    messages: frozenset[str | None]  # `message` of the answers to a race
    unknown_routing: tuple[int, str]
    status_page: int
    accepts: str  # what a vendor responds
    repeated: str
    claimed: str
    message_status: str
    events: str
    losers: str
    activate: str
    deactivate: str
    routings: str

    @property
    def contract(self) -> Contract:
        """The shipped contract that speaks of this form."""
        return CONTRACTS[self.form]


DEPLOYED = Words(
    form=FormName.DEPLOYED,
    routing="/api/v1/vendor-routing",
    won=(200, "LOCKED"),
    won_again=(200, "ALREADY_ACCEPTED"),
    lost=frozenset({(200, "LOST_RACE"), (200, "ALREADY_LOCKED")}),
    late=(200, "ALREADY_LOCKED"),
    messages=frozenset({"Order accepted successfully"}),
    unknown_routing=(400, "NOT_FOUND"),
    status_page=500,
    accepts="ACCEPT",
    repeated="skipped",
    claimed="skipped",
    message_status='SELECT status FROM processed_messages WHERE "messageSid" = $1',
    events='SELECT count(*) FROM order_events WHERE "orderId" = $1',
    losers="""SELECT count(*) FROM vendor_cancellations c JOIN vendor_responses s ON s.id = c."vendorResponseId"
               WHERE s."vendorRoutingId" = $1 AND s."acceptedAt" IS NULL""",
    activate='UPDATE wholesalers SET "isActive" = true, "isVerified" = true WHERE id = $1',
    deactivate='UPDATE wholesalers SET "isActive" = false WHERE id = $1',
    routings='SELECT count(*) FROM vendor_routings WHERE "orderId" = $1',
)

GUIDE = Words(
    form=FormName.GUIDE,
    routing="/api",
    won=(200, "ACCEPTED"),
    won_again=(200, "ACCEPTED"),
    lost=frozenset({(409, "RACE_CONDITION_LOST")}),
    late=(409, "RACE_CONDITION_LOST"),
    messages=frozenset({"Order accepted", None}),
    unknown_routing=(404, "ROUTING_NOT_FOUND"),
    status_page=200,
    accepts="ACCEPTED",
    repeated="processed",
    claimed="pending",
    message_status="""SELECT CASE WHEN processed_at IS NULL THEN 'pending' ELSE 'processed' END
                        FROM webhook_idempotency WHERE message_sid = $1""",
    events="SELECT count(*) FROM order_events WHERE order_id = $1",
    losers="SELECT count(*) FROM vendor_routing_responses WHERE routing_id = $1 AND response = 'LOST'",
    activate="UPDATE vendors SET is_active = true, is_verified = true WHERE id = $1",
    deactivate="UPDATE vendors SET is_active = false WHERE id = $1",
    routings="SELECT count(*) FROM vendor_routing WHERE order_id = $1",
)

WORDS: Mapping[FormName, Words] = {words.form: words for words in (DEPLOYED, GUIDE)}
