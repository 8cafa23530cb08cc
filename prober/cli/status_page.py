"""The answer of `/api/v1/status` as a short page for a terminal; its first line says whether ordering works.

The document comes over the network: every text in it is escaped, and one of another shape raises KeyError,
TypeError, ValueError or AttributeError.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from prober.publish.printable import length, printable, utc

Document = Mapping[str, Any]


def page(status: Document) -> str:
    """Render it."""
    return "\n".join(_lines(status)) + "\n"


def open_violations(status: Document) -> int:
    """How many violations page."""
    return sum(int(count) for count in (status["violations"]["open"] or {}).values())


def verdict(status: Document) -> str:
    """Say in a sentence whether ordering works, as far as this prober knows."""
    if status["trouble"]:
        return f"whether ordering works is not known: {_text(status['trouble'])}"
    down = {outage["probe"]: outage for outage in status["outages"]["under_way"]}
    wrong = _wrong(status)
    if "webhook" in down:
        first, joint = (
            f"ordering does not work: webhook down for {length(float(down['webhook']['seconds']))}",
            "; ",
        )
        others = [probe for probe in down if probe != "webhook"]
        first += f", and {_text(', '.join(others))} down" if others else ""
    elif down:
        said = (f"{_text(probe)} down for {length(float(outage['seconds']))}" for probe, outage in down.items())
        first, joint = f"ordering is in trouble: {', '.join(said)}", "; "
    elif (why := _not_known(status)) is not None:
        first, joint = f"whether ordering works is not known: {why}", "; "
    else:
        first, joint = "ordering works", ", but "
    return f"{first}{joint}{wrong}" if wrong else first


def _wrong(status: Document) -> str:
    """The violations that are open, in words; empty: none."""
    count = open_violations(status)
    if not count:
        return ""
    kinds = _text(", ".join(kind for kind, n in status["violations"]["open"].items() if n))
    return f"{count} violation{'s are' if count > 1 else ' is'} open ({kinds})"


def _not_known(status: Document) -> str | None:
    if "webhook" not in status["probes"]:
        return "no webhook probe is enabled"
    run = status["probes"]["webhook"]
    if run is None:
        return "the webhook probe has not run yet"
    if run["stale"]:
        return f"the webhook probe has not run for {length(float(run['age_seconds']))}"
    return None if run["ok"] else f"the webhook probe says {_text(run['outcome'])}"


def _lines(status: Document) -> Iterator[str]:
    yield verdict(status)
    yield (
        f"  prober {_text(status['instance'])} {_text(status['version'])} watches {_text(status['environment'])}, "
        f"up {length(float(status['uptime_seconds']))}, asked at {utc(float(status['at']))}"
    )
    yield ""
    yield from _outages(status["outages"])
    yield from _violations(status["violations"])
    yield "probes"
    for probe, run in status["probes"].items():
        yield f"  {_text(probe):<16}  {_probe(run)}"
    yield ""
    yield _rate(status["win_rate"])
    webhooks = status["webhooks"]
    yield f"webhooks: {int(webhooks['lost'])} lost, {int(webhooks['late'])} late since the journal began"


def _outages(outages: Document) -> Iterator[str]:
    if outages["under_way"]:
        yield "outages under way"
        for outage in outages["under_way"]:
            since, lasts = utc(float(outage["began"])), length(float(outage["seconds"]))
            yield f"  {_text(outage['probe']):<16}  since {since}, {lasts}; {_why(outage)}"
        yield "  what to do: `prober evidence ID` has the evidence of each"
        yield ""
    if outages["recent"]:
        yield "outages that ended"
        for outage in outages["recent"][:5]:
            began, lasted = utc(float(outage["began"])), length(float(outage["seconds"]))
            yield f"  {_text(outage['probe']):<16}  {began}, lasted {lasted}; {_why(outage)}"
        yield ""


def _why(outage: Document) -> str:
    detail = f": {_text(outage['detail'])}" if outage["detail"] else ""
    return f"{_text(outage['cause'])}{detail} ({_text(outage['id'])})"


def _violations(violations: Document) -> Iterator[str]:
    newest = violations["newest"]
    for standing, heading in (("open", "violations open"), ("known", "violations known")):
        counts = {kind: int(n) for kind, n in (violations[standing] or {}).items() if n}
        if not counts:
            continue
        yield f"{heading}: {', '.join(f'{_text(kind)} {n}' for kind, n in counts.items())}"
        shown = [one for one in newest if one["standing"] == standing]
        for one in shown:
            yield f"  {utc(float(one['at']))}  {_text(one['id'])}"
            yield f"    {_text(one['sentence'])}"
            if standing == "known":
                yield f"    known until {utc(float(one['until']))}: {_text(one['reason'])}"
        if sum(counts.values()) > len(shown):
            yield f"  and {sum(counts.values()) - len(shown)} more"
        if standing == "open":
            yield (
                "  what to do: `prober evidence ID` shows what proves it; once it is known, "
                "`prober ack ID|KIND --for 30d --reason …`"
            )
        yield ""


def _probe(run: Document | None) -> str:
    if run is None:
        return "has not run yet"
    age = f"{length(float(run['age_seconds']))} ago" + (", too long" if run["stale"] else "")
    took = length(float(run["duration_seconds"]))
    detail = f"  {_text(run['detail'])}" if run["detail"] and not run["ok"] else ""
    return f"{_text(run['outcome']):<16}  {took:>10}  {age}{detail}"


def _rate(rate: Document | None) -> str:
    if rate is None:
        return "win rate: not known"
    judged, unjudged = int(rate["judged"]), int(rate["unjudged"])
    value = "not known" if rate["value"] is None else f"{float(rate['value']):.4f}"
    return f"win rate: {value} of {judged} judged races, {unjudged} without a verdict"


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"expected text, got {type(value).__name__}")
    return printable(value)
