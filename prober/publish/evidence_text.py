"""Evidence as plain text to paste into a ticket: the verdict, when, who asked what and was told what, the rows.

Every text is escaped, since most of them come from a target. Values that this page does not know by name (a newer
contract, a newer probe) are shown as they are stored, at the end of their part.
"""

from __future__ import annotations

import json
import math
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeGuard

from prober.outcome import Ask, Standing
from prober.publish.evidence import Evidence, ViolationRecord
from prober.publish.journal.stored import StoredOutage, StoredRace, StoredResult, StoredWebhook
from prober.publish.printable import length, printable, utc

_LABEL = 16
# What has a place of its own in the text of a race.
_RACE_KNOWN = frozenset(
    {
        *("probe", "run_id", "started", "duration", "outcome", "detail", "race_outcome", "sentence"),
        *("routing_id", "order_id", "released", "race_duration", "spread", "leftovers", "history"),
        *("answers", "rows", "rows_after", "second_rows", "page_winner"),
    }
)
_ANSWER_KNOWN = frozenset({"vendor_id", "sent", "answered", "claim", "code", "outcome", "told", "trace_id", "ask"})
_LATER_ROWS = {
    "rows_after": "once the winner had asked again and a late vendor had asked",
    "second_rows": "of the second routing of the order",
}
_WEBHOOK_KNOWN = frozenset(
    {"check", "mode", "code", "accepted", "message_sid", "trace_id", "phases", "reused", "sent", "awaited"}
)
_UNTOLD: tuple[object, ...] = (None, "", [], {})


def render(evidence: Evidence, now_wall: float) -> str:
    """The whole text; `now_wall` (Unix time) says what of a violation is open."""
    parts: list[Iterable[str]] = []
    if evidence.race is not None:
        parts.append(_race(evidence.race))
    if evidence.webhook is not None or evidence.result is not None:
        parts.append(_webhook(evidence.webhook, evidence.result))
    if evidence.outage is not None:
        parts.append(_outage(evidence.outage))
    if not parts:
        parts.append(["what proves it is no longer in the journal: the oldest goes first (journal.retention)"])
    told = {part.sentence for part in (evidence.race, evidence.webhook) if part is not None}
    parts += [_violation(record, told, now_wall) for record in evidence.violations]
    return "\n\n".join("\n".join(lines) for lines in parts) + "\n"


def _race(race: StoredRace) -> Iterator[str]:
    evidence = _with_history(race.evidence or {})
    yield f"race {printable(race.id)}: {printable(race.outcome)}"
    yield f"  {printable(race.sentence)}"
    yield ""
    yield _line("released", utc(race.released_wall))
    yield _line("routing", printable(race.routing_id))
    yield _line("order", printable(race.order_id))
    if race.race_duration is not None:
        yield _line("lasted", f"{length(race.race_duration)} from the release to the last answer")
    spread = _number(evidence.get("spread"))
    if spread is not None:
        yield _line("released within", f"{spread * 1000:.3f} ms, the first request to the last")
    if evidence.get("detail") not in (*_UNTOLD, race.sentence):
        yield _line("the probe said", _shown(evidence["detail"]))
    yield ""
    yield "timeline, in milliseconds from the release"
    yield from _timeline(evidence)
    yield ""
    yield "rows in the database afterwards"
    yield f"  {_rows(evidence.get('rows'))}"
    for name, when in _LATER_ROWS.items():
        if evidence.get(name) is not None:
            yield f"  {when}: {_rows(evidence[name])}"
    if evidence.get("page_winner") is not None:
        yield f"  the status page names {_shown(evidence['page_winner'])}"
    yield f"  {_shown(evidence.get('leftovers', 'not known how many'))} rows of ours left behind by cleaning up"
    yield from _rest(evidence, _RACE_KNOWN, but=_exchanges(evidence))


def _with_history(evidence: Mapping[str, object]) -> Mapping[str, object]:
    """The evidence with what is known of the race itself beside the rest of it."""
    history = evidence.get("history")
    return {**evidence, **history} if isinstance(history, Mapping) else evidence


@dataclass(frozen=True, slots=True)
class _Step:
    at: float  # milliseconds from the release; infinity: never
    text: str


def _timeline(evidence: Mapping[str, object]) -> Iterator[str]:
    steps: list[_Step] = []
    for what, answers in _exchanges(evidence).items():
        for answer in answers:
            asked = answer.get("ask") in (None, Ask.RACE)
            word = "accept" if asked else f"accept ({_shown(answer['ask'])})"
            steps += _steps(word if what == "answers" else what.replace("_", " "), answer)
    if not steps:
        yield "  nothing was sent"
    for step in sorted(steps, key=lambda step: step.at):
        at = f"{step.at:+12.3f}" if math.isfinite(step.at) else f"{'never':>12}"
        yield f"{at}  {step.text}"


def _exchanges(evidence: Mapping[str, object]) -> dict[str, list[Mapping[str, object]]]:
    """Every list of answers of vendors, by the name under which it is kept."""
    return {name: value for name, value in evidence.items() if _are_answers(value)}


def _are_answers(value: object) -> TypeGuard[list[Mapping[str, object]]]:
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(one, dict) and "vendor_id" in one for one in value)
    )


def _steps(what: str, answer: Mapping[str, object]) -> Iterator[_Step]:
    vendor = _shown(answer.get("vendor_id"))
    more = "".join(
        f"  {_shown(name)} {_shown(value)}"
        for name, value in answer.items()
        if name not in _ANSWER_KNOWN and value not in _UNTOLD
    )
    trace = answer.get("trace_id")
    traced = f"  trace {_shown(trace)}" if trace else ""
    yield _Step(_offset(answer.get("sent")), f"-> {vendor}  {what}{traced}{more}")
    code = answer.get("code")
    status = "no whole answer" if code is None else _shown(code)
    told = answer.get("told")
    said = f"  told {json.dumps(printable(str(told)), ensure_ascii=False)}" if told else ""
    claim, outcome = _shown(answer.get("claim")), answer.get("outcome")
    came = "" if outcome in ("ok", *_UNTOLD) else f" ({_shown(outcome)})"
    yield _Step(_offset(answer.get("answered")), f"<- {vendor}  {status}, {claim}{came}{said}")


def _rows(rows: object) -> str:
    if not isinstance(rows, Mapping):
        return "not known: they could not be read"
    if rows.get("routing_exists") is False:
        return "there is no such routing"
    locked, accepted = rows.get("locked_vendor"), rows.get("accepted_vendors")
    lock = f"locked for {_shown(locked)}" if locked else "locked for nobody"
    names = [_shown(one) for one in accepted] if isinstance(accepted, Sequence) else []
    more = {"locked_vendor", "accepted_vendors", "routing_exists"}
    rest = "".join(f"; {_shown(k)}: {_shown(v)}" for k, v in rows.items() if k not in more and v not in _UNTOLD)
    return f"{lock}; accepted by {', '.join(names) or 'nobody'}{rest}"


def _webhook(webhook: StoredWebhook | None, result: StoredResult | None) -> Iterator[str]:
    sees = {} if result is None else result.specifics
    sid = webhook.message_sid if webhook is not None else _shown(sees.get("message_sid"))
    how = None if webhook is None else webhook.settlement
    yield f"webhook {printable(sid)}: {printable(how or (result.outcome if result else 'not settled'))}"
    for sentence in (webhook and webhook.sentence, result and result.detail):
        if sentence and sentence != str(sees.get("code")):
            yield f"  {printable(sentence)}"
    yield ""
    run_id = webhook.run_id if webhook is not None else result.run_id if result is not None else ""
    yield _line("run", printable(run_id))
    if webhook is not None:
        yield from _followed(webhook)
    if result is None:
        yield _line("answer", "what the probe saw is no longer in the journal, or was never written")
        return
    yield ""
    yield "the request"
    code = sees.get("code")
    yield _line(
        "sent", f"{utc(result.started_wall)}, check {_shown(sees.get('check'))}, mode {_shown(sees.get('mode'))}"
    )
    answer = "no whole answer" if code is None else f"HTTP {_shown(code)}"
    yield _line(
        "answer", f"{answer} ({printable(result.outcome)}), {result.duration * 1000:+.3f} ms after it was sent"
    )
    phases = sees.get("phases")
    if isinstance(phases, Mapping) and phases:
        spent = (f"{_shown(name)} {(_number(value) or 0.0) * 1000:.3f}" for name, value in phases.items())
        yield _line("phases (ms)", ", ".join(spent))
    yield _line("trace", _shown(sees.get("trace_id")))
    yield from _rest(sees, _WEBHOOK_KNOWN)


def _followed(webhook: StoredWebhook) -> Iterator[str]:
    for label, wall in (
        ("intended", webhook.intended_wall),
        ("accepted", webhook.accepted_wall),
        ("settled", webhook.settled_wall),
    ):
        if wall is not None:
            offset = "" if webhook.accepted_wall is None else f"  {(wall - webhook.accepted_wall) * 1000:+.0f} ms"
            yield _line(label, utc(wall) + ("" if label == "accepted" else offset))
    if webhook.body is not None:
        yield _line(
            "message",
            f"from {_shown(webhook.from_number)}: {json.dumps(printable(webhook.body), ensure_ascii=False)}",
        )
    if webhook.effects is not None:
        delay = "" if webhook.delay is None else f", the first {length(webhook.delay)} after the answer"
        yield _line("rows", f"it had its effect {webhook.effects} times{delay}")
    yield _line(
        "followed", "still, until its rows are removed" if webhook.followed else "no longer: nothing is left of it"
    )


def _outage(outage: StoredOutage) -> Iterator[str]:
    how_long = "under way" if outage.duration is None else f"lasted {length(outage.duration)}"
    yield f"outage {printable(outage.id)} of {printable(outage.probe)}: {how_long}"
    yield f"  {printable(outage.cause)}: {printable(outage.detail)}"
    yield ""
    yield _line("began", utc(outage.began_wall))
    if outage.ended_wall is not None:
        offset = "" if outage.duration is None else f"  {outage.duration * 1000:+.0f} ms"
        yield _line("ended", utc(outage.ended_wall) + offset)
    if outage.uncertainty is not None:
        yield _line("known to within", f"{outage.uncertainty * 1000:.1f} ms")
    yield _line("failed probes", str(outage.failures))


def _violation(record: ViolationRecord, told: Container[str | None], now_wall: float) -> Iterator[str]:
    stored, its = record.stored, record.fate
    said = {
        Standing.OPEN: f"open until {utc(its.open_until)}, or until it is acknowledged",
        Standing.KNOWN: f"known until {utc(its.known_until)}, then open again",
        Standing.OVER: f"over since {utc(its.open_until)}",
    }
    yield f"violation {printable(stored.id)}"
    if stored.sentence not in told:
        yield f"  {printable(stored.sentence)}"
    yield _line("first seen", utc(stored.first_wall))
    if stored.last_wall != stored.first_wall:
        yield _line("last seen", utc(stored.last_wall))
    yield _line("now", said[its.standing(now_wall)])
    for one in record.acknowledgements:
        covered = "" if one.what == stored.id else f" (all of {printable(one.what)})"
        span = f"{utc(one.at_wall)} to {utc(one.until_wall)}"
        yield _line("acknowledged", f"{span}{covered}: {printable(one.reason)}")


def _rest(document: Mapping[str, object], known: frozenset[str], but: Iterable[str] = ()) -> Iterator[str]:
    told = {*known, *but}
    rest = {name: value for name, value in document.items() if name not in told and value not in _UNTOLD}
    if rest:
        yield ""
        yield "also stored"
        for name, value in rest.items():
            yield _line(printable(name), _shown(value))


def _line(label: str, text: str) -> str:
    return f"  {label:<{_LABEL}}  {text}"


def _shown(value: object) -> str:
    return printable(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str))


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _offset(seconds: object) -> float:
    number = _number(seconds)
    return math.inf if number is None else number * 1000
