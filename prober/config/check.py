"""What `prober config check` and `prober config show` print, without the printing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, SecretStr

from prober.cap import race_requests
from prober.config.budget import webhook_budget
from prober.config.load import load_config
from prober.config.model import Config, Tls
from prober.config.problem import ConfigError
from prober.config.secret_files import SUFFIX
from prober.config.secrets import Redactor, readable_by_others, secrets_of
from prober.outcome import Mode

FINE, BAD_CONFIG = 0, 2


def check(
    path: Path, env: Mapping[str, str], then: Callable[[Config], object] | None = None
) -> tuple[list[str], int]:
    """Check the config at `path`: the lines to print and the exit code.

    `then` loads what the config refers to (the contract) and may raise ConfigError too.
    """
    redact = Redactor(())
    try:
        config = load_config(path, env)
        redact = Redactor(secrets_of(config))
        if then is not None:
            then(config)
    except ConfigError as error:
        count = len(error.problems)
        said = [redact(str(problem)) for problem in error.problems]
        return [*said, f"{path}: {count} problem{'s' * (count != 1)}"], BAD_CONFIG
    probes = [name for name in type(config.probes).model_fields if getattr(config.probes, name).enabled]
    lines = [
        f"{path}: fine",
        f"instance {config.instance} watches {config.target.environment} at {config.target.url}",
        f"probes: {', '.join(probes)}",
        f"webhook budget at worst: {webhook_budget(config).sums}",
        f"requests at most: {config.cap.requests}, {config.cap.burst} at once, {config.cap.in_flight} in flight",
    ]
    return [*lines, *(f"warning: {warning}" for warning in warnings(config))], FINE


def show(path: Path, env: Mapping[str, str]) -> str:
    """The effective config as YAML: defaults filled in, secrets masked. Raises ConfigError."""
    config = load_config(path, env)
    text = yaml.safe_dump(_shown(config), sort_keys=False, allow_unicode=True, width=110)
    return f"# Effective config of {path}: defaults filled in, secrets masked.\n{text}"


def warnings(config: Config) -> Iterator[str]:
    """What works but may not be meant, a sentence each."""
    target, webhook, database = config.target, config.probes.webhook, config.probes.database
    for file in dict.fromkeys(_secret_files(config)):
        if readable_by_others(file):
            yield f"{file} holds a secret and every user of this machine can read it; chmod o-r"
    tls: list[tuple[str, Tls | None]] = [("target", target.tls), ("probes.redis", config.probes.redis.tls)]
    for key, settings in tls:
        if settings and settings.insecure_skip_verify:
            yield f"{key}.tls.insecure_skip_verify is true: whoever is in between can read and answer"
    wanted, allowed = _wanted(config), config.cap.requests.count / config.cap.requests.per_seconds
    if wanted > allowed:
        yield (
            f"webhook and race ask for {wanted:.1f} requests a second, but cap.requests is {config.cap.requests}: "
            "runs will be skipped; raise their intervals, or the cap"
        )
    if database.enabled and database.dsn and target.app_role is None and target.app_name is None:
        yield (
            "db_connection_pool_usage is not observable: target.app_role or target.app_name tells which "
            "sessions are the application's"
        )
    if database.enabled and database.dsn is None:
        yield (
            "through a pooler alone the server itself is not observable: no db_connection_pool_usage, "
            "db_recovery_time_seconds, db_transaction_rollbacks_total, locks, lag or restarts, and a pooler hides "
            "the server's death for a while; give probes.database.dsn to see them"
        )
    if webhook.enabled and webhook.mode is Mode.FULL and not database.enabled:
        yield "loss and processing delay are not observable: probes.database is disabled"
    if webhook.enabled and target.environment.value == "production" and webhook.mode is Mode.FULL:
        yield f"mode full in production: the target replies to {webhook.from_number}, and Twilio charges for it"


def _wanted(config: Config) -> float:
    """What webhook and race ask for on average while all is well, in requests a second."""
    webhook, race = config.probes.webhook, config.probes.race
    wanted = 1 / webhook.interval if webhook.enabled else 0.0
    return wanted + (race_requests(race.vendors) / race.interval if race.enabled else 0.0)


def _secret_files(section: BaseModel) -> Iterator[Path]:
    """The files that secrets were read from, at any depth."""
    for name in type(section).model_fields:
        value = getattr(section, name)
        if isinstance(value, BaseModel):
            yield from _secret_files(value)
        elif isinstance(value, Path) and _is_secret_file(section, name):
            yield value


def _is_secret_file(section: BaseModel, name: str) -> bool:
    return name.endswith(SUFFIX) and isinstance(getattr(section, name.removesuffix(SUFFIX), None), SecretStr)


def _shown(section: BaseModel) -> dict[str, Any]:
    """A section as plain values. What is not set is left out, and so is a secret that came from a file."""
    shown: dict[str, Any] = {}
    plain = section.model_dump(mode="json")
    for name, info in type(section).model_fields.items():
        value = getattr(section, name)
        if value is None or (isinstance(value, SecretStr) and getattr(section, name + SUFFIX, None)):
            continue
        if isinstance(value, tuple) and any(isinstance(item, BaseModel) for item in value):
            shown[info.alias or name] = [_shown(item) for item in value]
        else:
            shown[info.alias or name] = _shown(value) if isinstance(value, BaseModel) else plain[name]
    return shown
