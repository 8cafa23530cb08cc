"""Reads what the shipped locustfile wrote, so that it gets the same verdict and report as our own engine."""

from __future__ import annotations

import json
from array import array
from collections import Counter
from pathlib import Path

from pydantic import ValidationError

from prober.suites.load.generator import Portion
from prober.suites.load.tally import Slot, Tally
from prober.suites.part import Part

LARGEST = 500_000_000


class _Slot(Part):
    begins_at: float
    sent: int
    accepted: int
    rejected: int
    failed: int
    micros: dict[int, int]


class _Portion(Part):
    run_id: str
    used: int
    seconds: float
    cpu_seconds: float
    slots: tuple[_Slot, ...]
    rejected: dict[str, int]
    failed: dict[str, int]
    details: dict[str, str]
    not_accepted: tuple[int, ...]


class _Document(Part):
    format: str
    version: int
    portions: tuple[_Portion, ...]


class LocustFileError(Exception):
    """A file that holds nothing of ours; the text says what was expected and what came."""


def read_locust(path: Path) -> list[Portion]:
    """What each worker did. Raises LocustFileError."""
    try:
        if path.stat().st_size > LARGEST:
            raise LocustFileError(f"{path}: larger than {LARGEST} bytes, which none of ours is")
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise LocustFileError(f"{path}: {error.strerror}") from None
    except (ValueError, RecursionError):
        raise LocustFileError(f"{path}: expected the JSON that prober's locustfile wrote") from None
    try:
        document = _Document.model_validate(found)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise LocustFileError(f"{path}: {place}: {first['msg']}") from None
    if (document.format, document.version) != ("prober-locust", 1):
        raise LocustFileError(f"{path}: expected format prober-locust, version 1")
    portions = [_portion(each) for each in document.portions if each.used]
    if not portions:
        raise LocustFileError(f"{path}: no worker sent anything")
    return portions


def _portion(found: _Portion) -> Portion:
    tally = Tally(
        slots=[_slot(each) for each in found.slots],
        rejected=Counter(found.rejected),
        failed=Counter(found.failed),
        details=dict(found.details),
    )
    refused = set(found.not_accepted)
    tally.ordinals = array("Q", (each for each in range(1, found.used + 1) if each not in refused))
    return Portion(
        run_id=found.run_id,
        warm_up=Tally(),
        warm_up_seconds=0.0,
        used=found.used,
        tally=tally,
        seconds=max(found.seconds, 0.001),
        in_time=tally.accepted,
        cpu_seconds=found.cpu_seconds,
    )


def _slot(found: _Slot) -> Slot:
    slot = Slot(found.begins_at)
    slot.sent, slot.accepted = found.sent, found.accepted
    slot.rejected, slot.failed = found.rejected, found.failed
    slot.micros = array("I", (value for value, count in found.micros.items() for _ in range(count)))
    return slot
