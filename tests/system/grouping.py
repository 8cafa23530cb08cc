"""Which tests of a run with several workers belong to one worker (`--dist loadgroup`): those that share servers.

Tests whose module has servers for all of them stay together, in their order. All others go to whoever is free, so
that no worker is left alone with a long file at the end.
"""

from __future__ import annotations

from collections.abc import Iterable

import pytest


def keep_together(items: Iterable[pytest.Item]) -> None:
    """Mark each test that uses something of its whole module with the name of that."""
    for item in items:
        if isinstance(item, pytest.Function) and _shares(item):
            item.add_marker(pytest.mark.xdist_group(item.path.stem))


def _shares(item: pytest.Function) -> bool:
    known = item._fixtureinfo.name2fixturedefs.values()  # pytest has no public name for it
    # Those of plugins, which have no place among our files, are cheap: event loops, directories.
    return any(fixture.scope == "module" and fixture.baseid for fixtures in known for fixture in fixtures)
