"""The signature check: a badly signed message and one without a signature, both of which have to be refused."""

from __future__ import annotations

from prober.cap import Demand
from prober.outcome import Outcome, ProbeName, Violation, WebhookCheck
from prober.probes.base import Run
from prober.probes.webhook_answer import read_refusal
from prober.probes.webhook_checks import Check
from prober.probes.webhook_message import Signing
from prober.probes.witness import NotAskable
from prober.result import WebhookCheckResult

CASES = (
    (WebhookCheck.BAD_SIGNATURE, Signing.FORGED, Violation.FORGED_ACCEPTED, "a badly signed message"),
    (WebhookCheck.NO_SIGNATURE, Signing.NOT, Violation.UNSIGNED_ACCEPTED, "a message without a signature"),
)
REQUESTS = len(CASES)  # that one run sends


class SignatureProbe(Check):
    """Sends what must not be taken; claimed first, so that it does no harm where it is taken."""

    name = ProbeName.WEBHOOK_SIGNATURE
    demand = Demand(webhook=REQUESTS)

    async def run(self, run: Run) -> WebhookCheckResult:
        """Send both; good when both were refused."""
        attempts = self._attempts(run)
        refused = self._messages.contract.path_check.refused
        violations = []
        try:
            for ordinal, (check, signing, violation, what) in enumerate(CASES, 1):
                message = await attempts.message(ordinal)
                request = attempts.request(message, signing)
                exchange = await attempts.send(request)
                read = read_refusal(refused, exchange, what)
                if attempts.add(check, message, request, exchange, read) is Outcome.VIOLATION:
                    violations.append(violation)
        except NotAskable as why:
            return attempts.not_asked(self.name, why, violations)
        return attempts.result(self.name, violations)
