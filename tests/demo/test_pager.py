"""What on-call reads of a notification."""

from __future__ import annotations

import json
from typing import Any

import pytest

from prober.alerts.alertmanager import PAGER, TICKETS
from prober.demo.pager import page_text, read

ALERT: dict[str, Any] = {
    "status": "firing",
    "labels": {"alertname": "RedisOutage", "severity": "critical", "subject": "redis", "region": "eu-1"},
    "annotations": {
        "summary": "Redis has been down for 12s",
        "description": "It has not answered.",
        "runbook_url": "docs/runbooks/RedisOutage.md",
        "dashboard": "https://grafana.example.com/d/prober-redis",
    },
}


def notification(*alerts: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(json.dumps({"version": "4", "receiver": "pager", "alerts": alerts}))
    return found


def test_a_page_has_all_that_is_needed() -> None:
    (page,) = read(PAGER, notification(ALERT), 5.0)
    assert (page.name, page.firing, page.at) == ("RedisOutage", True, 5.0)
    assert page_text(page, "03:04:05").splitlines() == [
        "03:04:05  PAGE    RedisOutage (eu-1 redis): Redis has been down for 12s",
        "          It has not answered.",
        "          runbook   docs/runbooks/RedisOutage.md",
        "          dashboard https://grafana.example.com/d/prober-redis",
    ]


def test_that_it_is_over_is_one_line() -> None:
    (page,) = read(PAGER, notification({**ALERT, "status": "resolved"}), 5.0)
    assert not page.firing
    assert page_text(page, "03:04:05") == "03:04:05  over    RedisOutage (eu-1 redis)"


def test_a_ticket_is_no_page() -> None:
    (page,) = read(TICKETS, notification(ALERT), 5.0)
    assert page_text(page, "03:04:05").startswith("03:04:05  ticket  RedisOutage")


@pytest.mark.parametrize("document", [{}, {"alerts": [{}]}, {"alerts": [{"status": "firing", "labels": {}}]}])
def test_what_is_no_notification_is_refused(document: dict[str, Any]) -> None:
    with pytest.raises(LookupError):
        read(PAGER, document, 5.0)
