"""Entries as SQL: which rows each of them becomes."""

from __future__ import annotations

from collections.abc import Sequence

from prober.event import Outage, ServiceRestarted, SuiteFinished, ViolationFound, WebhookSettled
from prober.publish.journal.encoding import Redact, dumps, field_names, plain, storable, to_json
from prober.publish.journal.entries import (
    Acknowledgement,
    Cleaned,
    Entry,
    Forgotten,
    Intended,
    State,
    SuiteRace,
)
from prober.result import AwaitedWebhook, RaceResult, Result

Statement = tuple[str, tuple[object, ...]]

_COMMON = frozenset(field_names(Result) or ())
_IN_RACES = ("history", "sentence")  # the evidence is kept once, in its own table

INSERT_RESULT = "INSERT INTO results VALUES (NULL, ?, ?, ?, ?, ?, ?, ?)"
INSERT_RACE = """INSERT INTO races (id, released_wall, outcome, violation, sentence, routing_id, order_id,
    race_duration, evidence, suite_run) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (id) DO UPDATE SET outcome = excluded.outcome, violation = excluded.violation,
    sentence = excluded.sentence, race_duration = excluded.race_duration, evidence = excluded.evidence"""
UPSERT_OUTAGE = """INSERT INTO outages VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (id) DO UPDATE SET began_wall = excluded.began_wall, began_mono = excluded.began_mono,
    boot_id = excluded.boot_id, cause = excluded.cause, detail = excluded.detail,
    ended_wall = excluded.ended_wall, ended_mono = excluded.ended_mono, duration = excluded.duration,
    uncertainty = excluded.uncertainty, failures = excluded.failures"""
UPSERT_AWAITED = """INSERT INTO webhooks (message_sid, run_id, mode, body, from_number, intended_wall,
    intended_mono, accepted_wall, accepted_mono, boot_id, lost, repeated, followed)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1)
    ON CONFLICT (message_sid) DO UPDATE SET run_id = excluded.run_id, mode = excluded.mode,
    body = excluded.body, from_number = excluded.from_number, intended_wall = excluded.intended_wall,
    intended_mono = excluded.intended_mono, accepted_wall = excluded.accepted_wall,
    accepted_mono = excluded.accepted_mono, boot_id = excluded.boot_id, lost = excluded.lost,
    repeated = excluded.repeated, followed = 1"""
FORGET = "UPDATE webhooks SET followed = 0 WHERE message_sid = ?"
UPSERT_SETTLED = """INSERT INTO webhooks (message_sid, run_id, settlement, settled_wall, delay, effects, sentence)
    VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (message_sid) DO UPDATE SET settlement = excluded.settlement,
    settled_wall = excluded.settled_wall, delay = excluded.delay, effects = excluded.effects,
    sentence = excluded.sentence"""
UPSERT_VIOLATION = """INSERT INTO violations VALUES (NULL, ?, ?, ?, ?, ?)
    ON CONFLICT (id) DO UPDATE SET last_wall = max(last_wall, excluded.last_wall),
    sentence = excluded.sentence"""
UPSERT_ACKNOWLEDGEMENT = "INSERT OR REPLACE INTO acknowledgements VALUES (?, ?, ?, ?)"
UPSERT_MARK = "INSERT OR REPLACE INTO marks VALUES (?, ?, ?, ?, ?, ?)"
DELETE_MARK = "DELETE FROM marks WHERE kind = ? AND id = ?"
UPSERT_STATE = "INSERT OR REPLACE INTO state VALUES (?, ?)"
INSERT_SUITE = """INSERT INTO suites (run_id, suite, scenario, started_wall, ended_wall, duration, ending, verdict,
    sentence, summary) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (run_id) DO NOTHING"""
INSERT_RESTART = "INSERT INTO restarts VALUES (NULL, ?, ?, ?)"


class Encoder:
    """Turns entries into statements; every text is redacted on its way.

    `boot_id` is written beside every monotonic time, which means nothing after the next boot.
    """

    def __init__(self, boot_id: str, redact: Redact) -> None:
        self._boot_id = boot_id
        self._text = storable(redact)

    def statements(self, entry: Entry) -> Sequence[Statement]:
        """Return what to execute, in order. Raises TypeError for what the journal has no place for."""
        match entry:
            case RaceResult():
                return self._result(entry, _IN_RACES), self._race(entry)
            case Result():
                return (self._result(entry),)
            case Outage():
                return (self._outage(entry),)
            case AwaitedWebhook():
                return (self._awaited(entry),)
            case WebhookSettled():
                return (self._settled(entry),)
            case SuiteRace():
                return (self._suite_race(entry),)
            case SuiteFinished():
                return (self._suite(entry),)
            case _:
                return (self._small(entry),)

    def _small(
        self,
        entry: ViolationFound | Acknowledgement | ServiceRestarted | Intended | Cleaned | Forgotten | State,
    ) -> Statement:
        text, boot = self._text, self._boot_id
        match entry:
            case ViolationFound(id=id_, kind=kind, at=at, sentence=sentence):
                return UPSERT_VIOLATION, (text(id_), kind.value, at.wall, at.wall, text(sentence))
            case Acknowledgement(what=what, at=at, until_wall=until, reason=reason):
                return UPSERT_ACKNOWLEDGEMENT, (text(what), at.wall, until, text(reason))
            case ServiceRestarted(service=service, at=at, detail=detail):
                return INSERT_RESTART, (service.value, at.wall, text(detail))
            case Intended(kind=kind, id=id_, run_id=run_id, at=at):
                return UPSERT_MARK, (text(kind), text(id_), text(run_id), at.wall, at.mono, boot)
            case Cleaned(kind=kind, id=id_):
                return DELETE_MARK, (text(kind), text(id_))
            case Forgotten(message_sid=sid):
                return FORGET, (text(sid),)
            case State(key=key, value=value):
                return UPSERT_STATE, (text(key), to_json(value, text))
            case _:
                raise TypeError(f"the journal has no place for a {type(entry).__name__}")

    def _result(self, result: Result, elsewhere: Sequence[str] = ()) -> Statement:
        text = self._text
        names = field_names(type(result)) or ()
        specifics = {
            name: plain(getattr(result, name), text)
            for name in names
            if name not in _COMMON and name not in elsewhere
        }
        return INSERT_RESULT, (
            result.probe.value,
            text(result.run_id),
            result.started.wall,
            result.duration,
            result.outcome.value,
            text(result.detail),
            dumps(specifics),
        )

    def _race(self, race: RaceResult) -> Statement:
        text = self._text
        return INSERT_RACE, (
            text(race.run_id),
            race.released.wall,
            race.race_outcome.value,
            race.race_outcome.is_violation,
            text(race.sentence),
            text(race.routing_id),
            text(race.order_id),
            race.race_duration,
            to_json(race, text),
            None,
        )

    def _suite_race(self, race: SuiteRace) -> Statement:
        text = self._text
        return INSERT_RACE, (
            text(race.run_id),
            race.released_wall,
            race.outcome.value,
            race.outcome.is_violation,
            text(race.sentence),
            text(race.routing_id),
            text(race.order_id),
            race.race_duration,
            to_json(race.evidence, text),
            text(race.suite_run),
        )

    def _suite(self, suite: SuiteFinished) -> Statement:
        text = self._text
        summary = {
            "environment": suite.environment,
            "measures": suite.measures,
            "verdicts": suite.verdicts,
            "notes": suite.notes,
            "violations": suite.violations,
        }
        return INSERT_SUITE, (
            text(suite.run_id),
            suite.suite.value,
            text(suite.scenario),
            suite.started_wall,
            suite.ended_wall,
            suite.duration,
            suite.ending.value,
            None if suite.verdict is None else suite.verdict.value,
            text(suite.sentence),
            to_json(summary, text),
        )

    def _outage(self, outage: Outage) -> Statement:
        text, ended = self._text, outage.ended
        return UPSERT_OUTAGE, (
            text(outage.id),
            outage.probe.value,
            outage.began.wall,
            outage.began.mono,
            self._boot_id,
            outage.cause.value,
            text(outage.detail),
            None if ended is None else ended.wall,
            None if ended is None else ended.mono,
            outage.duration,
            outage.uncertainty,
            outage.failures,
        )

    def _awaited(self, webhook: AwaitedWebhook) -> Statement:
        text, accepted = self._text, webhook.accepted
        return UPSERT_AWAITED, (
            text(webhook.message_sid),
            text(webhook.run_id),
            webhook.mode.value,
            text(webhook.body),
            text(webhook.from_number),
            webhook.intended.wall,
            webhook.intended.mono,
            None if accepted is None else accepted.wall,
            None if accepted is None else accepted.mono,
            self._boot_id,
            webhook.lost,
            webhook.repeated,
        )

    def _settled(self, settled: WebhookSettled) -> Statement:
        text = self._text
        return UPSERT_SETTLED, (
            text(settled.message_sid),
            text(settled.run_id),
            settled.settlement.value,
            settled.at.wall,
            settled.delay,
            settled.effects,
            text(settled.sentence),
        )
