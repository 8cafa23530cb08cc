"""The load suite on Locust, for more load than one machine can make: the same signed messages, the same marks.

    PROBER_CONFIG=config.yaml locust -f prober/suites/locust/locustfile.py --headless -u 500 -t 60s --master
    PROBER_CONFIG=config.yaml locust -f prober/suites/locust/locustfile.py --worker --master-host …
    prober load stress --from-locust prober-locust.json

Each worker has a run of its own, with a ledger of what it sends in the `data_dir` of its config. When the test
ends, the master writes PROBER_LOCUST_OUTPUT (default ./prober-locust.json); the third command makes results of it.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from locust import FastHttpUser, constant, events, task
from locust.runners import MasterRunner, WorkerRunner

from prober.config.problem import ConfigError
from prober.suites.locust.recorder import ForbiddenError, Recorder, write_portions

STOP_TIMEOUT = 10.0  # seconds for what is under way at the end: a request that was sent has to be counted
MESSAGE = "prober"
_REPORTS: dict[str, dict[str, Any]] = {}


class Retailer(FastHttpUser):
    """Sends one message after the other."""

    wait_time = constant(0)

    @task
    def message(self) -> None:
        """A message that nobody sent before."""
        recorder = _recorder(self.environment)
        ordinal, headers, content = recorder.next_message()
        self.client.post(
            recorder.path,
            data=content,
            headers=headers,
            name="webhook",
            context={"ordinal": ordinal},
        )


def _recorder(environment: Any) -> Recorder:
    found: Recorder = environment.prober_recorder
    return found


def _prepare(environment: Any, **_: Any) -> None:
    environment.stop_timeout = STOP_TIMEOUT
    if isinstance(environment.runner, MasterRunner):
        environment.runner.register_message(MESSAGE, _collect)
        return
    try:
        recorder = Recorder.of(Path(os.environ.get("PROBER_CONFIG", "config.yaml")))
    except (ForbiddenError, ConfigError) as error:
        sys.exit(f"locustfile: {error}")
    environment.prober_recorder = recorder
    Retailer.host = recorder.host


def _begin(environment: Any, **_: Any) -> None:
    if not isinstance(environment.runner, MasterRunner):
        _recorder(environment).begin()


def _answered(response_time: float, response: Any, exception: Any, context: Any, **_: Any) -> None:
    if Recorder.current is not None and "ordinal" in context:
        status = getattr(response, "status_code", 0) or 0
        Recorder.current.count(context["ordinal"], response_time / 1000, status, exception)


def _end(environment: Any, **_: Any) -> None:
    """All users of a worker have ended: the master waits for what is said now."""
    if isinstance(environment.runner, WorkerRunner):
        environment.runner.send_message(MESSAGE, _recorder(environment).document())


def _collect(environment: Any, msg: Any, **_: Any) -> None:  # noqa: ARG001 - called by name
    _REPORTS[msg.data["run_id"]] = msg.data


def _write(environment: Any, **_: Any) -> None:
    if isinstance(environment.runner, WorkerRunner):
        return
    portions = list(_REPORTS.values())
    if Recorder.current is not None:
        portions = [Recorder.current.document()]
    file = Path(os.environ.get("PROBER_LOCUST_OUTPUT", "prober-locust.json"))
    write_portions(file, portions)
    sys.stderr.write(f"prober: wrote {file}; `prober load SCENARIO --from-locust {file}` makes results of it\n")


_HOOKS: tuple[tuple[Any, Any], ...] = (
    (events.init, _prepare),
    (events.test_start, _begin),
    (events.request, _answered),
    (events.test_stop, _end),
    (events.quitting, _write),
)
for _hook, _listener in _HOOKS:
    _hook.add_listener(_listener)
