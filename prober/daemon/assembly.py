"""Makes probes out of a config and a contract: the one place where settings become objects that connect."""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import unquote, urlsplit

from prober.cap import Cap
from prober.config.budget import webhook_budget
from prober.config.document import Mark as Place
from prober.config.load import load_strict
from prober.config.model import Config, Database, Redis, Tls, Webhook
from prober.config.problem import ConfigError, Problem
from prober.contract import Contract, contract_path
from prober.daemon.watch import Watched
from prober.gate import Gate, Routes
from prober.http1 import Client, Endpoint, tls_context
from prober.judge.outage import Tracking
from prober.outcome import Mode, ProbeName
from prober.probes.base import Permission, Probe
from prober.probes.database import DatabaseProbe
from prober.probes.database_session import DatabaseAddress
from prober.probes.database_stats import AppPool
from prober.probes.database_tripwire import DatabaseTripwire
from prober.probes.health import HealthProbe
from prober.probes.marks import Marks, owner_of
from prober.probes.race import RaceProbe, RaceSettings
from prober.probes.redis import RedisProbe
from prober.probes.redis_session import RedisAddress
from prober.probes.redis_tripwire import RedisTripwire
from prober.probes.synthetic import NOBODYS_NUMBER, Mark
from prober.probes.webhook import WebhookProbe
from prober.probes.webhook_duplicate import DuplicateProbe
from prober.probes.webhook_message import Messages, WebhookSettings
from prober.probes.webhook_replay import ReplayProbe
from prober.probes.webhook_signature import SignatureProbe
from prober.probes.witness import Witness
from prober.result import AwaitedWebhook
from prober.schedule import Timing


@dataclass(frozen=True, slots=True, kw_only=True)
class Intentions:
    """Who is told what is about to exist, before it does."""

    webhook: Callable[[AwaitedWebhook], Awaitable[object]]
    order: Callable[[str, str], Awaitable[object]]  # run id, order id


@dataclass(frozen=True, slots=True, kw_only=True)
class Assembled:
    """Everything that watches one target. `witness` is None where no database is configured.

    All HTTP goes through `gate`; `routes` are the target's by this config, which the gate has to know by then.
    """

    watched: tuple[Watched, ...]
    gate: Gate
    routes: Routes
    witness: Witness | None
    marks: Marks | None  # where there is a witness

    async def close(self) -> None:
        """Give back every connection."""
        for watched in self.watched:
            await watched.probe.close()
        if self.witness is not None:
            await self.witness.close()


def load_contract(config: Config, base: Path) -> Contract:
    """Read the contract that the config names, with its overrides; ConfigError where it is not right."""
    path = contract_path(config.target.contract, base)
    contract = load_strict(path, Contract, overlay=config.target.contract_overrides)
    asked = len(contract.health.pages) + len(contract.health.routes)
    allowed = min(config.cap.burst, config.cap.in_flight)
    if config.probes.health.enabled and asked > allowed:
        message = (
            f"found {asked} pages and routes, which are asked at once, expected at most {allowed}; "
            "raise cap.burst and cap.in_flight in the config, or leave some out"
        )
        raise ConfigError([Problem(Place(str(path)), ("health",), message)])
    return contract


def make_gate(config: Config, contract: Contract) -> Gate:
    """The way to the target, within what the config allows."""
    budget = webhook_budget(config)
    return Gate(
        Cap(
            rate=config.cap.requests.count / config.cap.requests.per_seconds,
            burst=config.cap.burst,
            in_flight=config.cap.in_flight,
            webhook=budget.allowed,
            webhook_window=budget.limit.per_seconds,
        ),
        routes_of(config, contract),
    )


def routes_of(config: Config, contract: Contract) -> Routes:
    """Where the target's families of routes are."""
    prefix = Endpoint.parse(config.target.url).path
    accept = contract.race.accept.path
    return Routes(webhook=prefix + contract.webhook.path, routing=prefix + accept.partition("{")[0])


def assemble(
    config: Config,
    contract: Contract,
    intend: Intentions,
    permission: Permission,
    *,
    owner: str | None = None,
    before: Assembled | None = None,
) -> Assembled:
    """Make every probe that the config enables; each asks `permission` before it writes.

    `owner` is who marks what they make (default: this instance). In a reload `before` is what runs: its gate
    stays, with all that it has counted, and its witness and marks, which others ask meanwhile.
    """
    mark = Mark(config.instance)
    client = target_client(config)
    routes = routes_of(config, contract)
    if before is None:
        gate = make_gate(config, contract)
        witness = target_witness(config, permission)
        marks = None if witness is None else Marks(witness, owner or _owner(config))
    else:
        gate, witness, marks = before.gate, before.witness, before.marks
    watched = [
        *_webhook(config, contract, mark, client, marks, intend, permission),
        *_race(config, contract, mark, client, marks, intend, permission),
        *_redis(config, contract, permission),
        *_databases(config, permission),
        *_health(config, contract, mark, client, routes),
    ]
    return Assembled(watched=tuple(watched), gate=gate, routes=routes, witness=witness, marks=marks)


def _owner(config: Config) -> str:
    return owner_of(config.instance, config.election.name if config.election.enabled else None)


def target_client(config: Config) -> Client:
    """The client for every request to the target."""
    endpoint, tls = target_client_parts(config)
    return Client(endpoint, tls=tls)


def target_client_parts(config: Config) -> tuple[Endpoint, ssl.SSLContext | None]:
    """Where the target is, and how it is spoken to there in TLS."""
    endpoint = Endpoint.parse(config.target.url)
    if config.target.tls is not None:
        endpoint = replace(endpoint, server_name=config.target.tls.server_name)
    return endpoint, _tls(config.target.tls) if endpoint.tls else None


def _tls(tls: Tls | None) -> ssl.SSLContext:
    if tls is None:
        return tls_context()
    return tls_context(ca_file=tls.ca_file, verify=not tls.insecure_skip_verify)


def target_witness(config: Config, permission: Permission | None = None) -> Witness | None:
    """Who is asked for effects and races; None without a database."""
    address = witness_address(config)
    if address is None:
        return None
    return Witness(address, instance=config.instance, permission=permission, lease=config.election.name)


def witness_address(config: Config) -> DatabaseAddress | None:
    """Effects and races are asked for at the server itself, through the pooler only where that is the one way."""
    if not config.probes.database.enabled:
        return None
    direct, pooled = database_addresses(config.probes.database)
    return direct or pooled


def _webhook(
    config: Config,
    contract: Contract,
    mark: Mark,
    client: Client,
    marks: Marks | None,
    intend: Intentions,
    permission: Permission,
) -> list[Watched]:
    section = config.probes.webhook
    if not section.enabled:
        return []
    settings = WebhookSettings(
        mode=section.mode,
        public_url=config.target.public_url,
        auth_token=config.target.auth_token.get_secret_value(),
        account_sid=config.target.account_sid,
        from_number=section.from_number or NOBODYS_NUMBER,
        reuse_connection=section.reuse_connection,
        full_every=section.full_interval,
    )
    messages = Messages(contract.webhook, settings, mark, client.endpoint, marks)
    probe = WebhookProbe(messages, client, intend.webhook, permission)
    timing = Timing(
        interval=section.interval,
        timeout=section.timeout,
        jitter=section.jitter,
        down_interval=section.down_interval,
    )
    delivery = Watched(probe=probe, timing=timing, tracking=Tracking(probe=probe.name), demand=probe.demand)
    needs = _database_needed(config) if section.mode is Mode.NO_SIDE_EFFECTS else frozenset()
    return [delivery, *_webhook_checks(section, messages, client, intend, permission, needs)]


def _database_needed(config: Config) -> frozenset[ProbeName]:
    """The probe of the way on which we ask the database ourselves."""
    direct, _ = database_addresses(config.probes.database)
    return frozenset({ProbeName.DATABASE_POOLED if direct is None else ProbeName.DATABASE})


def _webhook_checks(
    section: Webhook,
    messages: Messages,
    client: Client,
    intend: Intentions,
    permission: Permission,
    needs: frozenset[ProbeName],
) -> Iterator[Watched]:
    """The rarer checks; without a claim, where one is wanted, none of them may send anything."""
    if section.mode is Mode.NO_SIDE_EFFECTS and not messages.claims:
        return
    checks: list[DuplicateProbe | SignatureProbe | ReplayProbe] = [
        DuplicateProbe(messages, client, intend.webhook, permission),
        SignatureProbe(messages, client, intend.webhook, permission),
    ]
    if messages.contract.replay is not None:
        checks.append(ReplayProbe(messages, messages.contract.replay, client, intend.webhook, permission))
    timing = Timing(interval=section.checks_interval, timeout=section.timeout, jitter=section.checks_interval / 10)
    for check in checks:
        yield Watched(probe=check, timing=timing, demand=check.demand, only_writes=True, needs=needs)


def _race(
    config: Config,
    contract: Contract,
    mark: Mark,
    client: Client,
    marks: Marks | None,
    intend: Intentions,
    permission: Permission,
) -> list[Watched]:
    section = config.probes.race
    if not section.enabled or marks is None:
        return []
    token = config.target.bearer_token
    settings = RaceSettings(
        vendors=section.vendors,
        bearer_token=None if token is None else token.get_secret_value(),
        split_every=section.split_order_interval,
    )
    probe = RaceProbe(contract.race, settings, mark, client, marks, intend.order, permission)
    return [
        Watched(
            probe=probe,
            timing=Timing(interval=section.interval, timeout=section.timeout, jitter=section.jitter),
            demand=probe.demand,
            only_writes=True,
            needs=_database_needed(config),
        )
    ]


def _redis(config: Config, contract: Contract, permission: Permission) -> list[Watched]:
    section = config.probes.redis
    if not section.enabled:
        return []
    address = redis_address(section)
    probe = RedisProbe(
        address,
        instance=config.instance,
        queues=contract.queues.names,
        queue_prefix=contract.queues.prefix,
        details_every=section.details_interval,
        permission=permission,
    )
    tripwire = RedisTripwire(address, instance=config.instance, connect_timeout=section.timeout)
    return [
        Watched(
            probe=probe,
            timing=_fast(section),
            tracking=Tracking(probe=probe.name),
            tripwire=tripwire,
            details_interval=section.details_interval,
        )
    ]


def _databases(config: Config, permission: Permission) -> list[Watched]:
    section, target = config.probes.database, config.target
    if not section.enabled:
        return []
    direct, pooled = database_addresses(section)
    pool = AppPool(
        role=target.app_role,
        application_name=target.app_name,
        size=target.pool_size,
        instances=target.app_instances,
    )
    watched = []
    for address in (direct, pooled):
        if address is None:
            continue
        probe: Probe = DatabaseProbe(
            address,
            instance=config.instance,
            pool=pool,
            details_every=section.details_interval,
            permission=permission,
            lease=config.election.name,
        )
        tripwire = None
        if not address.pooled:
            tripwire = DatabaseTripwire(address, instance=config.instance, connect_timeout=section.timeout)
        watched.append(
            Watched(
                probe=probe,
                timing=_fast(section),
                tracking=Tracking(probe=probe.name),
                tripwire=tripwire,
                details_interval=section.details_interval,
            )
        )
    return watched


def _health(config: Config, contract: Contract, mark: Mark, client: Client, routes: Routes) -> list[Watched]:
    section = config.probes.health
    if not section.enabled:
        return []
    timing = Timing(interval=section.interval, timeout=section.timeout, jitter=section.jitter)
    probe = HealthProbe(contract.health, mark, client)
    return [Watched(probe=probe, timing=timing, demand=routes.demand(probe.targets), divisible=True)]


def _fast(section: Redis | Database) -> Timing:
    return Timing(
        interval=section.interval,
        timeout=section.timeout,
        jitter=section.jitter,
        down_interval=section.down_interval,
    )


def database_addresses(section: Database) -> tuple[DatabaseAddress | None, DatabaseAddress | None]:
    """The server itself, and the way through the pooler; None for what is not configured."""
    password = None if section.password is None else section.password.get_secret_value()
    direct = pooled = None
    if section.dsn is not None:
        direct = DatabaseAddress(dsn=section.dsn.get_secret_value(), password=password)
    if section.pooled_dsn is not None:
        pooled = DatabaseAddress(dsn=section.pooled_dsn.get_secret_value(), password=password, pooled=True)
    return direct, pooled


def redis_address(section: Redis) -> RedisAddress:
    """Where Redis is, from a URL (redis://, rediss://, unix://) or through Sentinel."""
    password = None if section.password is None else section.password.get_secret_value()
    server_name = None if section.tls is None else section.tls.server_name
    if section.sentinel is not None:
        sentinel = section.sentinel
        tls = None if section.tls is None else _tls(section.tls)
        return RedisAddress(
            db=sentinel.db,
            username=section.username,
            password=password,
            tls=tls,
            tls_server_name=server_name,
            sentinels=tuple((address.host, address.port) for address in sentinel.hosts),
            sentinel_master=sentinel.service,
            sentinel_username=sentinel.username,
            sentinel_password=None if sentinel.password is None else sentinel.password.get_secret_value(),
            sentinel_tls=tls,
        )
    parts = urlsplit("" if section.url is None else section.url.get_secret_value())
    secure = parts.scheme == "rediss"
    path = parts.path.strip("/")
    return RedisAddress(
        host=parts.hostname or "127.0.0.1",
        port=parts.port or 6379,
        unix_socket=parts.path if parts.scheme == "unix" else None,
        db=int(path) if path.isdigit() and parts.scheme != "unix" else 0,
        username=section.username or (unquote(parts.username) if parts.username else None),
        password=password or (unquote(parts.password) if parts.password else None),
        tls=_tls(section.tls) if secure else None,
        tls_server_name=server_name,
    )
