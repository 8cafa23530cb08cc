"""What one Locust worker sends and counts, in the same form as our own engine."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

from prober.config.model import Environment
from prober.daemon.assembly import target_client_parts
from prober.daemon.settings import Settings, load_settings
from prober.http1.errors import explain
from prober.outcome import Mode, Suite
from prober.probes.synthetic import NOBODYS_NUMBER, Mark, new_run_id
from prober.suites.ledger import Ledger
from prober.suites.load.messages import Ids, Sender
from prober.suites.load.tally import kind_of, micros
from prober.suites.running import refusal

FORMAT = "prober-locust"
# So many ordinals are reserved at a time: each is a write that waits for the disk.
BLOCK = 5_000


class ForbiddenError(Exception):
    """It must not be run here; the text says why."""


class Recorder:
    """The messages and the counts of one worker; the one of this process is `current`."""

    current: ClassVar[Recorder | None] = None

    def __init__(self, settings: Settings) -> None:
        config, contract = settings.config, settings.contract
        endpoint, _ = target_client_parts(config)
        self.host = str(endpoint)
        self.path = contract.webhook.path
        self.run_id = new_run_id(time.time())
        number = config.probes.webhook.from_number or NOBODYS_NUMBER
        self._ids = Ids(Mark(config.instance), self.run_id)
        self._sender = Sender(
            contract=contract.webhook,
            endpoint=endpoint,
            public_url=config.target.public_url,
            auth_token=config.target.auth_token.get_secret_value(),
            account_sid=config.target.account_sid,
            from_number=number,
        )
        self._accepted = frozenset(contract.webhook.accepted)
        self._ledger = Ledger(
            config.data_dir,
            instance=config.instance,
            run_id=self.run_id,
            mode=config.probes.webhook.mode,
            from_number=number,
        )
        self._reserved = self._used = 0
        self._began = self._sent_last = self._cpu = 0.0
        self._slots: list[dict[str, Any]] = []
        self._rejected: dict[str, int] = {}
        self._failed: dict[str, int] = {}
        self._details: dict[str, str] = {}
        self._not_accepted: list[int] = []

    @classmethod
    def of(cls, config: Path) -> Self:
        """Make the one of this process. ForbiddenError in production, and in a mode that claims its messages."""
        settings = load_settings(config, os.environ)
        refused = refusal(Suite.WEBHOOK_LOAD, Environment(settings.config.target.environment))
        if refused is not None:
            raise ForbiddenError(refused)
        if settings.config.probes.webhook.mode is not Mode.FULL:
            raise ForbiddenError("Locust cannot claim messages: it needs probes.webhook.mode: full")
        made = cls(settings)
        Recorder.current = made
        return made

    def begin(self) -> None:
        """The test begins now."""
        self._began, self._cpu = time.monotonic(), time.process_time()

    def next_message(self) -> tuple[int, dict[str, str], str]:
        """An ordinal, the headers and the body of its message."""
        if self._used == self._reserved:
            self._ledger.reserve(self._reserved + BLOCK)
            self._reserved += BLOCK
        self._used += 1
        ordinal = self._used
        self._slot()["sent"] += 1
        self._sent_last = time.monotonic()
        headers, content = self._sender.headers(self._ids, ordinal), self._sender.content(self._ids, ordinal)
        return ordinal, dict(headers), content.decode()

    def count(self, ordinal: int, seconds: float, status: int, error: BaseException | None) -> None:
        """Count what came of a message; `status` 0: no answer, for `error`."""
        slot = self._slot()
        if status in self._accepted:
            slot["accepted"] += 1
            taken = str(_three_digits(micros(seconds)))
            slot["micros"][taken] = slot["micros"].get(taken, 0) + 1
            return
        self._not_accepted.append(ordinal)
        if status:
            kind, is_failure = kind_of(status)
            detail = f"answered {status}"
        else:
            failure = explain(error if error is not None else OSError("no answer"), "sending a message")
            kind, is_failure, detail = failure.outcome.value, True, failure.detail
        counts, what = (self._failed, "failed") if is_failure else (self._rejected, "rejected")
        counts[kind] = counts.get(kind, 0) + 1
        slot[what] += 1
        self._details.setdefault(kind, detail)

    def document(self) -> dict[str, Any]:
        """All of it until now."""
        return {
            "run_id": self.run_id,
            "used": self._used,
            "seconds": max(self._sent_last - self._began, 0.0),
            "cpu_seconds": time.process_time() - self._cpu if self._began else 0.0,
            "slots": self._slots,
            "rejected": self._rejected,
            "failed": self._failed,
            "details": self._details,
            "not_accepted": self._not_accepted,
        }

    def _slot(self) -> dict[str, Any]:
        index = int(time.monotonic() - self._began)
        while len(self._slots) <= index:
            begins = float(len(self._slots))
            self._slots.append(
                {"begins_at": begins, "sent": 0, "accepted": 0, "rejected": 0, "failed": 0, "micros": {}}
            )
        return self._slots[index]


def _three_digits(value: int) -> int:
    """Three significant digits, as the histogram keeps them: a report holds thousands of figures, not millions."""
    unit: int = 10 ** max(len(str(value)) - 3, 0)
    return round(value / unit) * unit


def write_portions(file: Path, portions: Sequence[Mapping[str, Any]]) -> None:
    """Write what all workers did, as a whole or not at all. OSError if it cannot be written."""
    document = {"format": FORMAT, "version": 1, "portions": list(portions)}
    new = file.with_name(f".{file.name}.{os.getpid()}")
    new.write_text(json.dumps(document) + "\n", encoding="utf-8")
    new.replace(file)
