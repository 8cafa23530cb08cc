"""Alertmanager's config: who is told, how soon, how often, and what is held back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from prober.alerts.inhibitions import inhibit_rules
from prober.alerts.yaml_text import yaml_text

PAGER, TICKETS, WATCHDOG, NOBODY = "pager", "tickets", "watchdog", "nobody"
RECEIVERS = (PAGER, TICKETS, WATCHDOG, NOBODY)
# Labels that tell routes apart. Region first: one region's trouble is not another's.
GROUP_BY = ("region", "subject")

_HEAD = """\
# Written by `python -m prober.alerts`; do not edit. docs/alerting.md says what each part is for.
#
# CHANGE: the receivers. Their secrets are files that only Alertmanager may read; here stand examples of each kind.
# CHANGE: the interval `maintenance`, for planned work that the prober's own config does not know. (What stands
#         there under `maintenance:` needs no change here.) As it stands it lies in the past.
"""

_MAINTENANCE = "maintenance"

# What a person reads. The templates that Alertmanager has of its own name labels, and no annotation at all: not
# what is wrong, not how bad, and no way to the runbook.
_SUBJECT = (
    "{{ if .Alerts.Firing }}{{ (index .Alerts.Firing 0).Annotations.summary }}"
    "{{ if gt (len .Alerts.Firing) 1 }} (and {{ len (slice .Alerts.Firing 1) }} more){{ end }}"
    "{{ else }}over: {{ (index .Alerts 0).Annotations.summary }}{{ end }}"
    "{{ with .CommonLabels.region }} [{{ . }}]{{ end }}"
)
_TEXT = (
    "{{ .Labels.alertname }}: {{ .Annotations.summary }}\n{{ .Annotations.description }}\n"
    "runbook: {{ .Annotations.runbook_url }}\ndashboard: {{ .Annotations.dashboard }}\n"
)
_OVER = "over: {{ .Labels.alertname }}: {{ .Annotations.summary }}\n"


def _each(which: str, text: str) -> str:
    """A template that says a text of each alert that is `Firing` or `Resolved`."""
    return f"{{{{ range .Alerts.{which} }}}}{text}{{{{ end }}}}"


def configuration() -> dict[str, Any]:
    """The whole config."""
    return {
        "global": {"resolve_timeout": "5m"},
        "route": route(),
        "inhibit_rules": inhibit_rules(),
        "receivers": [
            {
                "name": PAGER,
                "pagerduty_configs": [
                    {
                        "routing_key_file": "/etc/alertmanager/secrets/pagerduty_routing_key",
                        "send_resolved": True,
                        "description": _SUBJECT,
                        "client": "prober",
                        "client_url": "{{ (index .Alerts 0).Annotations.dashboard }}",
                        "details": {"firing": _each("Firing", _TEXT), "resolved": _each("Resolved", _OVER)},
                        "links": [{"href": "{{ (index .Alerts 0).Annotations.runbook_url }}", "text": "runbook"}],
                    },
                ],
            },
            {
                "name": TICKETS,
                "slack_configs": [
                    {
                        "api_url_file": "/etc/alertmanager/secrets/slack_api_url",
                        "channel": "#orders-alerts",
                        "send_resolved": True,
                        "title": _SUBJECT,
                        "title_link": "{{ (index .Alerts 0).Annotations.dashboard }}",
                        "text": _each("Firing", _TEXT) + _each("Resolved", _OVER),
                    },
                ],
            },
            {
                "name": WATCHDOG,
                "webhook_configs": [
                    {
                        "url": "https://deadman.example.com/prober",
                        "send_resolved": False,
                        "http_config": {
                            "authorization": {
                                "type": "Bearer",
                                "credentials_file": "/etc/alertmanager/secrets/deadman_token",
                            }
                        },
                    },
                ],
            },
            {"name": NOBODY},
        ],
        "time_intervals": [
            {
                "name": _MAINTENANCE,
                "time_intervals": [
                    {
                        "years": ["2020"],
                        "months": ["january"],
                        "days_of_month": ["1"],
                        "times": [{"start_time": "03:00", "end_time": "05:00"}],
                    },
                ],
            },
        ],
    }


def route() -> dict[str, Any]:
    """The tree of routes. Whatever has no severity that we know becomes a ticket."""
    return {
        "receiver": TICKETS,
        "group_by": list(GROUP_BY),
        "group_wait": "30s",
        "group_interval": "5m",
        "repeat_interval": "12h",
        "routes": [
            # Heard all the time, so that its silence is.
            _route(WATCHDOG, ['alertname="Watchdog"'], wait="0s", interval="1m", repeat="1m"),
            _route(NOBODY, ['severity="none"']),
            # Critical by the guide's table, and yet for the morning.
            _route(TICKETS, ['severity="critical"', 'wakes="false"'], muted=True),
            # Nothing holds these back, and they end by themselves or by `prober ack`: told once, then once a day.
            _route(PAGER, ['severity="critical"', 'violation="true"'], wait="5s", interval="15s", repeat="24h"),
            # Work on the target is no reason for nobody to watch it.
            _route(PAGER, ['severity="critical"', 'subject="prober"'], wait="5s", interval="15s", repeat="4h"),
            _route(PAGER, ['severity="critical"'], wait="5s", interval="15s", repeat="4h", muted=True),
            _route(TICKETS, ['severity="warning"'], muted=True),
        ],
    }


def _route(
    receiver: str,
    matchers: Sequence[str],
    *,
    wait: str = "",
    interval: str = "",
    repeat: str = "",
    muted: bool = False,
) -> dict[str, Any]:
    times = {"group_wait": wait, "group_interval": interval, "repeat_interval": repeat}
    return {
        "receiver": receiver,
        "matchers": list(matchers),
        **{name: value for name, value in times.items() if value},
        **({"mute_time_intervals": [_MAINTENANCE]} if muted else {}),
    }


def alertmanager_text() -> str:
    """The file."""
    return _HEAD + yaml_text(configuration())


def told_to(urls: Mapping[str, str]) -> dict[str, Any]:
    """The same config with webhooks as receivers, by receiver; one that is not named tells nobody."""
    receivers = [
        {"name": name, "webhook_configs": [{"url": urls[name], "send_resolved": True}]}
        if name in urls
        else {"name": name}
        for name in RECEIVERS
    ]
    return {**configuration(), "receivers": receivers}
