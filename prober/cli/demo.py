"""`prober demo`: a whole stack of its own, the daemon watching it, and what it sees in words."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
import time
from pathlib import Path
from typing import Any

from prober.alerts.alertmanager import WATCHDOG
from prober.cli import exits
from prober.config.fields import Address, parse_address
from prober.config.units import Rate, parse_rate
from prober.demo import story
from prober.demo.alerting import Alerting
from prober.demo.pager import Notified, page_text
from prober.demo.process import Owner, ServerError
from prober.demo.stack import FORMS, Stack
from prober.demo.target.control_client import ControlClient
from prober.demo.target.faults import FaultName
from prober.publish.journal.reader import Reader, UnreadableError

_MISSING = "not installed here, so nobody is told; on Debian: apt-get install {}"
TELL_EVERY = 5.0  # seconds
# How long after the end of the daemon's own patience it is killed.
STOP_TIMEOUT = 30.0


def demo(given: argparse.Namespace) -> int:
    """Run the demo to its end; the exit code says whether there was a violation."""
    known = [fault.value for fault in FaultName]
    for fault in given.faults:
        if fault not in known:
            _complain(f"no such fault: {fault!r}; there are {', '.join(known)}")
            return exits.BAD_USAGE
    if given.contract not in FORMS:
        _complain(f"no such contract: {given.contract!r}; there are {', '.join(FORMS)}")
        return exits.BAD_USAGE
    listen = None
    if given.listen is not None:
        try:
            listen = parse_address(given.listen)
        except ValueError as error:
            _complain(f"--listen {given.listen}: {error}")
            return exits.BAD_USAGE
    limit = None
    if given.rate_limit is not None:
        try:
            limit = parse_rate(given.rate_limit)
        except ValueError as error:
            _complain(f"--rate-limit {given.rate_limit}: {error}")
            return exits.BAD_USAGE
    return asyncio.run(_demo(given, listen, limit))


async def _demo(given: argparse.Namespace, listen: Address | None, limit: Rate | None) -> int:
    stopping = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    try:
        async with Owner() as owner:
            directory = _directory(owner, given.data_dir)
            stack = Stack(
                owner=owner,
                directory=directory,
                contract=given.contract,
                listen=listen,
                drillable=True,
                target_settings=_limiting(limit),
                target_config={} if limit is None else {"rate_limit": str(limit)},
                progress=_progress,
            )
            run = asyncio.create_task(_run(stack, given, stopping))
            stopped = asyncio.create_task(stopping.wait())
            await asyncio.wait([run, stopped], return_when=asyncio.FIRST_COMPLETED)
            if not run.done() and not stack.watcher.running:
                # Told to stop while still starting: there is nothing to tell.
                run.cancel()
                await asyncio.wait([run])
                return exits.FINE
            return await run
    except ServerError as error:
        _complain(str(error))
        return exits.COULD_NOT_RUN


def _limiting(limit: Rate | None) -> dict[str, Any]:
    """The target's settings for another rate limit than the deployed one."""
    if limit is None:
        return {}
    return {"rate_limit": {"requests": limit.count, "window_seconds": limit.per_seconds}}


def _directory(owner: Owner, wanted: Path | None) -> Path:
    if wanted is None:
        return owner.directory
    wanted.mkdir(parents=True, exist_ok=True)
    return wanted.resolve()


async def _run(stack: Stack, given: argparse.Namespace, stopping: asyncio.Event) -> int:
    began = time.time()
    await stack.start_services()
    await stack.start_watcher()
    alerting = None if given.no_prometheus else await stack.start_alerting(_tell_page)
    _announce(stack, alerting, wanted=not given.no_prometheus)
    async with ControlClient(stack.target.control_url) as control:
        for fault in given.faults:
            await control.plant(fault)
            _progress(f"planted {fault}")
    print(f"ready {stack.watcher.url}", flush=True)
    reader = Reader(stack.data_dir)
    await _tell(reader, stack, given.duration, stopping)
    _progress("stopping")
    if alerting is not None:
        await alerting.stop()
    await stack.stop_drills()
    await stack.watcher.stop(STOP_TIMEOUT)
    seen = story.look(reader, began)
    print(story.summary(seen), flush=True)
    return exits.VIOLATION if seen.violations else exits.FINE


async def _tell(reader: Reader, stack: Stack, duration: float | None, stopping: asyncio.Event) -> None:
    """Say every few seconds what is seen, until it is time to stop."""
    end = None if duration is None else time.monotonic() + duration
    since = time.time()
    while not stopping.is_set():
        left = TELL_EVERY if end is None else min(TELL_EVERY, end - time.monotonic())
        if left <= 0:
            return
        try:
            async with asyncio.timeout(left):
                await stopping.wait()
        except TimeoutError:
            if not stack.watcher.running:
                raise ServerError(f"the prober has ended:\n{stack.watcher.log_tail()}") from None
            now = time.time()
            try:
                print(story.line(story.look(reader, since), time.strftime("%H:%M:%S")), flush=True)
            except UnreadableError as error:
                _complain(str(error))
            since = now


def _tell_page(notified: Notified) -> None:
    """Print what on-call gets. The watchdog is heard all the time and says nothing."""
    if notified.receiver != WATCHDOG:
        print(page_text(notified, time.strftime("%H:%M:%S")), flush=True)


def _announce(stack: Stack, alerting: Alerting | None, *, wanted: bool) -> None:
    _progress(f"config      {stack.config_file}")
    _progress(f"target      {stack.target.url}  (faults: {stack.target.control_url}/faults)")
    _progress(f"drills      prober drill redis|db SCENARIO --config {stack.config_file}")
    _progress(f"metrics     {stack.watcher.url}/metrics")
    if alerting is not None:
        _progress(f"Prometheus  {alerting.prometheus.url}/alerts")
        manager = alerting.alertmanager
        _progress(
            f"pages       {manager.url if manager is not None else _MISSING.format('prometheus-alertmanager')}"
        )
    elif wanted:
        _progress(f"Prometheus  {_MISSING.format('prometheus prometheus-alertmanager')}")


def _progress(text: str) -> None:
    print(f"  {text}", flush=True)


def _complain(text: str) -> None:
    print(f"prober demo: {text}", file=sys.stderr, flush=True)
