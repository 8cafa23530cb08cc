"""What came of one request, as a value: the outcome, the answer, and where the time went."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from prober.http1.message import Answer
from prober.outcome import Outcome, Phase


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a server may send before we stop listening; memory is bounded by these whatever it does."""

    head_bytes: int = 64 * 1024  # status line and headers, together with all interim answers before them
    headers: int = 128  # fields in one answer, trailers included
    body_bytes: int = 1024 * 1024
    interim: int = 8  # answers of status 1xx before the final one


class RequestSent(StrEnum):
    """How much of the request left this process: decides whether the server may have acted on it."""

    NOTHING = "nothing"  # certain: not a byte of it can have arrived
    PARTLY = "partly"
    WHOLE = "whole"  # all of it was handed to the kernel; whether it arrived only an answer tells


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One request and what came of it.

    `outcome` is OK for every whole, well-formed answer whatever its status: judging the status is the
    caller's. `answer` is there when it was whole, also beside GARBAGE when more came than its length said.
    Instants are seconds of CLOCK_MONOTONIC. `phases` has every phase (0 for one that did not happen) and
    adds up to `finished - started`; the phase in which a failed exchange hung holds the time it hung.
    `sent` is when the last byte of the request was handed to the kernel, None if it never was.
    `tls_not_after` is the Unix time at which the server's certificate ends; None without TLS, and None when
    the certificate is not verified, since the standard library then does not decode it.
    """

    outcome: Outcome
    detail: str
    phases: Mapping[Phase, float]
    answer: Answer | None = None
    reused: bool = False
    started: float
    sent: float | None = None
    finished: float
    tls_not_after: float | None = None
    request_sent: RequestSent = RequestSent.NOTHING

    @property
    def duration(self) -> float:
        """The whole in seconds."""
        return self.finished - self.started


def split(started: float, ends: Sequence[float | None], finished: float) -> dict[Phase, float]:
    """Cut the whole into phases: `ends` says when each phase but the last ended, None if it never did.

    A phase without an end lasts until the next end that is known, or until `finished`; so the phases are
    differences of neighbouring instants and add up to the whole by construction.
    """
    boundaries = [finished]
    for end in reversed(ends):
        boundaries.append(boundaries[-1] if end is None else min(end, boundaries[-1]))
    boundaries.reverse()
    phases, begin = {}, started
    for phase, end in zip(Phase, boundaries, strict=True):
        end = max(end, begin)
        phases[phase] = end - begin
        begin = end
    return phases
