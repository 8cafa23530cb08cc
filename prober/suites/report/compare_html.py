"""A comparison as one page: the figures of both runs, what changed beyond the noise, and their curves together."""

from __future__ import annotations

from prober.outcome import Change
from prober.suites.report.compare import Comparison, verdict_change
from prober.suites.report.compare_text import WORDS, in_order
from prober.suites.report.html import badge, document, figure, rows_table
from prober.suites.report.markup import NOTHING, Markup, join, tag, text
from prober.suites.report.plots.frame import Key
from prober.suites.report.plots.series import Line, lines
from prober.suites.report.wording import seconds, share
from prober.suites.results import Results
from prober.suites.results_drill import DrillDetail
from prober.suites.results_load import LoadDetail
from prober.suites.results_race import RaceDetail

_KINDS = {Change.WORSE: "worse", Change.BETTER: "better"}
_BEFORE, _AFTER = Key("first", "before"), Key("second", "after")

Points = list[tuple[float, float | None]]


def comparison_page(comparison: Comparison, before: Results, after: Results) -> str:
    """Render it; the two results give the curves."""
    rows = [
        (
            text(one.name),
            figure(one.before),
            figure(one.after),
            join(
                [badge(WORDS[one.change], _KINDS.get(one.change, "none")), tag("small", None, text(one.sentence))]
            ),
        )
        for one in in_order(comparison.compared)
    ]
    changed = [one for one in comparison.verdicts if one.before is not one.after]
    verdicts = rows_table(
        ("breaking point", "verdict"), [(text(one.name), text(verdict_change(one))) for one in changed]
    )
    title = f"{comparison.title}: two runs compared"
    return document(
        title,
        [
            tag(
                "article",
                None,
                tag(
                    "header",
                    {"class": "lead"},
                    tag("h1", None, text(title[:1].upper() + title[1:])),
                    tag("p", None, text(comparison.sentence)),
                    tag("p", {"class": "soft"}, text(f"Before: {comparison.before}. After: {comparison.after}.")),
                ),
                _listed("What else changed", comparison.warnings),
                tag("h2", None, text("Figures")),
                rows_table(("figure", "before", "after", "change"), rows),
                tag("p", {"class": "soft"}, text(comparison.caution)),
                join([tag("h2", None, text("Verdicts that changed")), verdicts]) if changed else NOTHING,
                tag("h2", None, text("Plots")),
                *_curves(before, after),
            )
        ],
    )


def _listed(name: str, sentences: tuple[str, ...]) -> Markup:
    if not sentences:
        return NOTHING
    items = tag("ul", None, *(tag("li", None, text(said)) for said in sentences))
    return join([tag("h2", None, text(name)), items])


def _curves(before: Results, after: Results) -> tuple[Markup, ...]:
    match before.detail, after.detail:
        case LoadDetail() as then, LoadDetail() as now:
            return (
                _curve("p50 answer time over time", _load_p50(then), _load_p50(now)),
                _curve("p99 answer time over time", _load_p99(then), _load_p99(now)),
            )
        case RaceDetail() as then_race, RaceDetail() as now_race:
            return (_curve("Length of each race", _races(then_race), _races(now_race), "race "),)
        case DrillDetail() as then_drill, DrillDetail() as now_drill:
            return (
                lines(
                    "Success rate over time",
                    "Of the messages sent in each second, both runs from their start.",
                    (Line(_BEFORE, _success(then_drill)), Line(_AFTER, _success(now_drill))),
                    share,
                    top=1.0,
                ),
            )
        case _:
            return ()


def _curve(name: str, then: Points, now: Points, what: str | None = None) -> Markup:
    described = f"{name} in the run before and in the run after."
    say_x = None if what is None else f"{what}{{:g}}".format
    return lines(name, described, (Line(_BEFORE, then), Line(_AFTER, now)), seconds, say_x=say_x)


def _load_p50(load: LoadDetail) -> Points:
    return [(slot.begins_at + slot.seconds / 2, slot.p50) for slot in load.series]


def _load_p99(load: LoadDetail) -> Points:
    return [(slot.begins_at + slot.seconds / 2, slot.p99) for slot in load.series]


def _races(race: RaceDetail) -> Points:
    return [(float(one.index), one.seconds) for one in race.races]


def _success(drill: DrillDetail) -> Points:
    return [(slot.begins_at + 0.5, slot.accepted / slot.sent if slot.sent else None) for slot in drill.series]
