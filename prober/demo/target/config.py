"""Settings of the reference target: a JSON or YAML file, or flags; checked strictly before anything starts."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from prober.demo.target.faults import FaultName, Switch, parse_fault
from prober.demo.target.forms import FormName


class ConfigError(ValueError):
    """The settings are wrong; the text says which, what was found and what is allowed."""


class Section(BaseModel):
    """Every part of the settings: unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class DatabaseSettings(Section):
    """PostgreSQL. Times are seconds."""

    dsn: str
    pool_size: int = Field(default=10, ge=1, le=500)  # sessions of all worker processes together
    statement_cache_size: int = Field(default=100, ge=0)  # 0 behind PgBouncer in transaction mode
    connect_timeout: float = Field(default=0.5, gt=0)
    pool_timeout: float = Field(default=5.0, gt=0)  # of the wait for a session while all are busy
    timeout: float = Field(default=1.0, gt=0)  # of a webhook's statement, with durable_accept on
    routing_timeout: float = Field(default=5.0, gt=0)
    frozen_timeout: float = Field(default=15.0, gt=0)  # of everything that the deployed system waits for blindly


class RedisSettings(Section):
    """Redis. Times are seconds."""

    url: str
    timeout: float = Field(default=0.5, gt=0)


class RateLimitSettings(Section):
    """The limit of the webhook path, for each client address; 0 requests: no limit."""

    requests: int = Field(default=200, ge=0)
    window_seconds: float = Field(default=60.0, gt=0)


class QueueSettings(Section):
    """The workers of `bull:whatsapp-webhooks`. Times are seconds."""

    concurrency: int = Field(default=3, ge=1, le=100)  # jobs at once in each worker process
    lock_seconds: float = Field(default=10.0, gt=0)  # a job whose lock ran out is taken again
    stalled_interval: float = Field(default=1.0, gt=0)
    keep_completed: int = Field(default=1_000, ge=0)
    fallback_grace: float = Field(default=30.0, ge=0)  # a stored job this late is done without Redis


class BreakerSettings(Section):
    """The circuit breakers of both dependencies, one in each worker process."""

    failures: int = Field(default=5, ge=1)
    open_seconds: float = Field(default=0.5, gt=0)


class Settings(Section):
    """Everything the target needs to know."""

    database: DatabaseSettings
    redis: RedisSettings
    auth_token: str = Field(min_length=1, repr=False)
    form: FormName = FormName.DEPLOYED  # names, answers and tables
    public_url: str = "https://orders.example.test/api/v1/whatsapp/webhook"  # the URL that Twilio signs
    listen: str = "127.0.0.1:0"
    control: str = "127.0.0.1:0"
    data_dir: Path
    workers: int = Field(default=2, ge=1, le=32)
    environment: Literal["production", "development"] = "production"
    create_schema: bool = False
    jwt_secret: str | None = Field(default=None, repr=False)  # set: route-to-vendors wants a Bearer of role ADMIN
    rate_limit: RateLimitSettings = RateLimitSettings()
    queue: QueueSettings = QueueSettings()
    breaker: BreakerSettings = BreakerSettings()
    faults: dict[FaultName, dict[str, Any]] = Field(default_factory=dict)  # planted from the start
    switches: dict[Switch, bool] = Field(default_factory=dict)  # all on unless said here

    @field_validator("listen", "control")
    @classmethod
    def _is_an_address(cls, value: str) -> str:
        split_address(value)
        return value

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.database.pool_size < self.workers:
            raise ValueError(
                f"database.pool_size is {self.database.pool_size} for {self.workers} workers; "
                "each needs at least one session"
            )
        for name, parameters in self.faults.items():
            parse_fault(name, parameters)
        return self


def split_address(address: str) -> tuple[str, int]:
    """`HOST:PORT` → (host, port); raises ValueError."""
    host, colon, port = address.rpartition(":")
    if not colon or not host or not port.isdecimal() or int(port) > 65535:
        raise ValueError(f"{address!r} is no address; expected HOST:PORT, port 0 for a free one")
    return host.strip("[]"), int(port)


def read_file(path: Path) -> dict[str, Any]:
    """The contents of a settings file; JSON is YAML. Raises ConfigError."""
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{path} is neither YAML nor JSON: {error}") from None
    if not isinstance(data, dict):
        raise ConfigError(f"{path} holds a {type(data).__name__}; expected a mapping of settings")
    return data


def check(data: dict[str, Any]) -> Settings:
    """Settings from their raw form. Raises ConfigError naming every wrong key."""
    try:
        return Settings.model_validate(data)
    except ValidationError as error:
        problems = "\n".join(
            f"  {'.'.join(map(str, problem['loc'])) or 'settings'}: {problem['msg']}" for problem in error.errors()
        )
        raise ConfigError(f"settings of the target are wrong:\n{problems}") from None
