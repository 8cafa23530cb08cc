"""What can be written into the journal, and what the writing of it came to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from prober.clock import Instant
from prober.event import JournalFailed, Outage, ServiceRestarted, SuiteFinished, ViolationFound, WebhookSettled
from prober.outcome import RaceOutcome
from prober.result import AwaitedWebhook, RaceResult, Result


@dataclass(frozen=True, slots=True, kw_only=True)
class Intended:
    """The mark of a synthetic thing that is about to be made, so that it is found after a `kill -9`.

    `kind` says where it lives (a table, a key), `id` which one it is. Made only once this is
    written.
    """

    kind: str
    id: str
    run_id: str
    at: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class Cleaned:
    """A synthetic thing is gone, and was seen to be gone: its mark can go too."""

    kind: str
    id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgotten:
    """Nothing is left of a synthetic message: nobody waits for it any more."""

    message_sid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledgement:
    """A violation, or a whole kind of them, is known until `until_wall` (Unix time)."""

    what: str  # the id of a violation, or a `Violation`
    at: Instant
    until_wall: float
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """One value to find again after a restart, under a key. `value` is anything that JSON can say."""

    key: str
    value: object


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteRace:
    """A race of a suite that convicts the target, as evidence; it counts in no window of ours.

    `evidence` is the whole `RaceResult` in the form of the journal; `released_wall` is Unix time.
    """

    suite_run: str
    run_id: str
    released_wall: float
    outcome: RaceOutcome
    sentence: str
    routing_id: str
    order_id: str
    race_duration: float | None
    evidence: Mapping[str, object]


Entry = (
    Result
    | Outage
    | AwaitedWebhook
    | WebhookSettled
    | ViolationFound
    | Acknowledgement
    | ServiceRestarted
    | Intended
    | Cleaned
    | Forgotten
    | State
    | SuiteFinished
    | SuiteRace
)


def is_expendable(entry: Entry) -> bool:
    """Whether it may be dropped when the journal cannot keep up: results may, the proof of a violation not."""
    if isinstance(entry, RaceResult):
        return not entry.race_outcome.is_violation
    return isinstance(entry, Result)


class Durability(StrEnum):
    """What `write_now` came to."""

    DURABLE = "durable"  # on the disk: it survives a `kill -9` and a power cut
    KEPT = "kept"  # in memory and tried again; it survives unless this process dies first
    REFUSED = "refused"  # cannot be written at all: the journal is closed, or the entry cannot be encoded

    @property
    def durable(self) -> bool:
        """Whether it is on the disk."""
        return self is Durability.DURABLE


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalRecovered:
    """The journal can be written again after `seconds` of failing; `detail` is a sentence."""

    seconds: float
    detail: str


JournalNews = JournalFailed | JournalRecovered
