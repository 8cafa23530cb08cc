"""`prober doctor --setup`: makes what has to exist in the target's database before the first race."""

from __future__ import annotations

import sys
from pathlib import Path

import uvloop

from prober.cli import exits
from prober.cli.settings import read_settings
from prober.daemon.assembly import database_addresses
from prober.probes.database_outcome import database_failure
from prober.setup import set_up


def set_up_target(path: Path) -> int:
    """Create our schema and the contract's fixtures; running it again changes nothing."""
    settings = read_settings(path)
    if settings is None:
        return exits.BAD_USAGE
    config = settings.config
    direct, pooled = database_addresses(config.probes.database)
    address = direct or pooled
    if address is None:
        print("prober doctor: no database is configured (probes.database.dsn)", file=sys.stderr)
        return exits.BAD_USAGE
    vendors = config.probes.race.vendors
    try:
        uvloop.run(set_up(address, settings.contract, config.instance, vendors))
    except Exception as error:  # whatever a server does is named below
        print(f"prober doctor: {settings.redact(database_failure(error, str(address)).detail)}", file=sys.stderr)
        return exits.COULD_NOT_RUN
    print(f"made (or already there): schema prober, one synthetic retailer, {vendors} synthetic vendors")
    return exits.FINE
