"""The faults that can be planted, with their parameters, and the resilience switches: the one table of both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, ClassVar, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError


class FaultName(StrEnum):
    """Everything that can be broken on purpose (SPEC 10)."""

    DOUBLE_ACCEPT = "double_accept"
    DOUBLE_ACCEPT_RARE = "double_accept_rare"
    SPLIT_ORDER = "split_order"
    PHANTOM_WINNER = "phantom_winner"
    NO_WINNER = "no_winner"
    LATE_WINNER = "late_winner"
    NOT_IDEMPOTENT = "not_idempotent"
    DUPLICATE_EFFECT = "duplicate_effect"
    FORGED_ACCEPTED = "forged_accepted"
    UNSIGNED_ACCEPTED = "unsigned_accepted"
    REPLAY_ACCEPTED = "replay_accepted"
    LOST_MESSAGE = "lost_message"
    LATE_PROCESSING = "late_processing"
    SLOW = "slow"
    HANG = "hang"
    ERRORS = "errors"
    RATE_LIMITED = "rate_limited"
    POOL_LEAK = "pool_leak"
    ROLLBACKS = "rollbacks"
    STUCK_QUEUE = "stuck_queue"
    HEALTH_LIES = "health_lies"
    ROUTES_MISSING = "routes_missing"


class Switch(StrEnum):
    """What keeps accepted messages from being lost; all off is the system as deployed."""

    QUEUE_FALLBACK = "queue_fallback"  # jobs also stand in a PostgreSQL table until they are done
    CIRCUIT_BREAKER = "circuit_breaker"  # a dependency that failed several times is not asked for a while
    DURABLE_ACCEPT = "durable_accept"  # without PostgreSQL a message is kept in Redis, or refused with 503


class Route(StrEnum):
    """Which requests a fault of the HTTP side is about."""

    ALL = "all"  # the webhook and the routing; never the health pages
    WEBHOOK = "webhook"
    ROUTING = "routing"


class Fault(BaseModel):
    """Parameters of one fault; the class stands for the fault, its docstring says what it does."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: ClassVar[FaultName]


class RoutedFault(Fault):
    """A fault of the HTTP side that can be limited to some routes."""

    routes: Route = Route.ALL

    def covers(self, route: Route) -> bool:
        """Whether a request on this route meets the fault."""
        return self.routes in (Route.ALL, route)


class DoubleAccept(Fault):
    """The lock is looked at, and written `window_ms` later without looking again: every racer may win."""

    name = FaultName.DOUBLE_ACCEPT
    window_ms: float = Field(default=50.0, ge=0, le=10_000)


class DoubleAcceptRare(Fault):
    """An unlocked SELECT, then an UPDATE without a condition, in PostgreSQL; nothing widens the window."""

    name = FaultName.DOUBLE_ACCEPT_RARE


class SplitOrder(Fault):
    """As deployed: nothing keeps two vendors from winning two routings of one order."""

    name = FaultName.SPLIT_ORDER


class PhantomWinner(Fault):
    """The vendor that is told it won is not the one that is written down."""

    name = FaultName.PHANTOM_WINNER


class NoWinner(Fault):
    """Every vendor is told it lost, and no lock is taken."""

    name = FaultName.NO_WINNER


class LateWinner(Fault):
    """A vendor that asks `after_ms` after the decision, or a loser that asks again, is told it won.

    With `take_lock` the lock and an accepted response become its own.
    """

    name = FaultName.LATE_WINNER
    after_ms: float = Field(default=10.0, ge=0, le=600_000)
    take_lock: bool = True


class NotIdempotent(Fault):
    """The winner that asks again is told it lost."""

    name = FaultName.NOT_IDEMPOTENT


class DuplicateEffect(Fault):
    """A repeated MessageSid (also a claimed one) is processed as another message; `every`: each message twice."""

    name = FaultName.DUPLICATE_EFFECT
    on: Literal["repeat", "every"] = "repeat"


class ForgedAccepted(Fault):
    """A message with a wrong signature is taken."""

    name = FaultName.FORGED_ACCEPTED


class UnsignedAccepted(Fault):
    """A message without a signature is taken."""

    name = FaultName.UNSIGNED_ACCEPTED


class ReplayAccepted(Fault):
    """The x-twilio-timestamp header is not looked at."""

    name = FaultName.REPLAY_ACCEPTED


class LostMessage(Fault):
    """Answered 200 and forgotten, claimed messages too."""

    name = FaultName.LOST_MESSAGE
    probability: float = Field(default=1.0, ge=0, le=1)


class LateProcessing(Fault):
    """Processed only after `delay_seconds`; the default is beyond the default `processing_deadline` of 60 s."""

    name = FaultName.LATE_PROCESSING
    delay_seconds: float = Field(default=90.0, ge=0, le=86_400)


class Slow(RoutedFault):
    """Every answer is `delay_ms` late."""

    name = FaultName.SLOW
    delay_ms: float = Field(default=1_000.0, ge=0, le=600_000)


class Hang(RoutedFault):
    """Requests are read and never answered."""

    name = FaultName.HANG


class Errors(RoutedFault):
    """500, and nothing is done."""

    name = FaultName.ERRORS
    probability: float = Field(default=1.0, ge=0, le=1)


class RateLimited(RoutedFault):
    """429 for everybody."""

    name = FaultName.RATE_LIMITED
    retry_after_seconds: int = Field(default=30, ge=0, le=86_400)


class PoolLeak(Fault):
    """Sessions of the pool stay `idle in transaction`; `sessions` null: all but one of each worker process.

    With every session leaked nothing that needs PostgreSQL works, as in life.
    """

    name = FaultName.POOL_LEAK
    sessions: int | None = Field(default=None, ge=0, le=1_000)


class Rollbacks(Fault):
    """Transactions that are begun, write, and are rolled back."""

    name = FaultName.ROLLBACKS
    per_second: float = Field(default=50.0, gt=0, le=1_000)


class StuckQueue(Fault):
    """Workers take no jobs; new ones pile up in `pile`: the list `wait`, `paused`, or the set `prioritized`."""

    name = FaultName.STUCK_QUEUE
    pile: Literal["wait", "paused", "prioritized"] = "wait"


class HealthLies(Fault):
    """Every health page says healthy at once, whatever is down."""

    name = FaultName.HEALTH_LIES


class RoutesMissing(RoutedFault):
    """404 on the webhook and on the routing, while the health pages answer as ever."""

    name = FaultName.ROUTES_MISSING


FAULTS: Mapping[FaultName, type[Fault]] = {
    fault.name: fault
    for fault in (
        DoubleAccept,
        DoubleAcceptRare,
        SplitOrder,
        PhantomWinner,
        NoWinner,
        LateWinner,
        NotIdempotent,
        DuplicateEffect,
        ForgedAccepted,
        UnsignedAccepted,
        ReplayAccepted,
        LostMessage,
        LateProcessing,
        Slow,
        Hang,
        Errors,
        RateLimited,
        PoolLeak,
        Rollbacks,
        StuckQueue,
        HealthLies,
        RoutesMissing,
    )
}

F = TypeVar("F", bound=Fault)


def parse_fault(name: str, parameters: object) -> Fault:
    """Check a fault's name and parameters. Raises ValueError that says what was expected and what came."""
    if name not in FAULTS:
        known = ", ".join(FAULTS)
        raise ValueError(f"unknown fault {name!r}; known are: {known}")
    kind = FAULTS[FaultName(name)]
    try:
        return kind.model_validate({} if parameters is None else parameters)
    except ValidationError as error:
        allowed = ", ".join(kind.model_fields) or "none"
        found = "; ".join(
            f"{'.'.join(map(str, problem['loc'])) or 'parameters'}: {problem['msg']}" for problem in error.errors()
        )
        raise ValueError(f"fault {name}: {found} (its parameters: {allowed})") from None


@dataclass(frozen=True, slots=True)
class State:
    """What is planted and what is switched on at this moment; one value for all processes."""

    faults: Mapping[FaultName, Fault] = field(default_factory=dict)
    switches: Mapping[Switch, bool] = field(default_factory=lambda: dict.fromkeys(Switch, True))

    def planted(self, kind: type[F]) -> F | None:
        """The parameters of a fault, or None when it is not planted."""
        fault = self.faults.get(kind.name)
        return fault if isinstance(fault, kind) else None

    def on(self, switch: Switch) -> bool:
        """Whether a switch is on."""
        return self.switches[switch]

    def to_json(self) -> dict[str, Any]:
        """For the way to another process."""
        return {
            "faults": {name: fault.model_dump(mode="json") for name, fault in self.faults.items()},
            "switches": dict(self.switches),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> State:
        """The other end of `to_json`; raises ValueError."""
        faults = {FaultName(name): parse_fault(name, given) for name, given in data["faults"].items()}
        return cls(faults, {Switch(name): on for name, on in data["switches"].items()})
