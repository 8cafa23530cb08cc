"""Which tests of a run with several workers belong to one worker: those of a file that share servers.

All others go to whoever is free, so that no worker is left alone with a long file at the end. Decided by the
file's text, since whoever deals the tests out has collected none; and not by xdist's own `loadgroup`, which since
pytest 9.2 sees no groups any more.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from xdist.scheduler import LoadScopeScheduling

# Fixtures of a whole module: the file's own, or those of the conftests that keep a server for a module.
_SHARED = re.compile(r'scope="module"|\b(postgres|database|prepared|role|redis_server|redis_client)\b(: \w+)?[,)]')


class SharedServers(LoadScopeScheduling):  # type: ignore[misc]  # xdist is not typed
    """Deals out whole files that share servers, and single tests of the others."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.split("::", 1)[0]
        return file if shares(self.config.rootpath / file) else nodeid


@cache
def shares(file: Path) -> bool:
    """Whether tests of this file have servers in common."""
    return _SHARED.search(file.read_text(encoding="utf-8")) is not None
