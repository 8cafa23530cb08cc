"""What the page says of this moment: whether ordering works, what is up since when and how fast, what is wrong.

All of it is made of the document of `/api/v1/status` and of the last day.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from prober.outcome import Ordering, ProbeName, SkipReason
from prober.publish.printable import length, utc
from prober.publish.status_text import LONGEST, NO_VENDOR, ordering, unanswered
from prober.suites.report.markup import NOTHING, Markup, join, tag, text
from prober.suites.report.wording import count, seconds, share
from prober.web.day import Day, Percentiles, spanned
from prober.web.pages.layout import ago, badge, facts, figure, link, moment, paragraph, running, section, table

Document = Mapping[str, Any]

_KINDS = {
    Ordering.WORKS: "good",
    Ordering.WRONG: "critical",
    Ordering.TROUBLE: "warning",
    Ordering.BROKEN: "critical",
    Ordering.UNKNOWN: "none",
}
_NAMES = {
    ProbeName.WEBHOOK: "Webhooks",
    ProbeName.WEBHOOK_DUPLICATE: "Duplicates",
    ProbeName.WEBHOOK_SIGNATURE: "Signatures",
    ProbeName.WEBHOOK_REPLAY: "Replays",
    ProbeName.RACE: "Vendor races",
    ProbeName.REDIS: "Redis",
    ProbeName.DATABASE: "Database",
    ProbeName.DATABASE_POOLED: "Database, pooled",
    ProbeName.HEALTH: "Health pages",
}
_HELD_BACK: Mapping[str, str] = {
    SkipReason.NOT_LEADER: "left to the writer",
    SkipReason.PAUSED: "paused",
    SkipReason.MAINTENANCE: "maintenance",
}
# Of these there is an outage, with a beginning and an end.
_WATCHED = (ProbeName.WEBHOOK, ProbeName.REDIS, ProbeName.DATABASE, ProbeName.DATABASE_POOLED)


def title(status: Document) -> str:
    """The sentence that matters, for the head of the window."""
    return _capital(ordering(status)[1])


def verdict_section(status: Document) -> Markup:
    """Whether ordering works, in words as large as they matter; then who says so."""
    state, sentence = ordering(status)
    now = float(status["at"])
    said = tag("h1", {"class": f"verdict {_KINDS[state]}", "data-state": str(state)}, text(_capital(sentence)))
    who = paragraph(
        text(f"{status['instance']} watches {status['environment']}, up for "),
        running(float(status["started"]), now),
        text(". As of "),
        tag("span", {"id": "as-of"}, moment(now)),
        text("."),
        kind="soft",
    )
    return tag("section", {"id": "verdict", "aria-label": "Verdict"}, said, _held_back(status), who)


def _held_back(status: Document) -> Markup:
    """What keeps this prober from seeing or writing all that it could."""
    parts = []
    if status["writes_held_back"]:
        parts.append(paragraph(badge("no writes", "warning"), text(f" {status['writes_held_back']}")))
    election = status["election"]
    if election is not None and not election["leading"]:
        said = f" This replica only watches: {_writer(election)}."
        parts.append(paragraph(badge("watching", "none"), text(said)))
    failed = status["journal_trouble"]
    if failed is not None:
        # Nobody tells us that it works again.
        said = f" It has failed since this prober began ({failed['reason']}): {failed['detail']}"
        parts.append(paragraph(badge("journal", "warning"), text(said)))
    running_suite = status["suites"]["running"]
    if running_suite is not None:
        said = f" {running_suite['suite']} {running_suite['scenario']} runs now, with load or faults of its own."
        parts.append(paragraph(badge("suite", "warning"), text(said)))
    return join(parts)


def services_section(status: Document, day: Day) -> Markup:
    """A row for each probe: what it says now, since when, how fast now and over the last day."""
    now = float(status["at"])
    known = spanned(day.known(now)).short
    columns = ("Probe", "Now", "Since", "Took", f"p50, {known}", f"p99, {known}", "Last run")
    rows = [_service(status, day, name, run) for name, run in status["probes"].items()]
    return section("services", "What is up", table("Probes", columns, rows))


def _service(status: Document, day: Day, name: str, run: Document | None) -> Sequence[Markup]:
    now = float(status["at"])
    outage = next((one for one in status["outages"]["under_way"] if one["probe"] == name), None)
    whole = day.day.whole(ProbeName(name), now)
    return (
        text(_NAMES.get(ProbeName(name), name)),
        join([_state(run, outage, status["held_back"].get(name)), _complaint(run, outage)]),
        _since(status, day, name, run, outage),
        figure("" if run is None or not run["ok"] else seconds(run["duration_seconds"])),
        _figure(whole, "p50"),
        _figure(whole, "p99"),
        text("never") if run is None else tag("span", {"class": "figure"}, ago(now - run["age_seconds"], now)),
    )


def _state(run: Document | None, outage: Document | None, held_back: str | None) -> Markup:
    if outage is not None:
        return badge("down", "critical")
    if held_back is not None and (run is None or run["stale"]):
        return badge(_HELD_BACK.get(held_back, held_back), "none")
    if run is None:
        return badge("not run yet", "none")
    if run["stale"]:
        return badge("not known", "none")
    return badge("up", "good") if run["ok"] else badge(run["outcome"].replace("_", " "), "warning")


def _complaint(run: Document | None, outage: Document | None) -> Markup:
    if outage is not None:
        return tag("small", None, text(_cause(outage)))
    if run is None or run["ok"] or not run["detail"]:
        return NOTHING
    return tag("small", None, text(shortened(run["detail"])))


def _since(status: Document, day: Day, name: str, run: Document | None, outage: Document | None) -> Markup:
    now = float(status["at"])
    if outage is not None:
        return _for(float(outage["began"]), now)
    if run is not None and run["failing_since"] is not None:
        return _for(float(run["failing_since"]), now)
    if name not in _WATCHED:
        return NOTHING
    ended = day.up_since.get(name)
    recent = [one["ended"] for one in status["outages"]["recent"] if one["probe"] == name]
    if recent:
        ended = max([*recent, *([ended] if ended is not None else [])])
    if ended is None:
        return text("no outage known")
    return _for(ended, now)


def _for(since: float, now: float) -> Markup:
    return join([running(since, now), tag("small", None, moment(since))])


def _figure(whole: Percentiles | None, which: str) -> Markup:
    return figure("" if whole is None else seconds(getattr(whole, which)))


def open_section(status: Document) -> Markup:
    """What pages, and what is known and does not, a row for each kind; nothing where there is neither."""
    rows = [_outage(one, float(status["at"])) for one in status["outages"]["under_way"]]
    rows += [_races_without_answer(status)] if unanswered(status) else []
    counted = [(kind, n) for kind, n in (status["violations"]["open"] or {}).items() if n]
    rows += [_violations(status, "open", kind, n) for kind, n in counted]
    title = "What is wrong now" if rows else "Known, and not paging"
    counted = [(kind, n) for kind, n in (status["violations"]["known"] or {}).items() if n]
    rows += [_violations(status, "known", kind, n) for kind, n in counted]
    if not rows:
        return tag("section", {"id": "open", "aria-label": "Open"})
    return section("open", title, table(title, ("What", "Standing", "When", "Said", "Evidence"), rows))


def _outage(one: Document, now: float) -> Sequence[Markup]:
    return (
        text(f"{one['probe']} is down"),
        badge("under way", "critical"),
        _for(float(one["began"]), now),
        text(_cause(one)),
        link(text("evidence"), "incidents", one["id"]),
    )


def _races_without_answer(status: Document) -> Sequence[Markup]:
    races = unanswered(status)
    kind = "critical" if races >= NO_VENDOR else "warning"
    return (
        text("no vendor can accept" if races >= NO_VENDOR else "no answer to a race"),
        badge(f"{count(races)} {'race' if races == 1 else 'races'}", kind),
        _for(float(status["unanswered_races"]["since"]), float(status["at"])),
        text(shortened(status["probes"]["race"]["detail"])),
        link(text("races"), "races"),
    )


def _violations(status: Document, standing: str, kind: str, how_many: int) -> Sequence[Markup]:
    """All of one kind: the newest of them in words, the others by their number and a link."""
    is_open = standing == "open"
    newest = [o for o in status["violations"]["newest"] if (o["standing"], o["kind"]) == (standing, kind)]
    times = f" ({count(how_many)})" if how_many > 1 else ""
    what = text(f"{kind.replace('_', ' ')}{times}")
    mark = badge(standing, "critical" if is_open else "none")
    every = link(text(f"all {count(how_many)}"), "incidents", query={"kind": kind})
    if not newest:
        return what, mark, NOTHING, NOTHING, every
    one = newest[0]
    until = tag("small", None, text(f"{standing} until "), moment(float(one["until"])))
    said = shortened(one["sentence"]) if is_open else f"{shortened(one['sentence'])} ({one['reason']})"
    evidence = link(text("evidence"), "incidents", one["id"])
    return (
        what,
        mark,
        join([moment(float(one["at"])), until]),
        text(said),
        join([evidence, tag("small", None, every)]) if how_many > 1 else evidence,
    )


def figures_section(status: Document) -> Markup:
    """Counts that have no row of their own."""
    rate, webhooks = status["win_rate"], status["webhooks"]
    won = "not known"
    if rate is not None:
        judged = f"of {count(rate['judged'])} judged races, {count(rate['unjudged'])} without a verdict"
        won = f"{'not known' if rate['value'] is None else share(rate['value'])} {judged}"
    election = status["election"]
    return section(
        "figures",
        "Exactly once",
        facts(
            (
                ("Races with one winner", text(won)),
                ("Lost messages", text(f"{count(webhooks['lost'])} since the journal began")),
                ("Late messages", text(f"{count(webhooks['late'])} since the journal began")),
                ("Violations ever", text(_totals(status["violations"]["total"]))),
                ("Who writes", text("" if election is None else _writer(election))),
                ("Maintenance, pause", text(status["writes_held_back"] or "none")),
            )
        ),
    )


def _writer(election: Document) -> str:
    """Who of several replicas writes."""
    if election["holder"] is None:
        return "no replica is known to write"
    since = utc(float(election["since"]))
    if election["leading"]:
        return f"this replica, since {since}, under number {election['fence']}"
    return f"{election['holder']} writes, as seen since {since}"


def _totals(total: Mapping[str, int]) -> str:
    return ", ".join(f"{kind} {count(n)}" for kind, n in total.items() if n) or "none"


def _cause(outage: Document) -> str:
    return shortened(f"{outage['cause']}: {outage['detail']}" if outage["detail"] else outage["cause"])


def shortened(said: str, most: int = LONGEST) -> str:
    """A sentence as far as it goes in a list; the evidence has the whole."""
    return said if len(said) <= most else f"{said[: most - 1]}…"


def _capital(sentence: str) -> str:
    return f"{sentence[:1].upper()}{sentence[1:]}"


def lasted(duration: float | None, uncertainty: float | None) -> str:
    """The exact length of an outage, and how exactly it is known."""
    if duration is None:
        return "under way"
    known = "" if uncertainty is None else f" ± {seconds(uncertainty)}"
    return f"{length(duration) if duration >= 60 else f'{duration:.3f} s'}{known}"
