"""The contract with the target as data: paths, headers, signature, what means won and lost, SQL, queues.

Contracts ship as `prober/contracts/*.yaml`; a path names one of the user's own. The models here say what
such a file may hold, and the pure functions below read answers by it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from prober.outcome import Claim, ProbeName

SHIPPED = Path(__file__).parent / "contracts"

Status = int


class _Part(BaseModel):
    """Frozen, and strict about unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", ignored_types=(cached_property,))


_PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")
_PARAMETER = re.compile(r"(?<![:\w]):([a-z_]+)")


class Sql(_Part):
    """One statement with `:name` parameters, and the same with `$1` ones for the driver."""

    text: str

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        return {"text": value} if isinstance(value, str) else value

    @cached_property
    def parameters(self) -> tuple[str, ...]:
        """The names in the order of their first use."""
        return tuple(dict.fromkeys(_PARAMETER.findall(self.text)))

    @cached_property
    def query(self) -> str:
        """The statement as PostgreSQL wants it: `:name` as `$n`, casts (`::text`) untouched."""
        index = {name: f"${n}" for n, name in enumerate(self.parameters, 1)}
        return _PARAMETER.sub(lambda found: index[found[1]], self.text)

    def arguments(self, values: Mapping[str, object]) -> list[object]:
        """Pick the parameters from `values`; KeyError if the contract asks for one that does not exist."""
        return [values[name] for name in self.parameters]


def _known_parameters(known: frozenset[str], *statements: Sql) -> None:
    for statement in statements:
        for name in statement.parameters:
            if name not in known:
                raise ValueError(f"unknown parameter :{name}; known here: {', '.join(sorted(known))}")


class Match(_Part):
    """What an answer has to be: one of these statuses, and these values at these places of its JSON body."""

    status: tuple[Status, ...]
    # "json" is what the file says; pydantic's own method of that name must not be hidden
    body: Mapping[str, str | bool | int] = Field(default_factory=dict, alias="json")

    def fits(self, code: int, document: object) -> bool:
        """Whether an answer with this status and this parsed body (None when it is no JSON) fits."""
        return code in self.status and all(
            _at(document, path) == wanted and type(_at(document, path)) is type(wanted)
            for path, wanted in self.body.items()
        )


class AnswerRule(Match):
    """An answer that means `claim` for the vendor that got it."""

    claim: Literal[Claim.WON, Claim.LOST, Claim.ALREADY_WON, Claim.REFUSED]


class Signature(_Part):
    """How a webhook is signed."""

    scheme: Literal["twilio-form"]
    header: str


class PathCheck(_Part):
    """The check without side effect: a badly signed message, and the statuses that mean it was refused."""

    refused: tuple[Status, ...]


WEBHOOK_FIELDS = frozenset({"from_number", "body", "message_sid", "account_sid"})
WEBHOOK_SQL = frozenset({"message_sid", "message_sids", "bodies", "from_number"})


class Claimed(_Part):
    """Mode `no_side_effects`: the claim before, the effect after, and the removal of its row."""

    claim: Sql
    effect: Sql
    cleanup: tuple[Sql, ...]

    @model_validator(mode="after")
    def _parameters(self) -> Claimed:
        _known_parameters(WEBHOOK_SQL, self.claim, self.effect, *self.cleanup)
        return self


class Full(_Part):
    """Mode `full`: the effect of a message that was processed like a real one, and the removal of its rows."""

    effect: Sql
    cleanup: tuple[Sql, ...]

    @model_validator(mode="after")
    def _parameters(self) -> Full:
        _known_parameters(WEBHOOK_SQL, self.effect, *self.cleanup)
        return self


class Webhook(_Part):
    """How a message is delivered and where its effect is seen."""

    path: str
    headers: Mapping[str, str] = Field(default_factory=dict)
    signature: Signature
    form: Mapping[str, str]
    accepted: tuple[Status, ...]
    path_check: PathCheck
    claimed: Claimed | None = None
    full: Full

    @field_validator("form")
    @classmethod
    def _placeholders(cls, form: Mapping[str, str]) -> Mapping[str, str]:
        _known_placeholders(WEBHOOK_FIELDS, form.values())
        return form


RACE_FIELDS = frozenset({"routing_id", "order_id", "vendor_id"})
RACE_SQL = frozenset({"order_id", "routing_id", "retailer_id", "vendor_ids"})


class Accept(_Part):
    """The request with which a vendor accepts."""

    path: str
    headers: Mapping[str, str] = Field(default_factory=dict)
    idempotency_header: str | None = None
    body: Mapping[str, str] = Field(default_factory=dict, alias="json")

    @model_validator(mode="after")
    def _placeholders(self) -> Accept:
        _known_placeholders(RACE_FIELDS, [self.path, *self.body.values()])
        return self


class Race(_Part):
    """How an order is offered to synthetic vendors, accepted, witnessed and removed."""

    fixtures: tuple[Sql, ...]
    create: tuple[Sql, ...]
    accept: Accept
    answers: tuple[AnswerRule, ...]
    rows: Sql
    cleanup: tuple[Sql, ...]
    leftovers: Sql

    @model_validator(mode="after")
    def _parameters(self) -> Race:
        _known_parameters(RACE_SQL, *self.fixtures, *self.create, self.rows, *self.cleanup, self.leftovers)
        return self

    def read(self, code: int, body: bytes) -> Claim:
        """Say what a vendor was told by this answer."""
        if code == 429:
            return Claim.RATE_LIMITED
        if code >= 500:
            return Claim.FAILED
        document = parsed(body)
        for rule in self.answers:
            if rule.fits(code, document):
                return Claim(rule.claim)
        return Claim.UNREADABLE


class Queues(_Part):
    """The queues whose backlog is watched, in BullMQ's key layout."""

    prefix: str = "bull"
    names: tuple[str, ...]


class HealthPage(_Part):
    """A page on which the target speaks about itself; `covers` are the services whose death it must admit."""

    path: str
    healthy: Match
    covers: tuple[Literal[ProbeName.DATABASE, ProbeName.REDIS], ...]


class Route(_Part):
    """A route of the contract, asked without a side effect."""

    name: str
    method: Literal["GET", "POST", "OPTIONS", "HEAD"]
    path: str
    body: Mapping[str, str] | None = Field(default=None, alias="json")
    missing: tuple[Status, ...]


class Health(_Part):
    """The health pages and the routes to look for."""

    pages: tuple[HealthPage, ...]
    headers: Mapping[str, str] = Field(default_factory=dict)
    routes: tuple[Route, ...]


class Contract(_Part):
    """Everything the prober has to know of its target."""

    name: str
    webhook: Webhook
    race: Race
    queues: Queues
    health: Health


def fill(template: str, values: Mapping[str, str]) -> str:
    """Put `values` in place of `{name}`; other braces stay as they are."""
    return _PLACEHOLDER.sub(lambda found: values[found[1]], template)


def parsed(body: bytes) -> object:
    """Parse a JSON body; None when it is none, however deep or long the nonsense in it."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def contract_path(name: str, base: Path) -> Path:
    """Find the file of a contract: a shipped name, or a path (relative to `base`, the config's folder)."""
    shipped = SHIPPED / f"{name}.yaml"
    if shipped.is_file() and "/" not in name:
        return shipped
    return base / name


def shipped_names() -> list[str]:
    """The contracts that come with prober."""
    return sorted(file.stem for file in SHIPPED.glob("*.yaml"))


def _at(document: object, path: str) -> object:
    for key in path.split("."):
        if not isinstance(document, dict):
            return None
        document = document.get(key)
    return document


def _known_placeholders(known: frozenset[str], templates: Sequence[str] | Any) -> None:
    for template in templates:
        for name in _PLACEHOLDER.findall(template):
            if name not in known:
                allowed = ", ".join(f"{{{k}}}" for k in sorted(known))
                raise ValueError(f"unknown placeholder {{{name}}}; known here: {allowed}")
