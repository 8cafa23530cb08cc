"""What Redis answered to each command that the probe uses: answers in, findings out."""

from __future__ import annotations

from collections.abc import Sequence

from prober.doctor.finding import Finding, hint, ok, problem, skipped
from prober.outcome import Outcome
from prober.probes.network_outcome import Failure
from prober.probes.redis_acl import CHANNELS, COMMANDS, OWN_KEYS, QUEUE_KEYS
from prober.probes.redis_outcome import refusal_failure
from prober.probes.resp import Answer, Refusal

CONNECTION, LOGIN, QUEUES = "redis.connection", "redis.login", "redis.queues"
_LOGIN = frozenset({Outcome.AUTH, Outcome.DENIED, Outcome.ERROR})
# Without these the probe fails; without the others something is not observable.
_NEEDED = ("ping", "set", "get", "del")


def step(command: str) -> str:
    """The name of the step that tries a command."""
    return f"redis.{command.replace('|', ' ')}"


STEPS = (*(step(command) for command in COMMANDS), QUEUES)


def read_connection(failure: Failure | None, where: str, *, sentinel: bool) -> list[Finding]:
    """Whether we got in; `failure` is why not."""
    if failure is None:
        return [ok(CONNECTION, f"{where} answers"), ok(LOGIN, "user and password are taken")]
    if failure.outcome in _LOGIN:
        mend = "probes.redis.url: the user and password in it, or probes.redis.username and password"
        return [ok(CONNECTION, f"{where} answers"), problem(LOGIN, failure.detail, mend)]
    mend = "probes.redis.sentinel: hosts and service" if sentinel else "probes.redis.url: host and port in it"
    if failure.outcome is Outcome.TLS:
        mend = "probes.redis.tls: ca_file for an authority of your own, server_name for another name"
    elif failure.outcome in (Outcome.GARBAGE, Outcome.CLOSED):
        mend = f"{mend}; does this port want TLS (rediss://)?"
    return [problem(CONNECTION, failure.detail, mend), *skipped([LOGIN], f"{CONNECTION} failed")]


def read_command(command: str, answers: Sequence[Answer], prefix: str) -> Finding:
    """Whether a command is let through and works; `command` is its name in the ACL."""
    name, shown = step(command), command.replace("|", " ").upper()
    refusal = next((answer for answer in answers if isinstance(answer, Refusal)), None)
    if refusal is None:
        return ok(name, f"{shown} works")
    failure = refusal_failure(refusal, shown)
    if failure.outcome is not Outcome.DENIED:
        return problem(name, failure.detail, "probes.redis.url: the master, with room to write")
    mend = f"ACL SETUSER … {_rule(command, refusal, prefix)} (docs/deploying.md)"
    if command in _NEEDED:
        return problem(name, failure.detail, mend)
    return hint(name, f"{failure.detail}; not observable: {COMMANDS[command]}", mend)


def _rule(command: str, refusal: Refusal, prefix: str) -> str:
    text = refusal.text.lower()
    if "channel" in text:
        return f"&{CHANNELS}"
    if "key" not in text:
        return f"+{command}"
    if command in _NEEDED:
        return f"~{OWN_KEYS}"
    return " ".join(f"%R~{prefix}:*:{key}" for key in QUEUE_KEYS)


def read_queues(prefix: str, queues: Sequence[str], answers: Sequence[Answer]) -> Finding:
    """Which queues of the contract exist: BullMQ gives each a key `meta`."""
    if any(isinstance(answer, Refusal) for answer in answers):
        return skipped([QUEUES], f"{step('exists')} was refused")[0]
    absent = [queue for queue, answer in zip(queues, answers, strict=True) if answer != 1]
    if not absent:
        return ok(QUEUES, f"all {len(queues)} queues of the contract exist")
    said = f"{len(absent)} of {len(queues)} queues have no key in Redis yet: {', '.join(absent)}"
    return hint(QUEUES, said, f"none if they are only unused; else queues.names or queues.prefix (found {prefix})")
