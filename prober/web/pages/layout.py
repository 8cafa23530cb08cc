"""What all pages share: the document around them, tables that fit a telephone, moments and lengths.

Every text becomes markup through `markup.text` alone, which escapes it: most of them come from a target.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from prober.outcome import Ordering
from prober.publish.printable import length, utc
from prober.suites.report.markup import NOTHING, Markup, join, tag, text
from prober.web.assets import ICON, SCRIPT, STYLE

LIVE = "/events"
_PAGES = (("/", "Now"), ("/incidents", "Incidents"), ("/races", "Races"), ("/suites", "Suites"))
_MACHINES = (
    ("/status.txt", "plain text"),
    ("/badge.svg", "badge"),
    ("/api/v1/status", "JSON"),
    ("/metrics", "metrics"),
    ("/-/healthy", "healthy"),
    ("/-/ready", "ready"),
)


@dataclass(frozen=True, slots=True)
class Frame:
    """Where a page stands: its path, the prober's name, and what ordering is (for the colour of the icon)."""

    path: str
    instance: str
    state: Ordering = Ordering.UNKNOWN
    live: bool = False  # whether its sections follow events


def document(frame: Frame, title: str, *content: Markup) -> str:
    """A whole page."""
    live = [tag("script", {"src": SCRIPT, "defer": ""})] if frame.live else []
    head = tag(
        "head",
        None,
        tag("meta", {"charset": "utf-8"}),
        tag("meta", {"name": "viewport", "content": "width=device-width, initial-scale=1"}),
        tag("meta", {"name": "color-scheme", "content": "light dark"}),
        tag("title", None, text(f"{title} · prober {frame.instance}")),
        tag("link", {"rel": "icon", "type": "image/svg+xml", "href": f"{ICON}&state={frame.state}"}),
        tag("link", {"rel": "stylesheet", "href": STYLE}),
        *live,
    )
    body = tag(
        "body",
        {"data-live": LIVE if frame.live else None},
        tag("a", {"class": "skip", "href": "#content"}, text("Skip to the content")),
        tag("header", {"class": "top", "id": "top"}, tag("nav", {"aria-label": "Pages"}, *_links(frame.path))),
        tag("main", {"id": "content", "tabindex": "-1"}, *content),
        tag("footer", None, tag("nav", {"aria-label": "For machines"}, *_machines())),
    )
    return f"<!doctype html>\n{tag('html', {'lang': 'en'}, head, body)}\n"


def _links(path: str) -> list[Markup]:
    here = max((link for link, _ in _PAGES if path == link or path.startswith(f"{link}/")), key=len, default="/")
    return [
        tag("a", {"href": link, "aria-current": "page" if link == here else None}, text(word))
        for link, word in _PAGES
    ]


def _machines() -> list[Markup]:
    return [tag("a", {"href": link}, text(word)) for link, word in _MACHINES]


def section(name: str, title: str, *content: Markup) -> Markup:
    """A part of a page; its `name` is what events call it."""
    heading = tag("h2", {"id": f"{name}-title"}, text(title))
    return tag("section", {"id": name, "aria-labelledby": f"{name}-title"}, heading, *content)


def badge(word: str, kind: str) -> Markup:
    """A word that stands out; its colour says nothing that the word does not."""
    return tag("span", {"class": f"badge {kind}"}, text(word))


def figure(said: str) -> Markup:
    """A figure and its unit, which belong on one line."""
    return tag("span", {"class": "figure"}, text(said)) if said else NOTHING


def table(caption: str, columns: Sequence[str], rows: Sequence[Sequence[Markup]]) -> Markup:
    """A table whose first column names its rows; on a narrow screen each row is a card.

    The roles are those that the elements have: a style sheet that turns rows into blocks takes them away.
    """
    head = tag(
        "tr",
        {"role": "row"},
        *(tag("th", {"scope": "col", "role": "columnheader"}, text(column)) for column in columns),
    )
    return tag(
        "table",
        {"class": "cards", "role": "table", "aria-label": caption},
        tag("thead", {"role": "rowgroup"}, head),
        tag("tbody", {"role": "rowgroup"}, *(_row(columns, row) for row in rows)),
    )


def _row(columns: Sequence[str], row: Sequence[Markup]) -> Markup:
    cells = [tag("th", {"scope": "row", "role": "rowheader", "data-label": columns[0]}, row[0])]
    cells += [
        tag("td", {"role": "cell", "data-label": column}, cell)
        for column, cell in zip(columns[1:], row[1:], strict=True)
    ]
    return tag("tr", {"role": "row"}, *cells)


def facts(pairs: Sequence[tuple[str, Markup]]) -> Markup:
    """Names and what they are."""
    parts = [
        part for name, value in pairs for part in (tag("dt", None, text(name)), tag("dd", None, value)) if value
    ]
    return tag("dl", {"class": "facts"}, *parts)


def moment(wall: float) -> Markup:
    """A moment to the millisecond, in UTC as the logs have it."""
    said = utc(wall)
    return tag("time", {"datetime": said.replace(" UTC", "Z").replace(" ", "T")}, text(said))


def running(wall: float, now_wall: float) -> Markup:
    """How long something has been going on; a script lets it grow."""
    return tag("time", {"class": "running", "data-since": f"{wall:.3f}"}, text(length(max(0.0, now_wall - wall))))


def ago(wall: float, now_wall: float) -> Markup:
    """How long ago something was, to the second; a script lets it grow."""
    passed = now_wall - wall
    said = "just now" if passed < 1 else f"{length(math.floor(passed)).replace('.0 s', ' s')} ago"
    return tag("time", {"class": "running ago", "data-since": f"{wall:.3f}"}, text(said))


def link(words: Markup, *path: str, query: Mapping[str, object] | None = None) -> Markup:
    """A link to one of our own pages; each part of `path` is one step."""
    address = "/" + "/".join(quote(step, safe="") for step in path)
    return tag("a", {"href": f"{address}?{urlencode(query)}" if query else address}, words)


def pager(path: str, query: Mapping[str, object], cursor: object) -> Markup:
    """Where an older page is, if there is one."""
    newest = link(text("newest"), path, query={k: v for k, v in query.items() if k != "before"})
    older = (
        link(text("older"), path, query={**query, "before": cursor}) if cursor is not None else text("no older")
    )
    return tag("nav", {"class": "pager", "aria-label": "History"}, newest, text(" · "), older)


def paragraph(*words: Markup, kind: str | None = None) -> Markup:
    """Words, one after the other."""
    return tag("p", {"class": kind}, join(list(words))) if words else NOTHING
