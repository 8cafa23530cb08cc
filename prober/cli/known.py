"""What to say of an id that there is none of."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

SHOWN = 5


def nearest(wanted: str, known: Sequence[str]) -> str:
    """A question such as `; did you mean split_order?`, or nothing where nothing is near."""
    found = difflib.get_close_matches(wanted, known, n=1, cutoff=0.7)
    return f"; did you mean {found[0]}?" if found else ""


def listed(what: str, known: Sequence[str]) -> str:
    """The first few of them in words: `newest races: a, b, c and 12 more`."""
    if not known:
        return f"{what}: none"
    more = f" and {len(known) - SHOWN} more" if len(known) > SHOWN else ""
    return f"{what}: {', '.join(known[:SHOWN])}{more}"
