"""What another config changes, and which of that a running prober can follow. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from pydantic import BaseModel, SecretStr

from prober.config.document import Path, dotted
from prober.config.model import Config, Database, Redis
from prober.config.secrets import SecretUrl
from prober.contract import Contract
from prober.outcome import ProbeName
from prober.sql import Sql
from prober.web.settings import WebSettings

# What is built once: its keys, or whole sections, with the reason. Everything else a reload takes up.
FIXED: Mapping[Path, str] = {
    ("instance",): "it marks everything of ours in the target",
    ("data_dir",): "the journal is open there",
    ("listen",): "it is bound",
    ("log", "format"): "both processes write it",
    ("probes", "database", "enabled"): "messages and orders under way are looked for there",
    ("target", "rate_limit"): "what was sent within its window is counted by it",
    ("cap",): "what was sent and is in flight is counted by it",
    ("pause",): "`prober pause` and `prober resume` do it while running",
    ("maintenance",): "its windows are known from the start; `prober pause` holds writes back at once",
    ("election",): "the replicas have agreed on it",
    ("cleanup",): "messages that wait were promised that age",
}
_STATEMENTS = "messages and orders under way are looked for and removed by the statements that made them"
_RESTART = "cannot change while running; restart the prober, or put it back"
_ABSENT = "not set"


@dataclass(frozen=True, slots=True)
class Running:
    """What a prober runs by."""

    config: Config
    contract: Contract
    web: WebSettings


@dataclass(frozen=True, slots=True)
class Change:
    """One key that has another value; no secret is in `before` and `after`."""

    key: str
    before: str
    after: str

    def __str__(self) -> str:
        if self.before == self.after:
            return f"{self.key}: another value"
        return f"{self.key}: {self.before} → {self.after}"


def changes(before: Running, after: Running) -> list[Change]:
    """Every key of config, contract and `web_config` that has another value, in the order of the files."""
    found = [
        Change(dotted(path), _shown(before.config, path), _shown(after.config, path))
        for path in _differing(before.config, after.config)
    ]
    found += [Change(f"contract.{dotted(path)}", "", "") for path in _differing(before.contract, after.contract)]
    return found + [Change(f"web_config.{key}", "", "") for key in _differing_web(before.web, after.web)]


def refusals(before: Running, after: Running) -> list[str]:
    """Why a running prober cannot go over from the one to the other, a sentence each; none: it can."""
    differing = _differing(before.config, after.config)
    found = [
        f"{dotted(path)}: {_RESTART} ({why})"
        for fixed, why in FIXED.items()
        for path in differing
        if path[: len(fixed)] == fixed
    ]
    if _witness_place(before.config) != _witness_place(after.config):
        key = "probes.database.dsn"
        why = "names another server or database than the one where messages and orders under way are looked for"
        found.append(f"{key}: {why}; that {_RESTART}")
    statements = [
        path
        for path in _differing(before.contract, after.contract)
        if any(_has_statements(leaves(one).get(path)) for one in (before.contract, after.contract))
    ]
    found += [f"contract.{dotted(path)}: {_RESTART} ({_STATEMENTS})" for path in statements]
    if before.web.tls != after.web.tls:
        found.append(f"web_config.tls_server_config: {_RESTART} (renewed certificates are taken up without)")
    return found


def elsewhere(before: Config, after: Config) -> frozenset[ProbeName]:
    """The probes that ask another server by `after`: it is not the one before, restarted."""
    old, new = _places(before), _places(after)
    return frozenset(name for name in old if old[name] != new[name])


def _places(config: Config) -> dict[ProbeName, str | None]:
    probes = config.probes
    return {
        ProbeName.REDIS: _redis_place(probes.redis),
        ProbeName.DATABASE: _place(probes.database.dsn),
        ProbeName.DATABASE_POOLED: _place(probes.database.pooled_dsn),
    }


def leaves(model: BaseModel, path: Path = ()) -> dict[Path, object]:
    """The values of a model by path, those of its sections among them; a section that is not there has none."""
    found: dict[Path, object] = {}
    for name, info in type(model).model_fields.items():
        value, key = getattr(model, name), (*path, info.alias or name)
        if isinstance(value, BaseModel):
            found |= leaves(value, key)
        else:
            found[key] = value
    return found


def _differing(before: BaseModel, after: BaseModel) -> list[Path]:
    old, new = leaves(before), leaves(after)
    return [path for path in old | new if old.get(path) != new.get(path)]


def _differing_web(before: WebSettings, after: WebSettings) -> Iterator[str]:
    if before.tls != after.tls:
        yield "tls_server_config"
    if before.users != after.users:
        yield "basic_auth_users"
    if before.headers != after.headers:
        yield "http_server_config.headers"


def _shown(config: Config, path: Path) -> str:
    """A value as people write it, a secret as its mask."""
    value: object = config.model_dump(mode="json")
    for part in path:
        value = value.get(str(part)) if isinstance(value, Mapping) else None
    if value is None:
        return _ABSENT
    return str(value).lower() if isinstance(value, bool) else str(value)


def _has_statements(value: object) -> bool:
    return isinstance(value, Sql) or (isinstance(value, tuple) and any(isinstance(one, Sql) for one in value))


def _witness_place(config: Config) -> str | None:
    database: Database = config.probes.database
    return _place(database.dsn or database.pooled_dsn) if database.enabled else None


def _redis_place(redis: Redis) -> str | None:
    sentinel = redis.sentinel
    if sentinel is None:
        return _place(redis.url)
    # Which of the sentinels is asked does not change whom they name.
    return f"{sentinel.service}/{sentinel.db}"


def _place(url: SecretUrl | SecretStr | None) -> str | None:
    """The server and the database of a URL, without who logs in."""
    if url is None:
        return None
    parts = urlsplit(url.get_secret_value())
    hosts = parts.netloc.rpartition("@")[2].lower()
    asked = sorted(one for one in parts.query.split("&") if one.partition("=")[0] in _PLACING)
    return "/".join((hosts, parts.path.strip("/"), *asked))


_PLACING = frozenset({"host", "port", "dbname", "database"})
