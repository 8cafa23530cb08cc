"""The contract with the target as data: paths, headers, signature, what means won and lost, SQL, queues.

What may stand in a single value is in `fields` and `sql_fields`, how an answer is read in `answers`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from prober.contract.answers import AnswerRule, Match, parsed
from prober.contract.fields import (
    ConstantPath,
    HeaderName,
    Headers,
    Int,
    Part,
    RequestPath,
    Some,
    Statuses,
    filled,
    http_status,
)
from prober.contract.sql_fields import (
    ClaimSql,
    CreateSql,
    EffectSql,
    FixtureSql,
    MessageCleanupSql,
    OrderCleanupSql,
    PresentSql,
    RowsSql,
)
from prober.outcome import Claim, Mode, ProbeName


class Signature(Part):
    """How a webhook is signed."""

    scheme: Literal["twilio-form"]
    header: HeaderName


class Replay(Part):
    """Replay protection: the header that tells when a message was sent, and how an old or repeated one is refused.

    `too_old` in seconds. Without this section replays are not checked.
    """

    header: HeaderName
    too_old: Annotated[Int, Field(ge=1, le=86_400)]
    refused: Annotated[tuple[Annotated[Int, http_status(400, 499, 404, 429)], ...], Some]


class PathCheck(Part):
    """The check without side effect: a badly signed message, and the statuses that mean it was refused."""

    refused: Annotated[tuple[Annotated[Int, http_status(400, 499, 404, 429)], ...], Some]


WEBHOOK_FIELDS = frozenset({"from_number", "body", "message_sid", "account_sid"})


class Repeats(Part):
    """A claimed message that is sent more than once: its effects, those of being processed all the same too."""

    effect: EffectSql
    cleanup: Annotated[tuple[MessageCleanupSql, ...], Some]


class Claimed(Part):
    """Mode `no_side_effects`: the claim before, the effect after, and the removal of its row.

    Without `effect` a message is delivered, but whether it was processed is not observable in this mode; without
    `repeats` it is not observable whether a claimed message was processed all the same.
    """

    claim: ClaimSql
    effect: EffectSql | None = None
    cleanup: Annotated[tuple[MessageCleanupSql, ...], Some]
    repeats: Repeats | None = None


class Full(Part):
    """Mode `full`: the effect of a message that was processed like a real one, and the removal of its rows."""

    effect: EffectSql
    cleanup: Annotated[tuple[MessageCleanupSql, ...], Some]


def _form(form: Mapping[str, str]) -> Mapping[str, str]:
    # Without the id a claim would not be the claim of this message, and it would be processed.
    filled(WEBHOOK_FIELDS, form.values(), "message_sid")
    return form


class Webhook(Part):
    """How a message is delivered and where its effect is seen."""

    path: ConstantPath
    headers: Headers = Field(default_factory=dict)
    signature: Signature
    form: Annotated[Mapping[str, str], AfterValidator(_form)]
    accepted: Annotated[tuple[Annotated[Int, http_status(200, 299)], ...], Some]
    path_check: PathCheck
    replay: Replay | None = None
    claimed: Claimed | None = None
    full: Full

    def traces(self, mode: Mode, *, repeated: bool = False) -> Claimed | Repeats | Full:
        """What a message of this mode leaves in the database; `repeated`: one that is sent more than once."""
        if mode is Mode.FULL or self.claimed is None:
            return self.full
        return self.claimed.repeats if repeated and self.claimed.repeats is not None else self.claimed


RACE_FIELDS = frozenset({"routing_id", "order_id", "vendor_id"})


class Accept(Part):
    """The request with which a vendor accepts."""

    path: RequestPath
    headers: Headers = Field(default_factory=dict)
    idempotency_header: HeaderName | None = None
    body: Mapping[str, str] = Field(default_factory=dict, alias="json")

    @model_validator(mode="after")
    def _placeholders(self) -> Accept:
        filled(RACE_FIELDS, [self.path, *self.body.values()], "routing_id", "vendor_id")
        return self


def _answers(rules: tuple[AnswerRule, ...]) -> tuple[AnswerRule, ...]:
    if not any(rule.claim is Claim.WON for rule in rules):
        raise ValueError("expected a rule for claim won: without it nobody ever wins")
    for later, rule in enumerate(rules):
        for earlier in range(later):
            if rules[earlier].leaves_nothing_to(rule):
                raise ValueError(
                    f"expected rules of which each can be the first that fits; rule {later + 1} ({rule.claim}) "
                    f"never is, since rule {earlier + 1} ({rules[earlier].claim}) fits whatever it fits"
                )
    return rules


class WarmUp(Part):
    """A request without side effect that takes the way of an accept, sent on each connection before a race."""

    method: Literal["GET", "POST", "HEAD"]
    path: ConstantPath
    body: Mapping[str, str] | None = Field(default=None, alias="json")


class StatusPage(Part):
    """A page that says who won a routing: at the dotted path `winner` of its JSON."""

    path: RequestPath
    headers: Headers = Field(default_factory=dict)
    status: Statuses = (200,)
    winner: str

    @model_validator(mode="after")
    def _placeholders(self) -> StatusPage:
        filled(frozenset({"routing_id"}), [self.path], "routing_id")
        return self


class Race(Part):
    """How an order is offered to synthetic vendors, accepted, witnessed and removed.

    `create` makes the order and its routing; `second_routing` makes another routing of an order that is there,
    without it `split_order` is not observable. `hold` locks the row of a routing, and returns it: a second heat
    runs while it is locked, so that a target which looks, and writes without looking again, is caught every time.
    Without `present` nobody looks whether the fixtures are there and kept from real orders; without
    `remove_fixtures` nobody but you removes them.
    """

    fixtures: tuple[FixtureSql, ...]
    remove_fixtures: tuple[FixtureSql, ...] = ()
    present: PresentSql | None = None
    create: Annotated[tuple[CreateSql, ...], Some]
    second_routing: tuple[CreateSql, ...] = ()
    warm_up: WarmUp | None = None
    hold: OrderCleanupSql | None = None
    accept: Accept
    answers: Annotated[tuple[AnswerRule, ...], AfterValidator(_answers)]
    rows: RowsSql
    status_page: StatusPage | None = None
    cleanup: Annotated[tuple[OrderCleanupSql, ...], Some]
    leftovers: OrderCleanupSql

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


class Queues(Part):
    """The queues whose backlog is watched, in BullMQ's key layout."""

    prefix: str = "bull"
    names: tuple[str, ...]


class HealthPage(Part):
    """A page on which the target speaks about itself; `covers` are the services whose death it must admit."""

    path: ConstantPath
    healthy: Match
    covers: tuple[Literal[ProbeName.DATABASE, ProbeName.REDIS], ...]


class Route(Part):
    """A route of the contract, asked without a side effect.

    An answer with a status of `missing` says that there is no such route, unless it fits `unless`: that one the
    route gave itself.
    """

    name: str
    method: Literal["GET", "POST", "OPTIONS", "HEAD"]
    path: ConstantPath
    body: Mapping[str, str] | None = Field(default=None, alias="json")
    missing: Statuses
    unless: Match | None = None

    def is_missing(self, code: int, body: bytes) -> bool:
        """Whether this answer says that the route does not exist."""
        if code not in self.missing:
            return False
        return self.unless is None or not self.unless.fits(code, parsed(body))


def _once(parts: tuple[Any, ...], key: str) -> tuple[Any, ...]:
    names = [getattr(part, key) for part in parts]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ValueError(f"expected each {key} once, {twice} is there {names.count(twice)} times")
    return parts


class Health(Part):
    """The health pages and the routes to look for."""

    pages: Annotated[tuple[HealthPage, ...], AfterValidator(lambda pages: _once(pages, "path"))]
    headers: Headers = Field(default_factory=dict)
    routes: Annotated[tuple[Route, ...], AfterValidator(lambda routes: _once(routes, "name"))]


class Memory(Part):
    """Where the target tells how much memory it uses, in bytes: by one of three ways.

    `page` and `field`: a page and the dotted place in its JSON. `metrics` and `name`: the address of a page in
    Prometheus' text form and the metric there, summed over its labels. `pid_file`: a file that holds the id of a
    process on this machine.
    """

    page: ConstantPath | None = None
    field: str | None = None
    metrics: str | None = None
    name: str = "process_resident_memory_bytes"
    pid_file: Path | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Memory:
        if sum(way is not None for way in (self.page, self.metrics, self.pid_file)) != 1:
            raise ValueError("expected one of page (with field), metrics and pid_file")
        if (self.page is None) != (self.field is None):
            raise ValueError("expected page and field together: the page, and the place in its JSON")
        if self.metrics is not None and not self.metrics.startswith(("http://", "https://")):
            raise ValueError(
                f"expected metrics to be a URL, such as http://10.0.0.5:9464/metrics; found {self.metrics!r}"
            )
        return self


class Contract(Part):
    """Everything the prober has to know of its target. `memory`: without it, its memory is not observable."""

    name: str
    webhook: Webhook
    race: Race
    queues: Queues
    health: Health
    memory: Memory | None = None
