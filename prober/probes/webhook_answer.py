"""Reading the answer to a webhook: what its status means for what was sent."""

from __future__ import annotations

from prober.contract import Webhook
from prober.http1 import Exchange
from prober.outcome import Outcome


def read_delivery(contract: Webhook, exchange: Exchange) -> tuple[Outcome, str]:
    """Say what the answer to a good message means."""
    if exchange.answer is None:
        return exchange.outcome, exchange.detail
    code = exchange.answer.status
    if code in contract.accepted:
        return Outcome.OK, f"{code}"
    return _by_status(code), _unexpected(contract.accepted, exchange)


def read_refusal(refused: tuple[int, ...], exchange: Exchange, what: str) -> tuple[Outcome, str]:
    """Say what the answer to a message means that has to be refused: any 2xx is a violation.

    `what` says what was wrong with it, such as "a badly signed message".
    """
    if exchange.answer is None:
        return exchange.outcome, exchange.detail
    code = exchange.answer.status
    expected = " or ".join(map(str, refused))
    if code in refused:
        return Outcome.OK, f"{what} was refused with {code}"
    if 200 <= code < 300:
        return Outcome.VIOLATION, f"{what} was accepted with {code}; expected {expected}"
    return _by_status(code), _unexpected(refused, exchange)


def _by_status(code: int) -> Outcome:
    if code == 429:
        return Outcome.RATE_LIMITED
    if code >= 500:
        return Outcome.SERVER_ERROR
    if 300 <= code < 400:
        return Outcome.REDIRECT
    return Outcome.UNEXPECTED_STATUS


def _unexpected(allowed: tuple[int, ...], exchange: Exchange) -> str:
    answer = exchange.answer
    if answer is None:
        return exchange.detail
    location = answer.header("location")
    told = repr(answer.body[:200].decode("utf-8", "replace"))
    if location is not None:
        told = f"redirect to {location[:200]!r}, not followed"
    return f"expected {' or '.join(map(str, allowed))}, got {answer.status}: {told}"
