"""Makes the driver of a fault that the ledger names: to undo what somebody else has made."""

from __future__ import annotations

from pathlib import Path

from prober.config.model import Config
from prober.daemon.assembly import database_addresses, redis_address
from prober.faults.behind_proxy import ProxyFault
from prober.faults.command import CommandFault
from prober.faults.driver import Driver
from prober.faults.ledger import Entry, LedgerError
from prober.faults.own_keys import LoadedKeys
from prober.faults.own_sessions import FullServer, HeldLocks
from prober.faults.owned import DemoFault
from prober.outcome import DriverKind, FaultKind
from prober.probes.synthetic import PREFIX


def driver_of(entry: Entry, config: Config) -> Driver:
    """The driver that can undo this; LedgerError for an entry that is none of ours."""
    try:
        return _made(entry, config)
    except (KeyError, TypeError, ValueError) as error:
        raise LedgerError(
            f"fault {entry.id} ({entry.sentence}) cannot be read: {error}; see that {entry.service} is well, then "
            "remove its file"
        ) from None


def _made(entry: Entry, config: Config) -> Driver:
    how = entry.how
    match entry.driver:
        case DriverKind.DEMO:
            return DemoFault(entry.fault, entry.service, Path(how["directory"]))
        case DriverKind.PROXY:
            return ProxyFault(entry.fault, entry.service, Path(how["directory"]), {})
        case DriverKind.COMMANDS:
            return CommandFault(
                entry.fault,
                entry.service,
                inject=[str(word) for word in how["inject"]],
                undo=[str(word) for word in how["undo"]],
                check=None if how["check"] is None else [str(word) for word in how["check"]],
                timeout=float(how["timeout"]),
            )
    return _client(entry, config)


def _client(entry: Entry, config: Config) -> Driver:
    if entry.fault is FaultKind.KEYS:
        prefix = str(entry.how["prefix"])
        if not prefix.startswith(f"{PREFIX}:"):
            raise ValueError(f"{prefix} is not the beginning of keys of ours")
        return LoadedKeys(redis_address(config.probes.redis), prefix, int(entry.how["count"]))
    direct, pooled = database_addresses(config.probes.database)
    address = direct or pooled
    if address is None:
        raise ValueError("no database is configured (probes.database)")
    name = str(entry.how["application_name"])
    if entry.fault is FaultKind.LOCKS:
        return HeldLocks(address, name, lasts=0.0, tables=())
    return FullServer(address, name, lasts=0.0, most=0)
