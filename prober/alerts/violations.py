"""Alerts on what a correct system never does, whatever else is broken: one is enough, and nothing silences it."""

from __future__ import annotations

from prober.alerts.alert import Alert, Look, Runbook
from prober.alerts.labels import Severity, Subject
from prober.alerts.promql import COUNT, any_of, held, increase, of, over
from prober.guide.advice import recommendations
from prober.guide.advice.recommendation import Recommendation
from prober.guide.advice.redis import FALLBACK_QUEUE
from prober.guide.advice.webhook import RESPONSE_CACHE
from prober.guide.breaking_points import read
from prober.outcome import RACE_VIOLATIONS, Dashboard, Measure, RaceOutcome, Suite, Violation
from prober.web.catalogue.delivery import WEBHOOK_LATE
from prober.web.catalogue.probing import OPEN_VIOLATIONS

# A restart of the prober must not look like the end of a violation: so long its last count holds. One that was
# acknowledged, or is over, is 0 and not absent, and ends at once.
REMEMBERED = "15m"

# Alertmanager routes these apart: they are repeated once a day at most, and no maintenance holds them back.
MARK = {"violation": "true"}

RACE_KINDS = tuple(kind for kind in RaceOutcome if kind in RACE_VIOLATIONS)

_SILENCE = (
    "`prober ack ID --reason …` (or the kind instead of an id) is the better silence: it is kept with its "
    "reason, is shown as known on the status page, and expires by itself; the alert then pages again if the "
    "violation is still within its hold. Without it the alert ends `violation_hold` (4 h as shipped) after the "
    "violation was last seen."
)
_EVIDENCE = Look("each of them, with its evidence", "prober status; prober evidence ID")


def _violation(
    name: str,
    kinds: tuple[Violation | RaceOutcome, ...],
    subject: Subject,
    dashboard: Dashboard,
    what: str,
    *,
    means: str,
    causes: tuple[str, ...],
    do: tuple[str, ...],
    advice: tuple[Recommendation, ...] = (),
    false_alarms: tuple[str, ...],
) -> Alert:
    return Alert(
        name=name,
        expr=f"{over('sum', held(of(OPEN_VIOLATIONS, any_of('kind', *kinds)), REMEMBERED), 'kind')} > 0",
        severity=Severity.CRITICAL,
        subject=subject,
        keeps=("kind",),
        at_once="one violation is enough, and it is written down before it is counted",
        marks=MARK,
        summary=f"{what}: {COUNT} × {{{{ $labels.kind }}}}",
        description=(
            f"{COUNT} open, of the kind {{{{ $labels.kind }}}}. A correct system never does this, "
            "whatever else is broken. The evidence of each is kept: prober status, prober evidence ID. It pages "
            "until it is acknowledged (prober ack), or violation_hold after it was last seen."
        ),
        dashboard=dashboard,
        runbook=Runbook(
            means=means,
            look=(
                Look("how many, of which kind", of(OPEN_VIOLATIONS)),
                _EVIDENCE,
                Look("acknowledged ones", 'prober_known_violations{job="prober"}'),
            ),
            causes=causes,
            do=("Read the evidence of one: it says who asked what when, was answered what, and the rows.", *do),
            advice=advice,
            false_alarms=false_alarms,
            silence=_SILENCE,
        ),
    )


_ONE_WINNER = recommendations(read(Suite.VENDOR_RACE, Measure.RACE_CONDITIONS, 0.02))

ALERTS: tuple[Alert, ...] = (
    _violation(
        "RaceConditionDetected",
        RACE_KINDS,
        Subject.ROUTING,
        Dashboard.RACES,
        "an order was not won by exactly one vendor",
        means=(
            "In a synthetic race not exactly one vendor won, by the answers and by the rows: `multiple_winners`; "
            "`phantom_winner` (told it won, the database says another); `late_winner`; `not_idempotent` (the "
            "winner asked again and was told otherwise); `split_order` (two routings of one order, two winners); "
            "`no_winner`. Real orders meet the same code. The guide's expression (`races - win rate > 0`) is "
            "above 0 on every healthy system that has run two races; here open violations are counted."
        ),
        causes=(
            (
                "Nothing in the database refuses a second winner (no unique index), and two accepts met between "
                "look and write."
            ),
            "A deployment took the lock or the transaction away.",
            "`split_order`: as deployed nothing keeps two routings of one order apart.",
        ),
        do=(
            "Ask the database how many real orders have two winners (the query is in the advice), since when.",
            "If it began with a deployment, roll back; else create the unique index, which refuses from then on.",
        ),
        advice=_ONE_WINNER,
        false_alarms=(
            "None is known: answers that are lost or unclear never convict. If the evidence does not convince, "
            "keep "
            "it and report it as a fault of prober.",
        ),
    ),
    _violation(
        "DuplicateEffect",
        (Violation.DUPLICATE_EFFECT,),
        Subject.WEBHOOK,
        Dashboard.WEBHOOK,
        "one webhook took effect more than once",
        means=(
            "The same message (one `MessageSid`), sent again as Twilio does, took effect twice: a customer's "
            "order may be placed twice."
        ),
        causes=(
            "The look for an earlier message and the write of this one are not one step: two at once both pass.",
            "A cache decides whether a message is new, and the key was evicted or Redis was away.",
        ),
        do=("Look for real messages processed twice since the time of the first violation.",),
        advice=(RESPONSE_CACHE,),
        false_alarms=("None is known.",),
    ),
    _violation(
        "MessageLost",
        (Violation.LOST_MESSAGE,),
        Subject.WEBHOOK,
        Dashboard.WEBHOOK,
        "an accepted webhook was lost",
        means=(
            "A webhook was answered 2xx and its effect had not appeared by `processing_deadline`, time in which "
            "Redis or the database were down not counted. The customer thinks the order is placed, and nobody "
            "has it. One that appears after all is counted in `whatsapp_webhook_late_total`, and `MessagesLate` "
            "tells."
        ),
        causes=(
            "The database was away while the message came in: as deployed it gets its 200 all the same.",
            "Workers are stuck or gone: `redis_queue_backlog`, `QueueNotDraining`.",
            "The process died between its answer and its work.",
        ),
        do=(
            "See whether it was one or all: `rate(whatsapp_webhook_settled_total[5m])` by `settlement`.",
            "All: the workers. Restart them; what is in the queue is worked off, what is not in it is gone.",
            "Find the customers: Twilio's log has every message that was delivered since then.",
        ),
        advice=(FALLBACK_QUEUE,),
        false_alarms=("Processing that takes longer than `processing_deadline` (60 s): see `MessagesLate`.",),
    ),
    _violation(
        "ForgedWebhookAccepted",
        (Violation.FORGED_ACCEPTED, Violation.UNSIGNED_ACCEPTED, Violation.REPLAY_ACCEPTED),
        Subject.WEBHOOK,
        Dashboard.WEBHOOK,
        "the webhook took a message that it must refuse",
        means=(
            "A message with a wrong signature (`forged_accepted`), with none (`unsigned_accepted`), or one "
            "recorded earlier (`replay_accepted`) was accepted. Whoever knows the address can place orders in "
            "anybody's name."
        ),
        causes=(
            "The check of signatures was switched off (a debug setting, a route without the middleware).",
            "A proxy answers 2xx in place of the application.",
        ),
        do=(
            "Roll back the last deployment, or let only Twilio's addresses through until it is mended.",
            (
                "Look in the log for messages that Twilio did not send (their `MessageSid` is unknown to its "
                "console)."
            ),
        ),
        false_alarms=(
            "`replay_accepted`: the contract says that the target has replay protection, and it has none.",
        ),
    ),
    Alert(
        name="MessagesLate",
        expr=f"{over('sum', increase(of(WEBHOOK_LATE), '30m'))} > 0.5",
        severity=Severity.WARNING,
        subject=Subject.WEBHOOK,
        at_once="a late message is counted when it has arrived; there is nothing to wait for",
        summary=f"webhooks that took effect after their deadline: {COUNT} in 30 minutes",
        description=(
            f"{COUNT} in the last 30 minutes took effect after processing_deadline had passed. If MessageLost has "
            "paged for them: they were late, and not lost."
        ),
        dashboard=Dashboard.WEBHOOK,
        runbook=Runbook(
            means="Accepted messages took effect, but after `processing_deadline` (60 s as shipped).",
            look=(
                Look(
                    "delay of the effect",
                    (
                        "histogram_quantile(0.95, sum by (le) "
                        '(rate(whatsapp_webhook_processing_seconds_bucket{job="prober"}[30m])))'
                    ),
                ),
                Look("backlog", 'max by (queue) (redis_queue_backlog{job="prober"})'),
            ),
            causes=("Workers are too few or stuck.", "An outage is being worked off."),
            do=("With a backlog: more workers. Without: see what one job waits for.",),
            advice=recommendations(read(Suite.REDIS_FAILURE, Measure.BACKLOG, 500)),
            false_alarms=("A `processing_deadline` that is shorter than processing takes here.",),
        ),
    ),
)
