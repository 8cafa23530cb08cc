"""The contract with the target as data: paths, headers, signature, what means won and lost, SQL, queues.

Contracts ship as `prober/contracts/*.yaml`; a path names one of the user's own. The models here say what
such a file may hold, and the pure functions below read answers by it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainValidator, model_validator
from pydantic_core import PydanticCustomError

from prober.outcome import Claim, Mode, ProbeName
from prober.sql import Sql

SHIPPED = Path(__file__).parent / "contracts"


class _Part(BaseModel):
    """Frozen, and strict about unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def _fault(sentence: str) -> PydanticCustomError:
    """An error that quotes the value before `sentence`; a ValueError is for what is wrong with a whole."""
    return PydanticCustomError("value", "{sentence}", {"sentence": sentence})


def _status(least: int, most: int, *but: int) -> AfterValidator:
    def check(found: int) -> int:
        if not least <= found <= most or found in but:
            exceptions = f" except {' and '.join(map(str, but))}" if but else ""
            raise _fault(f"expected an HTTP status from {least} to {most}{exceptions}")
        return found

    return AfterValidator(check)


def _some(found: tuple[Any, ...]) -> tuple[Any, ...]:
    if not found:
        raise ValueError("found an empty list, expected at least one")
    return found


_Int = Annotated[int, Field(strict=True)]
_Some = AfterValidator(_some)
Statuses = Annotated[tuple[Annotated[_Int, _status(200, 599)], ...], _Some]

# What our client puts into the request line and into headers (RFC 9110, 5.5 and 5.6.2; RFC 9112, 3.2.1).
_TARGET = re.compile(r"/[!-~]*")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[\t -~]*")
_PLACEHOLDER = re.compile(r"\{(\w+)\}", re.ASCII)
_OURS = frozenset(
    {"host", "content-length", "transfer-encoding", "content-type", "traceparent", "x-synthetic-probe"}
)


def _path(path: str) -> str:
    if not _TARGET.fullmatch(path):
        raise _fault("expected a path that begins with a slash and holds no blank, such as /health")
    return path


def _constant_path(path: str) -> str:
    if _PLACEHOLDER.search(path):
        raise _fault("expected a path without {…}: nothing is filled in here")
    return _path(path)


def _header_name(name: str) -> str:
    if not _TOKEN.fullmatch(name):
        raise _fault("expected the name of a header, such as X-Twilio-Signature")
    return name


def _headers(headers: Mapping[str, str]) -> Mapping[str, str]:
    for name, value in headers.items():
        if not _TOKEN.fullmatch(name) or not _VALUE.fullmatch(value) or _PLACEHOLDER.search(value):
            raise ValueError(f'expected headers as they are sent, in ASCII and without {{…}}; "{name}" is not')
        if name.lower() in _OURS:
            raise ValueError(f'expected headers that prober does not write itself; it writes "{name}"')
    return headers


RequestPath = Annotated[str, AfterValidator(_path)]
ConstantPath = Annotated[str, AfterValidator(_constant_path)]
HeaderName = Annotated[str, AfterValidator(_header_name)]
Headers = Annotated[Mapping[str, str], AfterValidator(_headers)]


def _filled(known: frozenset[str], templates: Iterable[str], *needed: str) -> None:
    """Check the placeholders of templates that belong together; each of `needed` has to be among them."""
    used = {name for template in templates for name in _PLACEHOLDER.findall(template)}
    allowed = ", ".join(f"{{{name}}}" for name in sorted(known))
    for name in sorted(used - known):
        raise ValueError(f"expected only the placeholders {allowed}; {{{name}}} is none")
    for name in needed:
        if name not in used:
            raise ValueError(f"expected {{{name}}} somewhere in it; placeholders: {allowed}")


def _sql(known: Iterable[str], one_of: Iterable[str] = (), columns: tuple[str, ...] = ()) -> PlainValidator:
    """A statement that may use the parameters `known`, and must use at least one of `one_of`."""
    allowed, needed = frozenset(known), tuple(one_of)

    def read(value: object) -> Sql:
        if isinstance(value, Sql):
            return value
        if not isinstance(value, str):
            raise _fault("expected an SQL statement as text")
        try:
            sql = Sql.parse(value, columns)
        except ValueError as error:
            raise _fault(str(error)) from None
        for name in sql.parameters:
            if name not in allowed:
                raise _fault(f"expected only the parameters {_named(sorted(allowed))}; :{name} is none")
        if needed and not set(needed) & set(sql.parameters):
            # Without it a statement would be about every row, also those that are not ours.
            raise _fault(f"expected a statement about our own rows alone, by {_named(needed, ' or ')}")
        return sql

    return PlainValidator(read)


def _named(names: Iterable[str], between: str = ", ") -> str:
    return between.join(f":{name}" for name in names)


class Match(_Part):
    """What an answer has to be: one of these statuses, and these values at these places of its JSON body.

    `json_object` asks for a body that is a JSON object, whatever is in it.
    """

    status: Statuses
    # "json" is what the file says; pydantic's own method of that name must not be hidden
    body: Mapping[str, str | bool | int] = Field(default_factory=dict, alias="json")
    json_object: bool = False

    def fits(self, code: int, document: object) -> bool:
        """Whether an answer with this status and this parsed body (None when it is no JSON) fits."""
        if code not in self.status or (self.json_object and not isinstance(document, dict)):
            return False
        found = {path: at(document, path) for path in self.body}
        # 1 is no true, and true no 1
        return all(found[path] == value and type(found[path]) is type(value) for path, value in self.body.items())


class AnswerRule(Match):
    """An answer that means `claim` for the vendor that got it."""

    status: Annotated[
        tuple[Annotated[_Int, _status(200, 499, 429)], ...], _Some
    ]  # 429 and 5xx are known without a rule
    claim: Literal[Claim.WON, Claim.LOST, Claim.ALREADY_WON, Claim.REFUSED]

    def leaves_nothing_to(self, other: AnswerRule) -> bool:
        """Whether every answer that fits `other` fits this rule, seen by what both ask for."""
        asks_less = self.body.items() <= other.body.items() and (other.json_object or not self.json_object)
        return asks_less and set(other.status) <= set(self.status)


class Signature(_Part):
    """How a webhook is signed."""

    scheme: Literal["twilio-form"]
    header: HeaderName


class Replay(_Part):
    """Replay protection: the header that tells when a message was sent, and how an old or repeated one is refused.

    `too_old` in seconds. Without this section replays are not checked.
    """

    header: HeaderName
    too_old: Annotated[_Int, Field(ge=1, le=86_400)]
    refused: Annotated[tuple[Annotated[_Int, _status(400, 499, 404, 429)], ...], _Some]


class PathCheck(_Part):
    """The check without side effect: a badly signed message, and the statuses that mean it was refused."""

    refused: Annotated[tuple[Annotated[_Int, _status(400, 499, 404, 429)], ...], _Some]


WEBHOOK_FIELDS = frozenset({"from_number", "body", "message_sid", "account_sid"})
_MESSAGES = ("message_sids", "bodies")
_MESSAGES_SQL = ("from_number", *_MESSAGES)

ClaimSql = Annotated[Sql, _sql(("message_sid", "from_number"), ("message_sid",))]
EffectSql = Annotated[Sql, _sql(_MESSAGES_SQL, ("message_sids",), ("message_sid", "effects", "done"))]
MessageCleanupSql = Annotated[Sql, _sql(_MESSAGES_SQL, _MESSAGES)]


class Repeats(_Part):
    """A claimed message that is sent more than once: its effects, those of being processed all the same too."""

    effect: EffectSql
    cleanup: Annotated[tuple[MessageCleanupSql, ...], _Some]


class Claimed(_Part):
    """Mode `no_side_effects`: the claim before, the effect after, and the removal of its row.

    Without `effect` a message is delivered, but whether it was processed is not observable in this mode; without
    `repeats` it is not observable whether a claimed message was processed all the same.
    """

    claim: ClaimSql
    effect: EffectSql | None = None
    cleanup: Annotated[tuple[MessageCleanupSql, ...], _Some]
    repeats: Repeats | None = None


class Full(_Part):
    """Mode `full`: the effect of a message that was processed like a real one, and the removal of its rows."""

    effect: EffectSql
    cleanup: Annotated[tuple[MessageCleanupSql, ...], _Some]


def _form(form: Mapping[str, str]) -> Mapping[str, str]:
    # Without the id a claim would not be the claim of this message, and it would be processed.
    _filled(WEBHOOK_FIELDS, form.values(), "message_sid")
    return form


class Webhook(_Part):
    """How a message is delivered and where its effect is seen."""

    path: ConstantPath
    headers: Headers = Field(default_factory=dict)
    signature: Signature
    form: Annotated[Mapping[str, str], AfterValidator(_form)]
    accepted: Annotated[tuple[Annotated[_Int, _status(200, 299)], ...], _Some]
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
_FIXTURES = ("retailer_id", "vendor_ids")
_ORDER = ("order_id", "routing_id")

FixtureSql = Annotated[Sql, _sql(_FIXTURES, _FIXTURES)]
PresentSql = Annotated[Sql, _sql(_FIXTURES, _FIXTURES, ("id", "offered"))]
CreateSql = Annotated[Sql, _sql((*_FIXTURES, *_ORDER), _ORDER)]
# A sweep has no vendors any more.
OrderCleanupSql = Annotated[Sql, _sql(("retailer_id", *_ORDER), _ORDER)]
RowsSql = Annotated[Sql, _sql((*_FIXTURES, *_ORDER), _ORDER, ("locked_vendor", "accepted_vendors"))]


class Accept(_Part):
    """The request with which a vendor accepts."""

    path: RequestPath
    headers: Headers = Field(default_factory=dict)
    idempotency_header: HeaderName | None = None
    body: Mapping[str, str] = Field(default_factory=dict, alias="json")

    @model_validator(mode="after")
    def _placeholders(self) -> Accept:
        _filled(RACE_FIELDS, [self.path, *self.body.values()], "routing_id", "vendor_id")
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


class WarmUp(_Part):
    """A request without side effect that takes the way of an accept, sent on each connection before a race."""

    method: Literal["GET", "POST", "HEAD"]
    path: ConstantPath
    body: Mapping[str, str] | None = Field(default=None, alias="json")


class StatusPage(_Part):
    """A page that says who won a routing: at the dotted path `winner` of its JSON."""

    path: RequestPath
    headers: Headers = Field(default_factory=dict)
    status: Statuses = (200,)
    winner: str

    @model_validator(mode="after")
    def _placeholders(self) -> StatusPage:
        _filled(frozenset({"routing_id"}), [self.path], "routing_id")
        return self


class Race(_Part):
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
    create: Annotated[tuple[CreateSql, ...], _Some]
    second_routing: tuple[CreateSql, ...] = ()
    warm_up: WarmUp | None = None
    hold: OrderCleanupSql | None = None
    accept: Accept
    answers: Annotated[tuple[AnswerRule, ...], AfterValidator(_answers)]
    rows: RowsSql
    status_page: StatusPage | None = None
    cleanup: Annotated[tuple[OrderCleanupSql, ...], _Some]
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


class Queues(_Part):
    """The queues whose backlog is watched, in BullMQ's key layout."""

    prefix: str = "bull"
    names: tuple[str, ...]


class HealthPage(_Part):
    """A page on which the target speaks about itself; `covers` are the services whose death it must admit."""

    path: ConstantPath
    healthy: Match
    covers: tuple[Literal[ProbeName.DATABASE, ProbeName.REDIS], ...]


class Route(_Part):
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


class Health(_Part):
    """The health pages and the routes to look for."""

    pages: Annotated[tuple[HealthPage, ...], AfterValidator(lambda pages: _once(pages, "path"))]
    headers: Headers = Field(default_factory=dict)
    routes: Annotated[tuple[Route, ...], AfterValidator(lambda routes: _once(routes, "name"))]


class Memory(_Part):
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


class Contract(_Part):
    """Everything the prober has to know of its target. `memory`: without it, its memory is not observable."""

    name: str
    webhook: Webhook
    race: Race
    queues: Queues
    health: Health
    memory: Memory | None = None


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


def at(document: object, path: str) -> object:
    """The value at a dotted path of a JSON document; None where there is none."""
    for key in path.split("."):
        if not isinstance(document, dict):
            return None
        document = document.get(key)
    return document
