"""What a form of the target consists of: paths, answers, statements, tables. Everything else is shared.

Statements have parameters by name, so that a form uses those it has a column for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus
from pathlib import Path

from aiohttp import web

from prober.demo.target.decision import Decision, Verdict
from prober.demo.target.exchange import Incoming
from prober.sql import Sql

_HERE = Path(__file__).parent

# What both forms refuse alike (TARGET, "Vendor routing"): status, error, code.
REFUSALS: Mapping[Verdict, tuple[HTTPStatus, str, str]] = {
    Verdict.UNKNOWN_VENDOR: (HTTPStatus.INTERNAL_SERVER_ERROR, "Internal server error", "INTERNAL_ERROR"),
    Verdict.NO_RESPONSE_ROW: (HTTPStatus.NOT_FOUND, "Vendor response not found", "NOT_FOUND"),
    Verdict.CONFLICT: (HTTPStatus.CONFLICT, "Vendor already accepted this order", "CONFLICT"),
}


class FormName(StrEnum):
    """Which names and answers the target has."""

    DEPLOYED = "deployed"
    GUIDE = "guide"


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutingStatements:
    """The tables of the vendor routing. Parameters: routing, vendor, order, and what each one says.

    `look` answers with order_id, locked, locked_at (Unix seconds), vendor_known, response_id, lost_before,
    has_other (this vendor won another routing of the order), order_taken (somebody did).
    """

    look: Sql
    lock_order: Sql
    take_lock: Sql  # with `split`, whatever other routings of the order say; a row when it was taken
    holder: Sql
    overwrite_lock: Sql  # without a condition: what the faults write
    write_win: Sql  # event_id, payload
    write_loss: Sql  # cancellation_id, response
    other_vendor: Sql
    told_winner: Sql  # by the event of the first win
    choose_vendors: Sql  # limit
    create_routing: Sql  # retailer, vendors (JSON), anyone; a row when order and retailer exist
    record_response: Sql  # response_id, response; a row when there was none
    status: Sql | None  # locked_vendor, accepted_vendors; None: the page is broken


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageStatements:
    """The tables of the messages."""

    take: Sql  # `inserted`: the message is new; no row: its key was seen before
    process: Sql  # a row when it had its effect now
    process_deferred: Sql  # of a message that was taken without the database: its row may be there or not
    skip: Sql  # a row when the message is somebody else's, not `except_id`
    again: Sql  # the fault duplicate_effect
    remember_key: Sql
    key_taken_at: Sql
    touch_nothing: Sql  # what the fault rollbacks writes and takes back


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """One form. `base` is that of the routing's paths, `responses` what a vendor may respond.

    `accept_answer` gets the decision, the routing and the vendor; `no_route` a request that nobody answers.
    """

    name: FormName
    base: str
    responses: frozenset[str]
    accept_answer: Callable[[Decision, str, str], web.Response]
    no_route: Callable[[Incoming], web.Response]
    routing: RoutingStatements
    messages: MessageStatements

    def schema(self) -> str:
        """Statements that create the tables that are not there yet, in one transaction."""
        return "".join((_HERE / f"{part}.sql").read_text(encoding="utf-8") for part in ("common", self.name))
