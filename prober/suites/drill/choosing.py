"""By whose hand each fault of a drill is made here, or why it cannot be. Pure, but for the drivers it makes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from prober.config.fields import is_loopback
from prober.config.model import Config, DatabaseDrills, Environment, FaultCommands, RedisDrills
from prober.contract import Contract
from prober.daemon.assembly import database_addresses, redis_address
from prober.doctor.needs import tables
from prober.faults.behind_proxy import PROXY_FAULTS, ProxyFault, conditions_of
from prober.faults.command import CommandFault
from prober.faults.control_client import Control
from prober.faults.driver import Driver
from prober.faults.own_keys import LoadedKeys
from prober.faults.own_sessions import FullServer, HeldLocks, session_name
from prober.faults.owned import OWNED_FAULTS, DemoFault
from prober.outcome import DriverKind, FaultKind, Service
from prober.probes.synthetic import Mark
from prober.suites.drill.plan import Step, keys_of
from prober.suites.running import CouldNotRunError


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What the drivers of one drill have to know. `lasts` is how long the fault is wanted (seconds)."""

    service: Service
    run_id: str
    lasts: float
    scale: float


@dataclass(frozen=True, slots=True)
class Chosen:
    """One step with the driver that makes its fault."""

    step: Step
    driver: Driver

    @property
    def behind_proxy(self) -> bool:
        """Whether only who goes through the proxy sees the fault."""
        return self.driver.kind is DriverKind.PROXY


def check_place(config: Config, service: Service) -> None:
    """Refuse to break what is elsewhere, unless it is staging and the user names commands for it.

    Raises CouldNotRunError.
    """
    environment, drills = config.target.environment, _drills(config, service)
    if environment is Environment.PRODUCTION:
        raise CouldNotRunError("a drill never runs against production, whatever the flags")
    far = [f"{name} ({host})" for name, host in _hosts(config).items() if not is_loopback(host)]
    has_commands = any(isinstance(getattr(drills, key), FaultCommands) for key in type(drills).model_fields)
    if far and not (environment is Environment.STAGING and has_commands):
        raise CouldNotRunError(
            f"{', '.join(far)} is not on this machine; a drill breaks something elsewhere only where "
            f"target.environment is staging and drills.{service} names commands of yours"
        )


def choose(config: Config, contract: Contract, steps: tuple[Step, ...], wanted: Wanted) -> tuple[Chosen, ...]:
    """A driver for each step; CouldNotRunError where nobody here can make the fault."""
    chosen = []
    for step in steps:
        driver = next(
            (d for kind in step.kinds if (d := _driver(config, contract, kind, wanted)) is not None), None
        )
        if driver is None:
            kinds = " or ".join(step.kinds)
            raise CouldNotRunError(
                f"nobody here can make the fault {kinds} of {wanted.service}: name its commands in "
                f"drills.{wanted.service}.{step.kinds[0]} of the config, or point --config at `prober demo`"
            )
        chosen.append(Chosen(step, driver))
    return tuple(chosen)


def through_proxies(config: Config, service: Service) -> Config:
    """The config of one who goes to this service the way the target does: through our proxy."""
    proxy = _drills(config, service).proxy
    if proxy is None:
        return config
    probes = config.probes
    if service is Service.REDIS and probes.redis.url is not None:
        url = _moved(probes.redis.url.get_secret_value(), str(proxy.listen))
        redis = probes.redis.model_copy(update={"url": type(probes.redis.url)(url)})
        return config.model_copy(update={"probes": probes.model_copy(update={"redis": redis})})
    if service is Service.DATABASE and probes.database.dsn is not None:
        dsn = _moved(probes.database.dsn.get_secret_value(), str(proxy.listen))
        database = probes.database.model_copy(update={"dsn": type(probes.database.dsn)(dsn)})
        return config.model_copy(update={"probes": probes.model_copy(update={"database": database})})
    return config


def _moved(url: str, address: str) -> str:
    parts = urlsplit(url)
    login, at, _ = parts.netloc.rpartition("@")
    return parts._replace(netloc=f"{login}{at}{address}").geturl()


def _drills(config: Config, service: Service) -> RedisDrills | DatabaseDrills:
    return config.drills.redis if service is Service.REDIS else config.drills.database


def _hosts(config: Config) -> Mapping[str, str]:
    """Everything that is asked or broken, by what it is. A Unix socket is of this machine."""
    found = {"the target": urlsplit(config.target.url).hostname or ""}
    redis, database = config.probes.redis, config.probes.database
    if redis.enabled:
        address = redis_address(redis)
        if address.sentinels:
            found |= {f"sentinel {n}": host for n, (host, _) in enumerate(address.sentinels, 1)}
        elif address.unix_socket is None:
            found["Redis"] = address.host
    if database.enabled:
        for name, dsn in (("the database", database.dsn), ("the pooler", database.pooled_dsn)):
            host = None if dsn is None else urlsplit(dsn.get_secret_value()).hostname
            if host is not None:
                found[name] = host
    return found


def _driver(config: Config, contract: Contract, kind: FaultKind, wanted: Wanted) -> Driver | None:
    """Who makes this fault: commands of the user first, then servers of a demo, then a proxy of ours."""
    drills = _drills(config, wanted.service)
    if kind in (FaultKind.SESSIONS, FaultKind.LOCKS, FaultKind.KEYS):
        return _client(config, contract, kind, wanted)
    commands = getattr(drills, kind, None)
    if isinstance(commands, FaultCommands):
        return CommandFault(
            kind,
            wanted.service,
            inject=commands.inject,
            undo=commands.undo,
            check=drills.check,
            timeout=drills.command_timeout,
        )
    if kind in OWNED_FAULTS and config.drills.demo is not None:
        return DemoFault(kind, wanted.service, config.drills.demo)
    if kind in PROXY_FAULTS and drills.proxy is not None:
        latency, jitter = (drills.latency, drills.jitter) if isinstance(drills, RedisDrills) else (0.0, 0.0)
        conditions = conditions_of(kind, latency=latency, jitter=jitter)
        return ProxyFault(kind, wanted.service, drills.proxy.control, conditions)
    return None


def _client(config: Config, contract: Contract, kind: FaultKind, wanted: Wanted) -> Driver | None:
    if kind is FaultKind.KEYS:
        if not config.probes.redis.enabled:
            return None
        prefix = f"{Mark(config.instance).key_prefix}drill:{wanted.run_id}"
        count = keys_of(config.drills.redis.keys, wanted.scale)
        return LoadedKeys(redis_address(config.probes.redis), prefix, count)
    direct, pooled = database_addresses(config.probes.database)
    if not config.probes.database.enabled or (address := direct or pooled) is None:
        return None
    name, drills = session_name(config.instance, wanted.run_id), config.drills.database
    if kind is FaultKind.LOCKS:
        return HeldLocks(address, name, lasts=wanted.lasts, tables=written_tables(contract))
    shake = None
    if drills.proxy is not None:
        directory = drills.proxy.control

        async def shake() -> None:
            async with Control(directory) as control:
                await control.reset()

    return FullServer(address, name, lasts=wanted.lasts, most=drills.sessions, shake=shake)


def written_tables(contract: Contract) -> tuple[str, ...]:
    """The tables that a webhook writes: those from which its rows are removed."""
    found = [table for sql in contract.webhook.full.cleanup for table in tables(sql.query)]
    return tuple(dict.fromkeys(found))
