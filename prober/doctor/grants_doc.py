"""The blocks of docs/deploying.md that are made of data: `python -m prober.doctor.grants_doc docs/deploying.md`.

What the role needs follows from our schema (`prober.probes.schema`) and from the statements of the deployed
contract; the tables' columns are those of the reference target. What the Redis user needs is `redis_acl`.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from prober.config.load import load_strict
from prober.contract import SHIPPED, Contract
from prober.demo.target.forms import FORMS, FormName
from prober.doctor.needs import Need, grants, needs
from prober.doctor.statements import needed
from prober.probes import redis_acl, schema

ROLE, DATABASE = "prober", "orders"
DEPLOYED = "whatsapp-ordering-system"
_TABLE = re.compile(r"CREATE TABLE IF NOT EXISTS (\w+) \((.*?)\n\);", re.DOTALL)
_COLUMN = re.compile(r'^    (?:"(\w+)"|([a-z_]+)) ', re.MULTILINE)
_BLOCK = re.compile(
    r"(?P<begin><!-- begin (?P<name>[a-z0-9-]+) -->\n).*?(?P<end><!-- end (?P=name) -->)", re.DOTALL
)


def columns() -> dict[str, list[str]]:
    """The columns of each table of the deployed system that synthetic data touches."""
    return {
        table: [quoted or plain for quoted, plain in _COLUMN.findall(body)]
        for table, body in _TABLE.findall(FORMS[FormName.DEPLOYED].schema())
    }


def role_needs(contract: Contract, *, full: bool) -> frozenset[Need]:
    """What the role needs on the target's tables for every statement that it runs."""
    known = columns()
    return frozenset().union(*(needs(each.sql.query, known) for each in needed(contract, full=full)))


def blocks() -> dict[str, str]:
    """Each block by its name, as Markdown."""
    contract = load_strict(SHIPPED / f"{DEPLOYED}.yaml", Contract)
    # Those of mode full are all among them, since the duplicate check asks the same tables.
    wanted = role_needs(contract, full=True)
    own = schema.grants(ROLE)
    role = (
        f"CREATE ROLE {ROLE} LOGIN PASSWORD 'change-me' CONNECTION LIMIT 20",
        f"GRANT CONNECT ON DATABASE {DATABASE} TO {ROLE}",
        f"GRANT USAGE ON SCHEMA public TO {ROLE}",
    )
    return {
        "grants": _code("sql", [f"{line};" for line in (*role, *own, *grants(wanted, ROLE))]),
        "redis-acl": _code("text", [_acl(contract, read_only_keys=True)]),
        "redis-acl-6": _code("text", [_acl(contract, read_only_keys=False)]),
        "redis-acl-scan": _code(
            "text", [f"ACL SETUSER {ROLE} {' '.join(f'+{each}' for each in redis_acl.OPTIONAL)}"]
        ),
    }


def current(text: str) -> str:
    """The page `text` with every block as it has to be; KeyError for a block that nobody knows."""
    made = blocks()
    return _BLOCK.sub(lambda found: f"{found['begin']}{made[found['name']]}{found['end']}", text)


def _acl(contract: Contract, *, read_only_keys: bool) -> str:
    rules = redis_acl.rules(contract.queues.prefix, read_only_keys=read_only_keys)
    return f"ACL SETUSER {ROLE} on >change-me {' '.join(rules)}"


def _code(language: str, lines: list[str]) -> str:
    return "\n".join([f"```{language}", *lines, "```", ""])


if __name__ == "__main__":
    page = Path(sys.argv[1])
    page.write_text(current(page.read_text(encoding="utf-8")), encoding="utf-8")
