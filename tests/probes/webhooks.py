"""What the tests of the webhook probes share: whom they ask, by which contract, and what was meant to be made."""

from __future__ import annotations

from prober.config import load_strict
from prober.contract import SHIPPED, Contract
from prober.demo.target.forms import FORMS, FormName
from prober.result import AwaitedWebhook

TOKEN = "0123456789abcdef0123456789abcdef"
PUBLIC_URL = "https://orders.example.com"
PATH = "/api/v1/whatsapp/webhook"
NUMBER = "+999000000000"
CONTRACT = load_strict(SHIPPED / "whatsapp-ordering-system.yaml", Contract).webhook
SCHEMA = FORMS[FormName.DEPLOYED].schema()
# Far more than any answer here takes on a busy machine; where nothing answers, tests name a shorter one.
TIMEOUT = 20.0


class Intended:
    """Keeps what the probe was about to make."""

    def __init__(self) -> None:
        self.messages: list[AwaitedWebhook] = []

    async def __call__(self, message: AwaitedWebhook) -> None:
        self.messages.append(message)
