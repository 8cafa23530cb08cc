"""The combinations of settings that cannot work together, each with a sentence that says why and what to do.

Pure: a config whose single values are all right goes in, the faults come out.
"""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from prober.cap import race_requests
from prober.config.budget import webhook_budget
from prober.config.document import Path, dotted
from prober.config.fault import Fault
from prober.config.fields import is_loopback
from prober.config.model import (
    Config,
    Database,
    Environment,
    Health,
    MaintenanceWindow,
    Race,
    Redis,
    Tls,
    Webhook,
)
from prober.config.scheduled import suite_faults
from prober.config.secrets import SecretUrl, url_passwords
from prober.config.units import format_duration
from prober.judge.loss import LOOKED_FOR
from prober.judge.sweep import BESIDE_TIMEOUT
from prober.maintenance import check_cron
from prober.outcome import Mode

MOST_INTERVALS_HUNG = 10


def impossible(config: Config) -> list[Fault]:
    """Every impossible combination in `config`; none of a probe that is not enabled."""
    probes = config.probes
    faults = [
        *_target(config),
        *_lifetimes(config),
        *_budget(config),
        *_maintenance(config),
        *_election(config),
        *_drills(config),
    ]
    faults += suite_faults(config)
    enabled = [(name, getattr(probes, name)) for name in type(probes).model_fields]
    enabled = [(name, probe) for name, probe in enabled if probe.enabled]
    if not enabled:
        faults.append(Fault(("probes",), "every probe is disabled; enable at least one"))
    for name, probe in enabled:
        faults += _timing(("probes", name), probe)
    if probes.database.enabled:
        faults += _orphans(config)
    if probes.webhook.enabled:
        faults += _webhook(config)
    if probes.race.enabled:
        faults += _race(config)
    if probes.redis.enabled:
        faults += _redis(probes.redis)
    if probes.database.enabled:
        faults += _database(probes.database)
    return faults


def _timing(path: Path, probe: Webhook | Race | Redis | Database | Health) -> Iterator[Fault]:
    interval = format_duration(probe.interval)
    if probe.jitter > probe.interval / 2:
        yield Fault(
            (*path, "jitter"),
            f"found {format_duration(probe.jitter)}, expected at most half of the interval ({interval})",
        )
    if probe.timeout > MOST_INTERVALS_HUNG * probe.interval:
        yield Fault(
            (*path, "timeout"),
            f"found {format_duration(probe.timeout)}, expected at most {MOST_INTERVALS_HUNG} intervals "
            f"({format_duration(MOST_INTERVALS_HUNG * probe.interval)}): one hanging answer would hide them all",
        )
    down = getattr(probe, "down_interval", None)
    if down is not None and down > probe.interval:
        yield Fault(
            (*path, "down_interval"),
            f"found {format_duration(down)}, expected at most the interval ({interval}): a service that is "
            "down is probed more often, not less",
        )
    details = getattr(probe, "details_interval", None)
    if details is not None and details < probe.interval:
        yield Fault(
            (*path, "details_interval"),
            f"found {format_duration(details)}, expected at least the interval ({interval}): details are "
            "asked for in a run",
        )


def _target(config: Config) -> Iterator[Fault]:
    target = config.target
    if target.tls and urlsplit(target.url).scheme == "http":
        yield Fault(
            ("target", "tls"), "found TLS settings, but target.url is http://; write https:// or remove them"
        )
    yield from _tls(("target", "tls"), target.tls)


def _tls(path: Path, tls: Tls | None) -> Iterator[Fault]:
    if tls and tls.insecure_skip_verify and tls.ca_file:
        yield Fault(
            (*path, "insecure_skip_verify"),
            "found true beside ca_file: without verification no authority is asked; keep one of them",
        )


def _lifetimes(config: Config) -> Iterator[Fault]:
    retention = config.journal.retention
    for key, hold, why in (
        ("outages.recovery_hold", config.outages.recovery_hold, "recovery times are restored from the journal"),
        ("violations.violation_hold", config.violations.violation_hold, "what pages must still have its evidence"),
    ):
        if retention < hold:
            yield Fault(
                ("journal", "retention"),
                f"found {format_duration(retention)}, expected at least {key} ({format_duration(hold)}): {why}",
            )


def _orphans(config: Config) -> Iterator[Fault]:
    """Who still needs a thing must have done with it before others may take it for an orphan."""
    webhook, race, orphan_age = config.probes.webhook, config.probes.race, config.cleanup.orphan_age
    needed = []
    if webhook.enabled:
        why = "so long may a message be followed: timeout, processing_deadline, and 10m more when it is lost"
        needed.append((webhook.timeout + webhook.processing_deadline + LOOKED_FOR, why))
    if race.enabled:
        needed.append((race.timeout + BESIDE_TIMEOUT, "so long may a race take: its timeout, and 1m more"))
    for least, why in needed:
        if orphan_age <= least:
            yield Fault(
                ("cleanup", "orphan_age"),
                f"found {format_duration(orphan_age)}, expected more than {format_duration(least)}: {why}",
            )
            return


def _webhook(config: Config) -> Iterator[Fault]:
    webhook, path = config.probes.webhook, ("probes", "webhook")
    if webhook.mode is Mode.FULL and webhook.from_number is None:
        yield Fault(
            (*path, "from_number"),
            "missing; mode full needs a WhatsApp number that is yours (+977…), because the target "
            "replies to it; or use mode no_side_effects",
        )
    if webhook.full_interval is not None and webhook.from_number is None:
        yield Fault(
            (*path, "full_interval"),
            "found without from_number; a message in full needs a WhatsApp number that is yours (+977…), because "
            "the target replies to it",
        )
    if webhook.full_interval is not None and webhook.mode is Mode.FULL:
        yield Fault(
            (*path, "full_interval"),
            "found beside mode full, where every message is in full; remove it, or use mode no_side_effects",
        )
    if webhook.mode is Mode.NO_SIDE_EFFECTS and not config.probes.database.enabled:
        yield Fault(
            (*path, "mode"),
            "no_side_effects claims each message in the database before it is sent, but probes.database is "
            "disabled; enable it, or use mode full with a from_number",
        )


def _budget(config: Config) -> Iterator[Fault]:
    budget = webhook_budget(config)
    if not budget.fits:
        yield Fault(
            budget.largest.key,
            f"too many requests to the webhook: {budget.sums}; raise "
            f"{' or '.join(dotted(term.key) for term in budget.terms)}, or correct target.rate_limit",
        )


def _election(config: Config) -> Iterator[Fault]:
    if not config.election.enabled:
        return
    database = config.probes.database
    if database.enabled and database.dsn is None:
        yield Fault(
            ("election", "enabled"),
            "the lease of an election is kept at the server itself, but there is only a pooled_dsn; give "
            "probes.database.dsn, or run one replica without election",
        )
    elif not database.enabled:
        yield Fault(
            ("election", "enabled"),
            "the lease of an election is a row in the target's database, but probes.database is disabled; enable "
            "it, or run one replica without election",
        )


def _race(config: Config) -> Iterator[Fault]:
    race, path = config.probes.race, ("probes", "race")
    if not config.probes.database.enabled:
        yield Fault(
            (*path, "enabled"),
            "a race makes its order in the database and asks it who won, but probes.database is disabled; "
            "enable it, or write probes.race.enabled: false",
        )
    if race.max_unjudged >= race.win_rate_window:
        yield Fault(
            (*path, "max_unjudged"),
            f"found {race.max_unjudged}, expected less than win_rate_window ({race.win_rate_window}): "
            "a window in which no race was judged says nothing",
        )
    yield from _race_in_cap(config)


def _race_in_cap(config: Config) -> Iterator[Fault]:
    vendors, cap = config.probes.race.vendors, config.cap
    needed = race_requests(vendors)
    for key, allowed in (("burst", cap.burst), ("in_flight", cap.in_flight)):
        if needed <= allowed:
            continue
        why = f"a race of {vendors} vendors asks {needed} times: warming up, two heats, and what comes after"
        if key in cap.model_fields_set:
            path: Path = ("cap", key)
            wanted = f"found {allowed}, expected at least {needed} for probes.race.vendors {vendors}"
        else:
            path = ("probes", "race", "vendors")
            most = max(n for n in range(vendors) if race_requests(n) <= allowed or n == 0)
            wanted = f"found {vendors}, expected at most {most} with cap.{key} {allowed}"
        yield Fault(path, f"{wanted}: {why}; raise cap.{key}, or lower probes.race.vendors")


def _maintenance(config: Config) -> Iterator[Fault]:
    for number, window in enumerate(config.maintenance):
        yield from _window(("maintenance", number), window)


def _window(path: Path, window: MaintenanceWindow) -> Iterator[Fault]:
    recurring = {"cron": window.cron, "duration": window.duration}
    once = {"from": window.begins, "to": window.ends}
    given = {key for key, value in (recurring | once).items() if value is not None}
    if given not in (set(recurring), set(once)):
        found = f"found {' and '.join(sorted(given))}" if given else "found neither"
        yield Fault(path, f"{found}, expected cron and duration (a recurring window), or from and to (one window)")
    elif window.cron is not None and window.duration is not None:
        try:
            check_cron(window.cron, window.timezone, window.duration)
        except ValueError as error:
            yield Fault((*path, "cron"), str(error))
    elif window.begins is not None and window.ends is not None and window.ends <= window.begins:
        yield Fault((*path, "to"), "found a moment that is not after from; expected the end of the window")


def _drills(config: Config) -> Iterator[Fault]:
    drills, environment = config.drills, config.target.environment
    if drills.demo is not None and environment is not Environment.DEMO:
        yield Fault(
            ("drills", "demo"),
            f"found the servers of a demo in environment {environment}; expected environment demo, or commands",
        )
    if drills.redis.jitter > drills.redis.latency:
        yield Fault(
            ("drills", "redis", "jitter"),
            f"found {format_duration(drills.redis.jitter)}, expected at most the latency "
            f"({format_duration(drills.redis.latency)}): nothing arrives before it was sent",
        )
    for name, service in (("redis", drills.redis), ("database", drills.database)):
        if service.proxy is not None and not is_loopback(service.proxy.listen.host):
            yield Fault(
                ("drills", name, "proxy", "listen"),
                "found an address that is not of this machine; our proxy listens on 127.0.0.1 or [::1] alone",
            )


def _redis(redis: Redis) -> Iterator[Fault]:
    path: Path = ("probes", "redis")
    if (redis.url is None) == (redis.sentinel is None):
        found = "found neither url nor sentinel" if redis.url is None else "found both url and sentinel"
        yield Fault(path, f"{found}, expected one of them; to leave Redis out write probes.redis.enabled: false")
        return
    if redis.url is not None:
        parts = urlsplit(redis.url.get_secret_value())
        if redis.tls and parts.scheme != "rediss":
            yield Fault(
                (*path, "tls"),
                f"found TLS settings, but the url is {parts.scheme}://; write rediss:// or remove them",
            )
        if redis.username and parts.username:
            yield Fault((*path, "username"), "given twice, in the url and as username; keep one of them")
    yield from _password_twice(path, redis, "url")
    yield from _tls((*path, "tls"), redis.tls)


def _database(database: Database) -> Iterator[Fault]:
    path: Path = ("probes", "database")
    if database.dsn is None and database.pooled_dsn is None:
        yield Fault(
            (*path, "dsn"),
            "missing; expected postgresql://user@host:5432/database of the server itself (not of a pooler); "
            "to leave PostgreSQL out write probes.database.enabled: false",
        )
    elif database.dsn == database.pooled_dsn:
        yield Fault(
            (*path, "pooled_dsn"),
            "found the same address as dsn; expected that of the pooler, or no pooled_dsn",
        )
    yield from _password_twice(path, database, "dsn")
    yield from _password_twice(path, database, "pooled_dsn")


def _password_twice(path: Path, probe: Redis | Database, key: str) -> Iterator[Fault]:
    url: SecretUrl | None = getattr(probe, key)
    if probe.password is None or url is None or not url_passwords(url.get_secret_value()):
        return
    given = "password_file" if probe.password_file else "password"
    yield Fault((*path, given), f"given twice, in {key} and as {given}; keep one of them")
