"""HTML and SVG as values of a type of their own: text becomes markup through `text` alone, which escapes it."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import NewType

from prober.publish.printable import printable

Markup = NewType("Markup", str)
Attribute = str | int | float | None

NOTHING = Markup("")
_EMPTY = frozenset({"meta", "link", "br", "line", "rect", "circle", "path", "polyline"})


def text(said: str) -> Markup:
    """A stranger's text, or any other, on one line."""
    return Markup(escape(printable(said)))


def lines(said: str) -> Markup:
    """Text whose line breaks and tabs stay, for code."""
    return Markup(
        "\n".join(escape("\t".join(printable(cell) for cell in row.split("\t"))) for row in said.split("\n"))
    )


def join(parts: tuple[Markup, ...] | list[Markup], between: str = "") -> Markup:
    """Markup after markup; `between` is text."""
    return Markup(escape(between).join(parts))


def tag(name: str, attributes: Mapping[str, Attribute] | None = None, *children: Markup) -> Markup:
    """One element; an attribute that is None is left out."""
    given = "".join(
        f' {key}="{escape(_value(value))}"' for key, value in (attributes or {}).items() if value is not None
    )
    if name in _EMPTY and not children:
        return Markup(f"<{name}{given}/>")
    return Markup(f"<{name}{given}>{''.join(children)}</{name}>")


def _value(value: Attribute) -> str:
    """Coordinates to a tenth of a pixel: more only makes the file larger."""
    if isinstance(value, float):
        return f"{value:.1f}".removesuffix(".0")
    return printable(str(value))
