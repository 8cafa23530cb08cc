"""The config files that these tests read, and the environment that they name."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[2]
SHIPPED = ROOT / "config.yaml"
GOOD = sorted((ROOT / "tests/configs/good").glob("*.yaml"))
BAD = sorted((ROOT / "tests/configs/bad").glob("*.yaml"))

# Every secret in these files and variables has this in it.
SECRET = "hunter2"

ENV = {
    "TOKEN": f"{SECRET}-of-the-token",
    "DB_PASSWORD": f"{SECRET}-of-the-database",
    "SID": "AC0123456789abcdef0123456789abcdef",
    "DIGITS": "10",
    "POOL": "20",
    "EMPTY": "",
}

SHIPPED_ENV = {
    "TWILIO_ACCOUNT_SID": "AC0123456789abcdef0123456789abcdef",
    "TWILIO_AUTH_TOKEN": f"{SECRET}0123456789abcdef",
    "REDIS_URL": f"redis://:{SECRET}%2F@cache:6379/0",
    "DATABASE_DSN": f"postgresql://prober:{SECRET}%40@db:5432/orders",
}

MINIMAL = """\
target:
  environment: staging
  url: https://orders.example.com
  account_sid: AC0123456789abcdef0123456789abcdef
  auth_token: ${TOKEN}
probes:
  redis:
    url: redis://cache:6379/0
  database:
    dsn: postgresql://prober@db/orders
"""


def environment(file: Path) -> dict[str, str]:
    """What has to be set for `file`."""
    return SHIPPED_ENV if file == SHIPPED else ENV
