"""What docs/deploying.md says, as tests use it: the blocks of its text, and each grant in them by itself."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from redis.asyncio import Redis

from prober.demo.stack import Stack

PAGE = Path(__file__).parents[2] / "docs" / "deploying.md"
PASSWORD = "change-me"  # as the page has it
_GRANT = re.compile(r"GRANT (?P<what>.+?)(?P<on> ON [^;]+?)? TO prober;")
_PRIVILEGE = re.compile(r"(?P<name>\w+)(?: \((?P<columns>[^)]*)\))?(?:, |$)")


def block(name: str) -> str:
    """The code between the markers of a generated block."""
    found = re.search(
        rf"<!-- begin {name} -->\n```\w+\n(.*?)```\n<!-- end {name} -->", PAGE.read_text(), re.DOTALL
    )
    assert found, f"docs/deploying.md has no block {name}"
    return found[1]


def code_after(heading: str, language: str) -> str:
    """The first code of a language below a heading."""
    section = PAGE.read_text().split(f"\n## {heading}", 1)[1]
    found = re.search(rf"```{language}\n(.*?)```", section, re.DOTALL)
    assert found, heading
    return found[1]


@dataclass(frozen=True)
class Grant:
    """The smallest thing that can be granted, and taken back."""

    what: str  # SELECT (id)
    on: str  # " ON orders"; empty for a role

    @property
    def revoke(self) -> str:
        return f"REVOKE {self.what}{self.on} FROM prober"

    @property
    def give(self) -> str:
        return f"GRANT {self.what}{self.on} TO prober"

    def __str__(self) -> str:
        return self.what + self.on


def grants_in(sql: str) -> list[Grant]:
    """Every single grant in a script of GRANT statements, column by column."""
    single = []
    for found in _GRANT.finditer(sql):
        on = found["on"] or ""
        for privilege in _PRIVILEGE.finditer(found["what"]):
            columns = privilege["columns"].split(", ") if privilege["columns"] else [None]
            single += [Grant(f"{privilege['name']} ({c})" if c else privilege["name"], on) for c in columns]
    return single


def acl_rules(name: str) -> list[str]:
    """The words after `ACL SETUSER prober on >change-me` in a block."""
    words = block(name).split()
    assert words[:5] == ["ACL", "SETUSER", "prober", "on", f">{PASSWORD}"]
    return words[5:]


async def grant_least_privilege(stack: Stack) -> None:
    """Make the role and the Redis user of the page on the servers of a stack; PUBLIC may do nothing there."""
    await stack.postgres.execute(
        "REVOKE ALL ON DATABASE orders FROM PUBLIC; REVOKE ALL ON SCHEMA public FROM PUBLIC", "orders"
    )
    await stack.postgres.execute(block("grants"), "orders")
    client = stack.redis.client()
    await set_user(client, acl_rules("redis-acl-6"))
    await client.aclose()


async def set_user(client: Redis, rules: list[str]) -> None:
    """Give the Redis user exactly these rules."""
    await client.execute_command("ACL", "SETUSER", "prober", "reset", "on", f">{PASSWORD}", *rules)  # type: ignore[no-untyped-call]


def log_in(document: dict[str, Any], stack: Stack) -> None:
    """Have a config of this stack log in as that role and that user."""
    document["probes"]["database"]["dsn"] = stack.postgres.dsn("prober", "orders", PASSWORD)
    document["probes"]["redis"]["url"] = stack.redis.url("prober", PASSWORD)
