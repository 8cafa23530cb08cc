"""`python -m prober.demo.target`: starts the reference target and runs it until SIGTERM or Ctrl-C.

Prints one JSON line on stdout when it serves: `{"ready": true, "url": …, "control": …, "pid": …}`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import uvloop

from prober.demo.target.config import ConfigError, Settings, check, read_file
from prober.demo.target.control import ControlServer
from prober.demo.target.faults import FaultName, Switch
from prober.demo.target.fork_server import ForkServer
from prober.demo.target.forms import FormName
from prober.demo.target.parent import StartError, Target, create_schema
from prober.demo.target.worker import work

AUTH_TOKEN_VARIABLE = "TWILIO_AUTH_TOKEN"  # noqa: S105 - the name of a variable
BAD_CONFIG, CANNOT_RUN = 2, 3


def _arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m prober.demo.target", description=__doc__)
    parser.add_argument("--config", type=Path, help="settings as YAML or JSON; flags go before them")
    parser.add_argument("--dsn", help="database.dsn")
    parser.add_argument("--redis", help="redis.url")
    parser.add_argument("--public-url", help="public_url: what Twilio signs")
    parser.add_argument("--listen", help="HOST:PORT")
    parser.add_argument("--control", help="HOST:PORT of the control server")
    parser.add_argument("--data-dir", help="directory of the record")
    parser.add_argument("--workers", type=int)
    parser.add_argument("--pool-size", type=int, help="database.pool_size")
    parser.add_argument("--form", choices=list(FormName), help="names, answers and tables")
    parser.add_argument("--environment", choices=["production", "development"])
    parser.add_argument("--create-schema", action="store_true", default=None)
    parser.add_argument(
        "--fault", action="append", default=[], metavar="NAME[=JSON]", help=f"plant one of: {', '.join(FaultName)}"
    )
    parser.add_argument(
        "--switch-off", action="append", default=[], choices=list(Switch), metavar="NAME", help=", ".join(Switch)
    )
    return parser.parse_args(arguments)


def settings_from(arguments: list[str] | None) -> Settings:
    """Settings from the file, the flags, and the environment (the auth token). Raises ConfigError."""
    given = _arguments(arguments)
    data: dict[str, Any] = read_file(given.config) if given.config is not None else {}
    for section, key, value in (
        ("database", "dsn", given.dsn),
        ("database", "pool_size", given.pool_size),
        ("redis", "url", given.redis),
    ):
        if value is not None:
            data[section] = {**(data.get(section) or {}), key: value}
    for key in ("public_url", "listen", "control", "data_dir", "workers", "form", "environment", "create_schema"):
        if getattr(given, key) is not None:
            data[key] = getattr(given, key)
    if AUTH_TOKEN_VARIABLE in os.environ:
        data.setdefault("auth_token", os.environ[AUTH_TOKEN_VARIABLE])
    for fault in given.fault:
        name, _, parameters = fault.partition("=")
        try:
            data["faults"] = {**(data.get("faults") or {}), name: json.loads(parameters or "{}")}
        except ValueError:
            raise ConfigError(f"--fault {fault}: {parameters!r} is no JSON") from None
    for switch in given.switch_off:
        data["switches"] = {**(data.get("switches") or {}), switch: False}
    return check(data)


async def run(settings: Settings, fork_server: ForkServer) -> None:
    """Start, say so, wait for the end, stop. Raises StartError."""
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    if settings.create_schema:
        await create_schema(settings.database.dsn, settings.form)
    target = Target(settings, fork_server)
    control = ControlServer(target, settings.control)
    try:
        await target.start()
        where = {"ready": True, "url": target.url, "control": await control.start(), "pid": os.getpid()}
        print(json.dumps(where), flush=True)
        await ended.wait()
    finally:
        await control.stop()
        await target.stop()


def main(arguments: list[str] | None = None) -> int:
    """Run; the exit code is 0, 2 for bad settings, 3 when it could not start."""
    try:
        settings = settings_from(arguments)
        with ForkServer(work) as fork_server:
            uvloop.run(run(settings, fork_server))
    except ConfigError as error:
        print(error, file=sys.stderr)
        return BAD_CONFIG
    except StartError as error:
        print(f"the target cannot start: {error}", file=sys.stderr)
        return CANNOT_RUN
    return 0


if __name__ == "__main__":
    sys.exit(main())
