"""The config as a value: every key, its type, its bounds and its default. Times are seconds, sizes bytes.

Text from a file becomes a `Config` only through `prober.config.load`, which also refuses impossible
combinations (`prober.config.combinations`).
"""

from __future__ import annotations

import re
import socket
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from prober.config.calendar import Moment, Zone
from prober.config.document import Document, OverlayField
from prober.config.fields import (
    AccountSid,
    Address,
    AddressField,
    BaseUrl,
    FilePath,
    InstanceName,
    Lenient,
    Name,
    PhoneNumber,
    PostgresDsn,
    RedisUrl,
    SecretField,
    fault,
)
from prober.config.units import Duration, Rate, RateField, Size, at_least, span
from prober.outcome import Mode, Suite

DEFAULT_DATA_DIR = Path("prober-data")


class Environment(StrEnum):
    """Where the target stands; it decides what may be done to it (SPEC 4)."""

    PRODUCTION = "production"
    STAGING = "staging"
    DEMO = "demo"


class Section(BaseModel):
    """A mapping of the config: frozen, strict about types and about unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


def _tenth(values: Mapping[str, Any]) -> float:
    """The default jitter: a tenth of the interval, in whole milliseconds."""
    return int(values.get("interval", 0.0) * 100) / 1000


def _host_name() -> str:
    """This machine's name as an instance name."""
    name = re.sub(r"[^a-z0-9-]+", "-", socket.gethostname().lower()).strip("-")
    return name[:32] or "prober"


class Log(Section):
    """The log on stderr. `auto` is console on a terminal and JSON elsewhere."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "json", "console"] = "auto"


class Tls(Section):
    """How the server's certificate is checked; `ca_file` replaces the system's authorities."""

    ca_file: FilePath | None = None
    server_name: Name | None = None
    insecure_skip_verify: bool = False


class Target(Section):
    """The system that is watched."""

    environment: Annotated[Environment, Lenient]
    url: BaseUrl  # where requests go
    public_url: BaseUrl = Field(default_factory=lambda values: values.get("url", ""))  # what Twilio signs
    contract: Name = "whatsapp-ordering-system"  # a shipped contract, or the path of a file
    contract_overrides: OverlayField = Document("contract_overrides")
    account_sid: AccountSid
    auth_token: SecretField  # filled in by the loader from `auth_token_file` where that is given
    auth_token_file: FilePath | None = None
    bearer_token: SecretField | None = None
    bearer_token_file: FilePath | None = None
    tls: Tls | None = None
    rate_limit: RateField = Rate(200, 60.0)  # the target's own, per client
    pool_size: Annotated[int, Field(ge=1, le=10_000)] = 10  # connections of one application instance
    app_instances: Annotated[int, Field(ge=1, le=1_000)] = 1
    app_role: Name | None = None  # how the application's sessions are known in pg_stat_activity
    app_name: Name | None = None


class Webhook(Section):
    """Synthetic messages to the webhook."""

    enabled: bool = True
    interval: Annotated[Duration, span("100ms", "1h")] = 10.0
    timeout: Annotated[Duration, span("10ms", "2m")] = 10.0
    jitter: Duration = Field(default_factory=_tenth)
    down_interval: Annotated[Duration, span("100ms", "1h")] = 1.0
    # The loader's default follows the environment: `full` in demo, `no_side_effects` elsewhere.
    mode: Annotated[Mode, Lenient] = Mode.NO_SIDE_EFFECTS
    processing_deadline: Annotated[Duration, span("1s", "1h")] = 60.0
    from_number: PhoneNumber | None = None
    full_interval: Annotated[Duration, span("1s", "1d")] | None = None  # messages in mode full beside the others
    checks_interval: Annotated[Duration, span("1s", "1d")] = 300.0  # duplicates, signatures, replays
    reuse_connection: bool = False


class Race(Section):
    """Synthetic vendors that accept one synthetic order at once."""

    enabled: bool = True
    interval: Annotated[Duration, span("100ms", "1d")] = 60.0
    timeout: Annotated[Duration, span("10ms", "2m")] = 10.0
    jitter: Duration = Field(default_factory=_tenth)
    vendors: Annotated[int, Field(ge=2, le=50)] = 5
    win_rate_window: Annotated[int, Field(ge=1, le=100_000)] = 100  # races
    max_unjudged: Annotated[int, Field(ge=0)] = 10  # races of the window without a verdict
    split_order_interval: Annotated[Duration, span("1s", "1d")] = 900.0  # second routings of one order


class Sentinel(Section):
    """The sentinels that know where the Redis of `service` is; user and password are those of the sentinels."""

    hosts: Annotated[tuple[AddressField, ...], Field(strict=False, min_length=1, max_length=16)]
    service: Name
    db: Annotated[int, Field(ge=0, le=65_535)] = 0
    username: Name | None = None
    password: SecretField | None = None
    password_file: FilePath | None = None


class Redis(Section):
    """The Redis of the target: by `url`, or through `sentinel`."""

    enabled: bool = True
    url: RedisUrl | None = None
    sentinel: Sentinel | None = None
    username: Name | None = None
    password: SecretField | None = None
    password_file: FilePath | None = None
    tls: Tls | None = None  # with `sentinel`: TLS to the sentinels and to Redis
    interval: Annotated[Duration, span("10ms", "1h")] = 1.0
    timeout: Annotated[Duration, span("10ms", "1m")] = 1.0
    jitter: Duration = Field(default_factory=_tenth)
    down_interval: Annotated[Duration, span("10ms", "1h")] = 0.02
    details_interval: Annotated[Duration, span("10ms", "1h")] = 10.0  # INFO and the backlog


class Database(Section):
    """The PostgreSQL of the target: `dsn` to the server itself, `pooled_dsn` the way the application takes."""

    enabled: bool = True
    dsn: PostgresDsn | None = None
    pooled_dsn: PostgresDsn | None = None
    password: SecretField | None = None  # of both
    password_file: FilePath | None = None
    interval: Annotated[Duration, span("10ms", "1h")] = 1.0
    timeout: Annotated[Duration, span("10ms", "1m")] = 2.0
    jitter: Duration = Field(default_factory=_tenth)
    down_interval: Annotated[Duration, span("10ms", "1h")] = 0.02
    details_interval: Annotated[Duration, span("10ms", "1h")] = 10.0  # statistics, locks, lag


class Health(Section):
    """The health pages and routes of the contract."""

    enabled: bool = True
    interval: Annotated[Duration, span("1s", "1h")] = 30.0
    timeout: Annotated[Duration, span("10ms", "1m")] = 5.0
    jitter: Duration = Field(default_factory=_tenth)


class Probes(Section):
    """Each probe's own settings; a probe that is not wanted says `enabled: false`."""

    webhook: Webhook = Webhook()
    race: Race = Race()
    redis: Redis = Redis()
    database: Database = Database()
    health: Health = Health()


class Web(Section):
    """What the HTTP side may do besides being read."""

    reload: bool = False  # POST /-/reload


def _gentle(rate: Rate) -> Rate:
    if not 1 / 60 <= rate.count / rate.per_seconds <= 100:
        raise fault("expected a rate from 1/1m to 100/1s")
    return rate


class Cap(Section):
    """What all probes together may ask of the target over HTTP; the bounds hold whatever the config says."""

    requests: Annotated[RateField, AfterValidator(_gentle)] = Rate(10, 1.0)
    burst: Annotated[int, Field(ge=1, le=200)] = 20
    in_flight: Annotated[int, Field(ge=1, le=256)] = 64


class Pause(Section):
    """No writes until then."""

    until: Moment
    reason: Annotated[str, Field(max_length=500)] = ""


class MaintenanceWindow(Section):
    """A time without writes: `cron` and `duration`, or `from` and `to`."""

    cron: Name | None = None
    duration: Annotated[Duration, span("1m", "7d")] | None = None
    timezone: Zone = "UTC"
    begins: Annotated[Moment | None, Field(alias="from")] = None
    ends: Annotated[Moment | None, Field(alias="to")] = None
    reason: Annotated[str, Field(max_length=500)] = ""


class Outages(Section):
    """When an outage is over, and how long its length stays visible."""

    recovery_successes: Annotated[int, Field(ge=1, le=1_000)] = 3
    recovery_hold: Annotated[Duration, span("1s", "7d")] = 600.0


class Violations(Section):
    """How long a violation pages."""

    violation_hold: Annotated[Duration, span("1m", "30d")] = 4 * 3600.0  # after it was last seen


def _word(value: object) -> object:
    """`enabled` and `disabled` for a boolean."""
    return {"enabled": True, "disabled": False}.get(value, value) if isinstance(value, str) else value


def _short_form(value: object) -> object:
    """`election: enabled` for `election: {enabled: true}`."""
    if not isinstance(value, str):
        return value
    if value not in ("enabled", "disabled"):
        raise fault("expected enabled, disabled, or a mapping (keys: enabled, lease, name)")
    return {"enabled": value}


class Election(Section):
    """Several replicas, of which the one that holds the lease in PostgreSQL writes."""

    enabled: Annotated[bool, BeforeValidator(_word)] = False
    lease: Annotated[Duration, span("2s", "5m")] = 15.0
    name: Name = "default"  # replicas of one name share one lease


class Journal(Section):
    """How much evidence is kept."""

    retention: Annotated[Duration, span("1h")] = 30 * 86_400.0
    max_size: Annotated[Size, at_least("1MB")] = 500_000_000


class Cleanup(Section):
    """When what a lost prober has left, of any instance, is removed."""

    orphan_age: Annotated[Duration, span("1m", "30d")] = 900.0


Argv = Annotated[tuple[Name, ...], Field(strict=False, min_length=1, max_length=64)]
"""A command and its arguments, run as they are and not by a shell."""


class FaultCommands(Section):
    """The command that makes a fault, and the one that undoes it."""

    inject: Argv
    undo: Argv


class DrillProxy(Section):
    """A TCP proxy of ours (`python -m prober.faults.proxy`) on the target's way to the service."""

    control: FilePath  # the directory of its control socket
    listen: AddressField  # where the target connects to


class RedisDrills(Section):
    """How the Redis of the target is broken; a fault without a command is made another way, or not at all."""

    stop: FaultCommands | None = None
    kill: FaultCommands | None = None
    freeze: FaultCommands | None = None
    refuse: FaultCommands | None = None
    slow: FaultCommands | None = None
    check: Argv | None = None  # succeeds when the service is well
    command_timeout: Annotated[Duration, span("1s", "10m")] = 60.0
    proxy: DrillProxy | None = None
    latency: Annotated[Duration, span("1ms", "1m")] = 0.3  # that our proxy adds to each answer, for `slow`
    jitter: Annotated[Duration, span("0ms", "1m")] = 0.1
    keys: Annotated[int, Field(ge=0, le=5_000_000)] = 200_000  # of ours, to be loaded in `recovery`


class DatabaseDrills(Section):
    """How the PostgreSQL of the target is broken."""

    stop: FaultCommands | None = None
    kill: FaultCommands | None = None
    check: Argv | None = None
    command_timeout: Annotated[Duration, span("1s", "10m")] = 60.0
    proxy: DrillProxy | None = None
    sessions: Annotated[int, Field(ge=1, le=5_000)] = 1_000  # at most so many of ours, to fill the server


class Drills(Section):
    """Who makes the faults of a drill; never used in production."""

    demo: FilePath | None = None  # the directory of a `prober demo`, whose servers may be broken
    redis: RedisDrills = RedisDrills()
    database: DatabaseDrills = DatabaseDrills()


class ScheduledSuite(Section):
    """One suite that the calendar asks for. `rate` and `duration` are of load and drills, `races` of races."""

    cron: Name
    timezone: Zone = "UTC"
    suite: Annotated[Suite, Lenient]
    scenario: Name
    races: Annotated[int, Field(ge=1, le=100_000)] | None = None
    rate: RateField | None = None
    duration: Annotated[Duration, span("1s", "1d")] | None = None


class Suites(Section):
    """The suites that the daemon runs by itself."""

    schedule: Annotated[tuple[ScheduledSuite, ...], Field(strict=False, max_length=20)] = ()


class Config(Section):
    """The whole file."""

    instance: InstanceName = Field(default_factory=_host_name, validate_default=True)
    data_dir: FilePath = Field(default=DEFAULT_DATA_DIR, validate_default=True)
    listen: AddressField = Address("127.0.0.1", 9877)  # PROBER_LISTEN overrides
    web_config: FilePath | None = None
    web: Web = Web()
    shutdown_timeout: Annotated[Duration, span("100ms", "10m")] = 10.0
    log: Log = Log()
    target: Target
    probes: Probes = Probes()
    outages: Outages = Outages()
    violations: Violations = Violations()
    cleanup: Cleanup = Cleanup()
    journal: Journal = Journal()
    cap: Cap = Cap()
    pause: Pause | None = None
    maintenance: Annotated[tuple[MaintenanceWindow, ...], Field(strict=False, max_length=20)] = ()
    election: Annotated[Election, BeforeValidator(_short_form)] = Election()
    drills: Drills = Drills()
    suites: Suites = Suites()

    @model_validator(mode="before")
    @classmethod
    def _mode_follows_environment(cls, raw: Any) -> Any:
        """Give the webhook probe the mode that its environment allows without asking."""
        try:
            if raw["target"]["environment"] != Environment.DEMO:
                return raw
            probes = raw.get("probes", {})
            webhook = {"mode": Mode.FULL.value, **probes.get("webhook", {})}
        except (TypeError, KeyError, AttributeError):
            return raw  # not the shape of a config; the fields below say so
        return raw | {"probes": probes | {"webhook": webhook}}
