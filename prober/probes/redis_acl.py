"""What the prober's user may do in Redis, and why: the ACL rules of docs/deploying.md and of `prober doctor`."""

from __future__ import annotations

# Each with what is lost without it. SELECT besides, where the URL names a database other than 0.
COMMANDS = {
    "ping": "the probe",
    "set": "the probe",
    "get": "the probe",
    "del": "the probe",
    "info": "restarts, role, memory and evictions",
    "time": "overdue jobs: they are judged by the clock of Redis",
    "llen": "the backlog of queues",
    "zcard": "the backlog of queues",
    "zcount": "the backlog of queues",
    "exists": "whether a queue of the contract exists at all",
    "subscribe": "the tripwire, which notices a crash at once",
    "client|setname": "our name in CLIENT LIST",
}
# What a command of a person may want besides, and what that shows: never among `rules`.
OPTIONAL = {"scan": "`prober cleanup` looks for our keys; it sees the name of every key"}
OWN_KEYS = "synthetic-prober:*"
CHANNELS = "synthetic-prober:*"
# Of each queue only what is counted: no job, no payload.
QUEUE_KEYS = ("wait", "prioritized", "paused", "delayed", "meta")


def rules(prefix: str, *, read_only_keys: bool = True) -> tuple[str, ...]:
    """The rules of a user for `ACL SETUSER`, queues under `prefix`.

    `read_only_keys` needs Redis 7. Redis 6 cannot tell reading from writing: there the user could delete what it
    may count.
    """
    reading = "%R~" if read_only_keys else "~"
    queues = (f"{reading}{prefix}:*:{key}" for key in QUEUE_KEYS)
    commands = (f"+{command}" for command in COMMANDS)
    return ("resetchannels", f"&{CHANNELS}", f"~{OWN_KEYS}", *queues, "-@all", *commands)
