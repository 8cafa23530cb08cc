"""The one place where what Redis answers, or fails to answer, becomes a named outcome and a sentence."""

from __future__ import annotations

from prober.outcome import Outcome
from prober.probes.network_outcome import Failure, UntriedError, network_failure
from prober.probes.resp import ClosedError, GarbageError, Refusal, RefusedError, TooLargeError

# The code is the first word of the answer (https://redis.io/docs/latest/develop/reference/protocol-spec/).
_BY_CODE = {
    "OOM": (Outcome.OOM, "its memory limit is reached: raise maxmemory, or let it evict"),
    "READONLY": (Outcome.READONLY, "it is a replica: point the prober at the master or at the Sentinels"),
    "LOADING": (Outcome.LOADING, "it is loading its data and will answer by itself"),
    "MISCONF": (Outcome.MISCONF, "it could not save its snapshot and refuses writes: look at its disk and log"),
    "NOAUTH": (Outcome.AUTH, "it wants a password, and none is configured"),
    "WRONGPASS": (Outcome.AUTH, "the user or password is wrong"),
    "NOPERM": (Outcome.DENIED, "the ACL user lacks a permission: see the rule in the documentation"),
    "DENIED": (Outcome.DENIED, "it is in protected mode: set a password, or bind it to another address"),
    "NOREPLICAS": (Outcome.ERROR, "it has fewer good replicas than min-replicas-to-write"),
    "MASTERDOWN": (Outcome.READONLY, "it is a replica that has lost its master"),
    "BUSY": (Outcome.ERROR, "a script runs for too long: SCRIPT KILL ends it"),
    "MOVED": (Outcome.ERROR, "it is a node of a cluster, which the prober does not support"),
    "CLUSTERDOWN": (Outcome.ERROR, "it is a node of a cluster, which the prober does not support"),
}


class WrongValueError(Exception):
    """What was read is not what was written."""


class SentinelError(Exception):
    """No Sentinel told where the master is; `cause` is what the last one did instead."""

    def __init__(self, sentence: str, cause: Exception | None) -> None:
        super().__init__(sentence)
        self.cause = cause


def refusal_failure(refusal: Refusal, doing: str) -> Failure:
    """Name the error answer that came for `doing`."""
    said = f"{doing} was refused: {refusal.text[:200]!r}"
    if known := _BY_CODE.get(refusal.code):
        outcome, advice = known
        return Failure(outcome, f"{said}; {advice}")
    text = refusal.text.lower()
    if "max number of clients" in text:
        return Failure(
            Outcome.TOO_MANY_CONNECTIONS, f"{said}; maxclients is reached: look for a leak in CLIENT LIST"
        )
    if doing == "AUTH":
        return Failure(Outcome.AUTH, f"{said}; the server and the configured user and password do not agree")
    return Failure(Outcome.ERROR, said)


def redis_failure(error: BaseException, where: str) -> Failure:
    """Name whatever a run raised; `where` names the server, without secrets."""
    match error:
        case RefusedError():
            return refusal_failure(error.refusal, error.doing)
        case UntriedError():
            return error.failure(redis_failure(error.last, where).detail)
        case WrongValueError():
            return Failure(Outcome.WRONG_VALUE, str(error))
        case SentinelError():
            outcome = redis_failure(error.cause, where).outcome if error.cause else Outcome.ERROR
            return Failure(outcome, f"no Sentinel told where the master is: {error}")
        case TooLargeError():
            return Failure(Outcome.TOO_LARGE, f"{where} answered too much: {error}")
        case GarbageError():
            return Failure(Outcome.GARBAGE, f"{where} does not speak RESP2: {error}")
        case ClosedError():
            return Failure(Outcome.CLOSED, f"{where} closed the connection before the answer was whole")
    if found := network_failure(error, where):
        return found
    return Failure(Outcome.ERROR, f"{where}: {type(error).__name__}")
