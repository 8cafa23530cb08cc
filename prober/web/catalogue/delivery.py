"""The metrics of the webhook and of vendor routing."""

from __future__ import annotations

from prober.outcome import ProbeName
from prober.web import labels as of
from prober.web.metric import Group, Kind, Metric

_WEBHOOK = frozenset({ProbeName.WEBHOOK})
_RACE = frozenset({ProbeName.RACE})

# Every threshold of the guide that applies is an edge, so that a share "under 500 ms" is exact and not
# interpolated; the edges between them keep quantiles honest.
_ANSWER = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0)
_PHASE = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
_PROCESSING = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 900.0)
_SPREAD = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1)

WEBHOOK_REQUESTS = Metric(
    name="whatsapp_webhook_requests_total",
    kind=Kind.COUNTER,
    group=Group.WEBHOOK,
    help="Synthetic webhooks sent or tried, by check and HTTP status; `none` where no whole answer came.",
    labels=(of.SOURCE, of.CHECK, of.CODE),
    probes=_WEBHOOK,
)
WEBHOOK_DURATION = Metric(
    name="whatsapp_webhook_duration_seconds",
    kind=Kind.HISTOGRAM,
    group=Group.WEBHOOK,
    help="Answer time of accepted synthetic webhooks and elapsed time of timed-out ones.",
    unit="seconds",
    labels=(of.SOURCE,),
    buckets=_ANSWER,
    probes=_WEBHOOK,
)
WEBHOOK_ERRORS = Metric(
    name="whatsapp_webhook_errors_total",
    kind=Kind.COUNTER,
    group=Group.WEBHOOK,
    help="Synthetic webhooks that the endpoint failed, by reason; a 429 is none of them.",
    labels=(of.SOURCE, of.WEBHOOK_REASON),
    probes=_WEBHOOK,
)
WEBHOOK_PHASE = Metric(
    name="whatsapp_webhook_phase_seconds",
    kind=Kind.HISTOGRAM,
    group=Group.WEBHOOK,
    help="Where the time of those webhooks went that the duration histogram counts; the phases add up to it.",
    unit="seconds",
    labels=(of.PHASE,),
    buckets=_PHASE,
    probes=_WEBHOOK,
)
WEBHOOK_PROCESSING = Metric(
    name="whatsapp_webhook_processing_seconds",
    kind=Kind.HISTOGRAM,
    group=Group.WEBHOOK,
    help="Delay from the 2xx answer of a webhook to its effect in the database, late ones too.",
    unit="seconds",
    buckets=_PROCESSING,
    probes=_WEBHOOK,
)
WEBHOOK_SETTLED = Metric(
    name="whatsapp_webhook_settled_total",
    kind=Kind.COUNTER,
    group=Group.WEBHOOK,
    help="Accepted webhooks whose wait for their effect ended, by how; `not_known` could not be asked.",
    labels=(of.SETTLEMENT,),
    probes=_WEBHOOK,
)
WEBHOOK_LOST = Metric(
    name="whatsapp_webhook_lost_total",
    kind=Kind.COUNTER,
    group=Group.WEBHOOK,
    help="Webhooks answered 2xx whose effect had not appeared by the deadline; kept across restarts.",
    probes=_WEBHOOK,
)
WEBHOOK_LATE = Metric(
    name="whatsapp_webhook_late_total",
    kind=Kind.COUNTER,
    group=Group.WEBHOOK,
    help="Webhooks whose effect appeared after the deadline, called lost before or not; kept across restarts.",
    probes=_WEBHOOK,
)
WEBHOOK_VIOLATIONS = Metric(
    name="whatsapp_webhook_violations_total",
    kind=Kind.COUNTER,
    group=Group.WEBHOOK,
    help="Things found at the webhook that a correct system never does, by kind; kept across restarts.",
    labels=(of.WEBHOOK_KIND,),
    probes=_WEBHOOK,
)
TLS_NOT_AFTER = Metric(
    name="prober_target_tls_not_after_timestamp_seconds",
    kind=Kind.GAUGE,
    group=Group.WEBHOOK,
    help="Unix time at which the certificate of the webhook endpoint ends; absent over plain HTTP.",
    unit="seconds",
    probes=_WEBHOOK,
)

RACES = Metric(
    name="vendor_routing_races_total",
    kind=Kind.COUNTER,
    group=Group.RACE,
    help="Races that got a verdict: one winner, or a violation.",
    probes=_RACE,
)
WIN_RATE = Metric(
    name="vendor_routing_win_rate",
    kind=Kind.GAUGE,
    group=Group.RACE,
    help="Share of the judged races in the window with exactly one consistent winner; absent without a verdict.",
    unit="ratio",
    probes=_RACE,
)
WIN_RATE_RACES = Metric(
    name="vendor_routing_win_rate_races",
    kind=Kind.GAUGE,
    group=Group.RACE,
    help="Races in the window of the win rate, with and without a verdict.",
    unit="races",
    labels=(of.VERDICT,),
    probes=_RACE,
)
RESPONSE_TIME = Metric(
    name="vendor_routing_response_time_seconds",
    kind=Kind.HISTOGRAM,
    group=Group.RACE,
    help="Answer time of each vendor's accept that got a definite answer, won or not.",
    unit="seconds",
    buckets=_ANSWER,
    probes=_RACE,
)
RACE_DURATION = Metric(
    name="vendor_routing_race_duration_seconds",
    kind=Kind.HISTOGRAM,
    group=Group.RACE,
    help="Release of all accepts to the last answer, of judged races.",
    unit="seconds",
    buckets=_ANSWER,
    probes=_RACE,
)
RACE_SPREAD = Metric(
    name="prober_race_release_spread_seconds",
    kind=Kind.HISTOGRAM,
    group=Group.RACE,
    help="First to last accept released of each race: how simultaneous the vendors really were.",
    unit="seconds",
    buckets=_SPREAD,
    probes=_RACE,
)
RACE_OUTCOMES = Metric(
    name="vendor_routing_race_outcomes_total",
    kind=Kind.COUNTER,
    group=Group.RACE,
    help="All races by outcome, those without a verdict too.",
    labels=(of.RACE_OUTCOME,),
    probes=_RACE,
)
RACE_CONDITIONS = Metric(
    name="vendor_routing_race_conditions_total",
    kind=Kind.COUNTER,
    group=Group.RACE,
    help="Violations found in races, by kind; kept across restarts.",
    labels=(of.RACE_KIND,),
    probes=_RACE,
)
