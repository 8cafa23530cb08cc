"""The Markdown that advice is written in, as HTML: paragraphs, lists, fenced code, `code` and **strong**; no more.

A library would bring links, images and raw HTML, none of which may be in a report; what is not known here is text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from textwrap import dedent

from prober.suites.report.markup import NOTHING, Markup, join, lines, tag, text

_FENCE = re.compile(r"^\s*```\s*([\w+-]*)\s*$")
_ITEM = re.compile(r"^\s*(?:[-*]|(?P<number>\d+)[.)])\s+(?P<text>.*)$")
_INLINE = re.compile(r"`([^`]+)`|\*\*([^*]+)\*\*")


def prose(markdown: str) -> Markup:
    """Render it."""
    return join(list(_blocks(markdown.replace("\r\n", "\n").split("\n"))))


def inline(said: str) -> Markup:
    """One line: text with `code` and **strong**."""
    parts, at = [], 0
    for found in _INLINE.finditer(said):
        parts.append(text(said[at : found.start()]))
        code, strong = found.groups()
        parts.append(tag("code", None, text(code)) if code is not None else tag("strong", None, text(strong)))
        at = found.end()
    return join([*parts, text(said[at:])])


def _blocks(source: list[str]) -> Iterator[Markup]:
    at = 0
    while at < len(source):
        if not source[at].strip():
            at += 1
        elif _FENCE.match(source[at]):
            end = next((n for n in range(at + 1, len(source)) if _FENCE.match(source[n])), len(source))
            code = dedent("\n".join(source[at + 1 : end]))
            yield tag("pre", {"tabindex": 0}, tag("code", None, lines(code)))
            at = end + 1
        elif _ITEM.match(source[at]):
            items, at = _items(source, at)
            yield items
        else:
            end = at + 1
            while end < len(source) and source[end].strip() and not _begins(source[end]):
                end += 1
            yield tag("p", None, inline(" ".join(line.strip() for line in source[at:end])))
            at = end


def _items(source: list[str], at: int) -> tuple[Markup, int]:
    """A list from this line on, and the line after it; a line that begins no item belongs to the one before."""
    first = _ITEM.match(source[at])
    numbered = first is not None and first["number"] is not None
    items: list[str] = []
    while at < len(source) and source[at].strip() and not _FENCE.match(source[at]):
        found = _ITEM.match(source[at])
        if found is None:
            items[-1] = f"{items[-1]} {source[at].strip()}"
        elif (found["number"] is not None) is numbered:
            items.append(found["text"])
        else:
            break
        at += 1
    start = int(first["number"]) if first is not None and first["number"] is not None else 1
    made = [tag("li", None, inline(item)) for item in items]
    return tag(
        "ol" if numbered else "ul", {"start": start if start != 1 else None}, *made
    ) if made else NOTHING, at


def _begins(line: str) -> bool:
    return bool(_FENCE.match(line) or _ITEM.match(line))
