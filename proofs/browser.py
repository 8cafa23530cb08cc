"""Chromium without a window: opens a report and says what a reader would meet."""

from __future__ import annotations

import os
import shutil
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from playwright.sync_api import Browser, sync_playwright

Scheme = Literal["light", "dark"]
Shot = Literal["window", "page"]

# Whatever can be seen and reaches beyond the window: what scrolls within itself does not.
OVERFLOW = """() => {
  const wide = document.documentElement.clientWidth
  const scrolls = e => { for (; e; e = e.parentElement)
    if (['auto', 'scroll'].includes(getComputedStyle(e).overflowX)) return true
    return false }
  return [...document.querySelectorAll('body *')]
    .filter(e => e.getBoundingClientRect().right > wide + 0.5 && !scrolls(e.parentElement))
    .map(e => `${e.tagName} ${e.textContent.slice(0, 60)}`)
    .concat(document.documentElement.scrollWidth > wide ? ['the page scrolls sideways'] : [])
}"""

# Of every plot that can be seen: its size, and how many marks are drawn in it that have one.
_PLOTS = """() => [...document.querySelectorAll('svg.plot')]
  .filter(e => e.getBoundingClientRect().width > 0)
  .map(e => { const b = e.getBoundingClientRect()
    const drawn = [...e.querySelectorAll('.line, .fill')].filter(m => {
      const r = m.getBoundingClientRect(); return r.width > 0 || r.height > 0 })
    const cut = [...e.querySelectorAll('text')].filter(t => {
      const r = t.getBoundingClientRect(); return r.left < b.left - 1 || r.right > b.right + 1 })
    return [b.width, b.height, drawn.length, cut.map(t => t.textContent).join('; ')] })"""

# The contrast of every text that can be seen against the nearest background (WCAG 2, relative luminance).
FAINT = """() => {
  const rgb = c => c.match(/[\\d.]+/g).map(Number)
  const light = c => { const [r, g, b] = rgb(c).map(v => v / 255)
    .map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b }
  const behind = e => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor
    if ((rgb(c)[3] ?? 1) > 0.5) return c }
    return 'rgb(255, 255, 255)' }
  const ratio = (a, b) => { const [h, l] = [light(a), light(b)].sort((x, y) => y - x)
    return (h + 0.05) / (l + 0.05) }
  return [...document.querySelectorAll('main *:not(svg *)')]
    .filter(e => [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim()) && e.offsetParent)
    .map(e => [e.textContent.slice(0, 40), ratio(getComputedStyle(e).color, behind(e))])
    .filter(([, found]) => found < 4.5).map(([said, found]) => `${said}: ${found.toFixed(2)}`)
}"""


@dataclass(frozen=True, slots=True)
class Plot:
    """One plot as it is seen: pixels, marks drawn, labels that are cut off."""

    width: float
    height: float
    drawn: int
    cut: str


@dataclass(frozen=True, slots=True)
class Seen:
    """A page in one window: what went wrong in it, and its plots."""

    complaints: tuple[str, ...]  # console errors, failed requests, exceptions
    overflow: tuple[str, ...]
    faint: tuple[str, ...]
    plots: tuple[Plot, ...]
    paper: str  # the colour behind everything
    picture: bytes  # PNG; empty where none was wanted


def chromium() -> Path | None:
    """The distribution's browser."""
    found = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    return None if found is None else Path(found)


@contextmanager
def browsing(program: Path) -> Iterator[Browser]:
    """Run it for a while; it reaches nothing but what it is given."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program, args=["--no-sandbox", "--disable-gpu", "--force-color-profile=srgb"]
        )
        try:
            yield browser
        finally:
            browser.close()


def look(
    browser: Browser, page: Path, width: int, scheme: Scheme, *, height: int = 900, shot: Shot | None = None
) -> Seen:
    """Open a file in a window of this width (pixels); `shot` is the picture to take, which takes the longest."""
    with browser.new_context(
        viewport={"width": width, "height": height}, color_scheme=scheme, offline=True
    ) as context:
        opened = context.new_page()
        complaints: list[str] = []
        opened.on("console", lambda message: complaints.append(f"{message.type}: {message.text}"))
        opened.on("pageerror", lambda error: complaints.append(f"exception: {error}"))
        opened.on("requestfailed", lambda request: complaints.append(f"not loaded: {request.url}"))
        opened.goto(page.resolve().as_uri())
        return Seen(
            complaints=tuple(complaints),
            overflow=tuple(opened.evaluate(OVERFLOW)),
            faint=tuple(opened.evaluate(FAINT)),
            plots=tuple(Plot(*plot) for plot in opened.evaluate(_PLOTS)),
            paper=str(opened.evaluate("getComputedStyle(document.body).backgroundColor")),
            picture=b"" if shot is None else opened.screenshot(full_page=shot == "page"),
        )


def png_size(picture: bytes) -> tuple[int, int]:
    """Width and height of a PNG (its header, RFC 2083)."""
    width, height = struct.unpack(">II", picture[16:24])
    return width, height
