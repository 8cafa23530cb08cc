"""The files that pages load, all from this package, under names that change with what is in them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from prober.outcome import Ordering
from prober.suites.report.style import STYLE as REPORT_STYLE

_FOLDER = Path(__file__).parent / "static"

# Nothing but files of ours: whatever a target might smuggle into a sentence stays text.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


@dataclass(frozen=True, slots=True)
class Asset:
    """One file as it is answered."""

    content: bytes
    content_type: str


def _read(name: str) -> str:
    return (_FOLDER / name).read_text(encoding="utf-8")


_STYLE = REPORT_STYLE + _read("page.css")
_SCRIPT = _read("page.js")

ASSETS: Mapping[str, Asset] = {
    "/static/page.css": Asset(_STYLE.encode(), "text/css; charset=utf-8"),
    "/static/page.js": Asset(_SCRIPT.encode(), "text/javascript; charset=utf-8"),
}
_VERSION = hashlib.sha256(b"".join(asset.content for asset in ASSETS.values())).hexdigest()[:12]

STYLE, SCRIPT = (f"{path}?v={_VERSION}" for path in ASSETS)
ICON_PATH = "/static/icon.svg"
ICON = f"{ICON_PATH}?v={_VERSION}"

_COLOURS = {
    Ordering.WORKS: "#1a7f37",
    Ordering.WRONG: "#b00020",
    Ordering.TROUBLE: "#a15c00",
    Ordering.BROKEN: "#b00020",
    Ordering.UNKNOWN: "#5f5f5f",
}
# A form as well as a colour.
_SIGNS = {
    Ordering.WORKS: "M9 17l5 5 10-12",
    Ordering.WRONG: "M10 10l12 12M22 10l-12 12",
    Ordering.TROUBLE: "M16 8v10M16 22v2",
    Ordering.BROKEN: "M10 10l12 12M22 10l-12 12",
    Ordering.UNKNOWN: "M10 16h12",
}


def icon(state: Ordering) -> bytes:
    """The picture of a tab."""
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">'
        f'<circle cx="16" cy="16" r="15" fill="{_COLOURS[state]}"/>'
        f'<path d="{_SIGNS[state]}" fill="none" stroke="#fff" stroke-width="4" stroke-linecap="round"/></svg>\n'
    ).encode()


def badge(state: Ordering) -> bytes:
    """A picture for a wiki or a chat: `ordering | works`."""
    word = str(state)
    left, right = 66, 16 + 7 * len(word)
    colour = _COLOURS[state]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + right}" height="20" role="img" '
        f'aria-label="ordering: {word}"><title>ordering: {word}</title>'
        f'<rect width="{left + right}" height="20" rx="4" fill="#444"/>'
        f'<path d="M{left} 0h{right - 4}a4 4 0 0 1 4 4v12a4 4 0 0 1-4 4h-{right - 4}z" fill="{colour}"/>'
        '<g fill="#fff" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11" text-anchor="middle">'
        f'<text x="{left / 2:g}" y="14">ordering</text><text x="{left + right / 2:g}" y="14">{word}</text></g>'
        "</svg>\n"
    ).encode()
