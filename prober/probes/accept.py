"""The accept of one vendor: its request as bytes, its answer as evidence."""

from __future__ import annotations

import json
from dataclasses import dataclass

from prober.contract import Race, fill
from prober.http1 import Endpoint, Exchange, build_request
from prober.outcome import Ask, Claim
from prober.probes.base import Run
from prober.probes.synthetic import HEADER, Mark, new_trace
from prober.result import VendorAnswer

TOLD = 480  # characters of a body that are kept


@dataclass(frozen=True, slots=True, kw_only=True)
class Accept:
    """One vendor's accept, ready to be sent."""

    vendor_id: str
    ask: Ask
    trace_id: str
    request: bytes
    fence: int | None  # the fencing number that it carries


class Accepts:
    """Makes accepts for the orders of one prober, and reads their answers by the contract."""

    def __init__(self, contract: Race, mark: Mark, endpoint: Endpoint, bearer_token: str | None) -> None:
        self._contract = contract
        self._mark = mark
        self._endpoint = endpoint
        self._bearer_token = bearer_token

    def warm_up(self, run: Run) -> bytes | None:
        """A request that takes the same way and changes nothing; None where the contract has none."""
        warm_up = self._contract.warm_up
        if warm_up is None:
            return None
        body = b"" if warm_up.body is None else json.dumps(dict(warm_up.body)).encode()
        return build_request(
            warm_up.method, self._endpoint, warm_up.path, self._headers(run, new_trace()[1]), body
        )

    def make(
        self, run: Run, order_id: str, routing_id: str, vendor_id: str, ask: Ask, fence: int | None = None
    ) -> Accept:
        """The accept of one vendor for one routing, sent under the fencing number `fence`."""
        accept = self._contract.accept
        values = {"order_id": order_id, "routing_id": routing_id, "vendor_id": vendor_id}
        trace_id, traceparent = new_trace()
        headers = self._headers(run, traceparent, fence)
        if accept.idempotency_header is not None:
            # Another key for each question: what is asked is the routing, not a store of answers.
            headers[accept.idempotency_header] = f"{routing_id}-{vendor_id}-{ask}"
        body = json.dumps({key: fill(text, values) for key, text in accept.body.items()})
        request = build_request("POST", self._endpoint, fill(accept.path, values), headers, body.encode())
        return Accept(vendor_id=vendor_id, ask=ask, trace_id=trace_id, request=request, fence=fence)

    def _headers(self, run: Run, traceparent: str, fence: int | None = None) -> dict[str, str]:
        headers = {
            **self._contract.accept.headers,
            "Content-Type": "application/json",
            HEADER: self._mark.header(run.id, fence),
            "traceparent": traceparent,
        }
        if self._bearer_token is not None:
            headers["Authorization"] = f"Bearer {self._bearer_token}"
        return headers

    def read(self, accept: Accept, exchange: Exchange, released: float) -> VendorAnswer:
        """What the vendor was told; offsets count from `released` (monotonic)."""
        code = answered = None
        claim, told = Claim.NO_ANSWER, exchange.detail
        if exchange.answer is not None:
            code, body = exchange.answer.status, exchange.answer.body
            claim = self._contract.read(code, body)
            told = f"{code} {body[:TOLD].decode('utf-8', 'replace')}"
            answered = exchange.finished - released
        return VendorAnswer(
            vendor_id=accept.vendor_id,
            sent=None if exchange.sent is None else exchange.sent - released,
            answered=answered,
            claim=claim,
            code=code,
            outcome=exchange.outcome,
            told=told,
            trace_id=accept.trace_id,
            ask=accept.ask,
        )
