"""A sender for tests, as the shipped contract has it."""

from __future__ import annotations

from pathlib import Path

from prober.config.load import load_strict
from prober.contract import SHIPPED, Contract
from prober.http1 import Endpoint
from prober.probes.synthetic import Mark
from prober.suites.load.messages import Composer, Ids, Sender

RUN = "0193abcd123deadbeef"


def contract(name: str = "whatsapp-ordering-system") -> Contract:
    return load_strict(Path(SHIPPED / f"{name}.yaml"), Contract)


def sender(
    url: str = "http://127.0.0.1:8080",
    *,
    token: str = "0123456789abcdef" * 2,
    number: str = "+999000000001",
    name: str = "whatsapp-ordering-system",
) -> Sender:
    return Sender(
        contract=contract(name).webhook,
        endpoint=Endpoint.parse(url),
        public_url="https://orders.example.test",
        auth_token=token,
        account_sid="AC" + "0" * 32,
        from_number=number,
    )


def composer(url: str = "http://127.0.0.1:8080") -> Composer:
    return Composer(sender(url), Ids(Mark("test"), RUN))
