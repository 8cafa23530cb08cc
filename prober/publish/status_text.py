"""The answer of `/api/v1/status` as a short page for a terminal or a chat; its first line has the verdict.

The document comes over the network: every text in it is escaped, and one of another shape raises KeyError,
TypeError, ValueError or AttributeError.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from prober.outcome import Ordering
from prober.publish.printable import length, printable, utc

Document = Mapping[str, Any]

LONGEST = 160  # characters of a sentence
# Races in a row without an answer from which on no vendor can accept: as many as page (VendorRoutingUnavailable).
NO_VENDOR = 3


def page(status: Document) -> str:
    """Render it."""
    return "\n".join(_lines(status)) + "\n"


def open_violations(status: Document) -> int:
    """How many violations page."""
    return sum(int(count) for count in (status["violations"]["open"] or {}).values())


def verdict(status: Document) -> str:
    """Say in a sentence whether ordering works, as far as this prober knows."""
    return ordering(status)[1]


def ordering(status: Document) -> tuple[Ordering, str]:
    """Whether ordering works, as a word and as a sentence."""
    if status["trouble"]:
        return Ordering.UNKNOWN, f"whether ordering works is not known: {_text(status['trouble'])}"
    down = [f"{_text(o['probe'])} down for {_length(o['seconds'])}" for o in status["outages"]["under_way"]]
    webhook_down = any(outage["probe"] == "webhook" for outage in status["outages"]["under_way"])
    races = _unanswered(status)
    said = [*down, *races, *_wrong(status)]
    if webhook_down or unanswered(status) >= NO_VENDOR:
        return Ordering.BROKEN, f"ordering does not work: {', '.join(said)}"
    if down or races:
        return Ordering.TROUBLE, f"ordering is in trouble: {', '.join(said)}"
    if said:
        return Ordering.WRONG, f"ordering does not work right: {', '.join(said)}"
    unknown = _not_known(status)
    if unknown is not None:
        return Ordering.UNKNOWN, f"whether ordering works is not known: {unknown}"
    return Ordering.WORKS, f"ordering works{_limits(status)}"


def unanswered(status: Document) -> int:
    """How many races up to the last had no answer; 0 where the last one is too long ago to say anything of now."""
    found, run = status["unanswered_races"], status["probes"].get("race")
    return 0 if found is None or run is None or run["stale"] else int(found["races"])


def _unanswered(status: Document) -> list[str]:
    """The races that had no answer, in words, if there are any."""
    races = unanswered(status)
    if races >= NO_VENDOR:
        return [f"no vendor could accept for {_length(status['unanswered_races']['seconds'])} ({races} races)"]
    return [f"no answer to {'the last race' if races == 1 else f'the last {races} races'}"] if races else []


def _limits(status: Document) -> str:
    """What keeps us from seeing all of it."""
    election = status["election"]
    if status["writes_held_back"] or (election is not None and not election["leading"]):
        return ", as far as can be seen without writing"
    return ""


def _wrong(status: Document) -> list[str]:
    """The violations that are open, in words, if there are any."""
    count = open_violations(status)
    if not count:
        return []
    kinds = _text(", ".join(kind for kind, n in status["violations"]["open"].items() if n))
    return [f"{count} violation{'s are' if count > 1 else ' is'} open ({kinds})"]


def _not_known(status: Document) -> str | None:
    if "webhook" not in status["probes"]:
        return "no webhook probe is enabled"
    run = status["probes"]["webhook"]
    if run is None:
        return "the webhook probe has not run yet"
    if run["stale"]:
        return f"the webhook probe has not run for {_length(run['age_seconds'])}"
    return None if run["ok"] else f"the webhook probe says {_text(run['outcome'])}"


def _lines(status: Document) -> Iterator[str]:
    yield verdict(status)
    yield (
        f"  prober {_text(status['instance'])} {_text(status['version'])} watches {_text(status['environment'])}, "
        f"up {_length(status['uptime_seconds'])}, asked at {utc(float(status['at']))}"
    )
    yield ""
    yield from _outages(status["outages"])
    yield from _violations(status["violations"])
    yield "probes"
    for probe, run in status["probes"].items():
        yield f"  {_text(probe):<18}  {_probe(run, status['held_back'].get(probe))}"
    yield ""
    yield from _election(status.get("election"))
    yield _rate(status["win_rate"])
    webhooks = status["webhooks"]
    yield from _suites(status["suites"])
    yield f"webhooks: {int(webhooks['lost'])} lost, {int(webhooks['late'])} late since the journal began"


def _election(election: Document | None) -> Iterator[str]:
    if election is None:
        return
    if election["holder"] is None:
        yield "election: no replica is known to write"
        return
    holder, since = _text(election["holder"]), utc(float(election["since"]))
    if election["leading"]:
        yield f"election: this replica writes, since {since} under number {int(election['fence'])}"
    else:
        yield f"election: this replica watches; {holder} writes, as seen since {since}"


def _suites(suites: Document) -> Iterator[str]:
    running = suites["running"]
    if running is not None:
        yield f"a suite runs: {_text(running['suite'])} {_text(running['scenario'])} ({_text(running['run_id'])})"
    for last in suites["last"]:
        verdict = "no verdict" if last["verdict"] is None else _text(last["verdict"])
        yield (
            f"suite {_text(last['suite'])} {_text(last['scenario'])}: {verdict}, {_text(last['ending'])} at "
            f"{utc(float(last['ended']))}; {_cut(last['sentence'])}"
        )


def _outages(outages: Document) -> Iterator[str]:
    if outages["under_way"]:
        yield "outages under way"
        for outage in outages["under_way"]:
            since, lasts = utc(float(outage["began"])), _length(outage["seconds"])
            yield f"  {_text(outage['probe']):<16}  since {since}, {lasts}; {_why(outage)}"
        yield "  what to do: `prober evidence ID` has the evidence of each"
        yield ""
    if outages["recent"]:
        yield "outages that ended"
        for outage in outages["recent"][:5]:
            began, lasted = utc(float(outage["began"])), _length(outage["seconds"])
            yield f"  {_text(outage['probe']):<16}  {began}, lasted {lasted}; {_why(outage)}"
        yield ""


def _why(outage: Document) -> str:
    detail = f": {_cut(outage['detail'])}" if outage["detail"] else ""
    return f"{_text(outage['cause'])}{detail} ({_text(outage['id'])})"


def _violations(violations: Document) -> Iterator[str]:
    for standing in ("open", "known"):
        counts = {kind: int(n) for kind, n in (violations[standing] or {}).items() if n}
        if not counts:
            continue
        yield f"violations {standing}"
        for kind, count in counts.items():
            yield f"  {_text(kind)}: {count}"
            newest = (o for o in violations["newest"] if (o["standing"], o["kind"]) == (standing, kind))
            yield from _newest(next(newest, None))
        if standing == "open":
            yield "  what to do: `prober evidence ID` shows what proves it; `prober ack ID|KIND --reason …` once"
            yield "  it is known: shown, not paging, for 30 days or as long as --for says"
        yield ""


def _newest(one: Document | None) -> Iterator[str]:
    if one is None:
        return
    yield f"    the newest {utc(float(one['at']))}: {_text(one['id'])}"
    yield f"      {_cut(one['sentence'])}"
    if one["standing"] == "known":
        yield f"      known until {utc(float(one['until']))}: {_cut(one['reason'])}"


def _probe(run: Document | None, held_back: object) -> str:
    if run is None:
        return "has not run yet" if held_back is None else f"has not run yet: {_text(held_back)}"
    age = f"{_length(run['age_seconds'])} ago" + (", too long" if run["stale"] else "")
    took = length(float(run["duration_seconds"]))
    detail = f"  {_cut(run['detail'])}" if run["detail"] and not run["ok"] else ""
    return f"{_text(run['outcome']):<16}  {took:>10}  {age}{detail}"


def _rate(rate: Document | None) -> str:
    if rate is None:
        return "win rate: not known"
    judged, unjudged = int(rate["judged"]), int(rate["unjudged"])
    value = "not known" if rate["value"] is None else f"{float(rate['value']):.4f}"
    return f"win rate: {value} of {judged} judged races, {unjudged} without a verdict"


def _length(seconds: object) -> str:
    if not isinstance(seconds, int | float):
        raise TypeError(f"expected seconds, got {type(seconds).__name__}")
    return length(seconds)


def _cut(value: object) -> str:
    """A sentence as far as it goes on a page; the evidence has the whole."""
    text = _text(value)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"expected text, got {type(value).__name__}")
    return printable(value)
