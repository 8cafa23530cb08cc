"""`prober doctor --setup`: shows what is missing in the target's database, and makes it where that is wanted."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path

import uvloop

from prober.cli import exits
from prober.cli.settings import Settings, read_settings
from prober.daemon.assembly import database_addresses
from prober.outcome import Outcome
from prober.probes.database_outcome import database_failure
from prober.probes.database_session import DatabaseAddress
from prober.setup import Item, Plan, plan_set_up, set_up

STATES = {True: "there", False: "missing", None: "perhaps there"}


def set_up_target(path: Path, *, as_json: bool, agreed: bool) -> int:
    """Print what is there and what is missing, with its SQL; make it if `agreed`, or if a person says y."""
    settings = read_settings(path)
    if settings is None:
        return exits.BAD_USAGE
    direct, pooled = database_addresses(settings.config.probes.database)
    address = direct or pooled
    if address is None:
        _complain("no database is configured (probes.database.dsn)")
        return exits.BAD_USAGE
    try:
        return _set_up(settings, address, as_json=as_json, agreed=agreed)
    except Exception as error:  # whatever a server does is named below
        _complain(settings.redact(_sentence(error, address)))
        return exits.COULD_NOT_RUN


def _set_up(settings: Settings, address: DatabaseAddress, *, as_json: bool, agreed: bool) -> int:
    config, contract = settings.config, settings.contract
    wanted = (address, contract, config.instance, config.probes.race.vendors)
    plan = uvloop.run(plan_set_up(*wanted))
    if not as_json:
        print("\n".join(_lines(plan)))
    make = bool(plan.to_make) and (agreed or (not as_json and _confirmed()))
    if make:
        uvloop.run(set_up(*wanted))
    if as_json:
        items = [asdict(item) | {"made": make and not item.there} for item in plan.items]
        print(json.dumps({"items": items, "made": make}, indent=2, ensure_ascii=False))
    else:
        print(_summary(plan, made=make))
    return exits.FINE


def _lines(plan: Plan) -> list[str]:
    lines = []
    for item in plan.items:
        lines.append(f"{STATES[item.there]:<13} {item.name}")
        if not item.there:
            lines += [f"    {line}" for line in item.sql.splitlines()]
    return lines


def _confirmed() -> bool:
    """Ask, where there is somebody to ask."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return False
    return input("make what is missing? [y/N] ").strip().lower() in ("y", "yes")


def _summary(plan: Plan, *, made: bool) -> str:
    if not plan.to_make:
        return "everything is there; nothing was made"
    if not made:
        return "nothing was made; --yes makes what is missing"
    return f"made: {', '.join(_names(plan.to_make))}"


def _names(items: tuple[Item, ...]) -> list[str]:
    return [item.name for item in items]


def _sentence(error: Exception, address: DatabaseAddress) -> str:
    failure = database_failure(error, str(address))
    if failure.outcome is Outcome.DENIED:
        return (
            f"{failure.detail}; run --setup as the owner of the target's tables, who may also create a schema "
            "(docs/deploying.md)"
        )
    return failure.detail


def _complain(text: str) -> None:
    print(f"prober doctor: {text}", file=sys.stderr)
