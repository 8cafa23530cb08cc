"""`${NAME}` and `${NAME:-default}` in a scalar, replaced from the environment; `$$` is a dollar sign."""

from __future__ import annotations

import re
from collections.abc import Mapping

_REFERENCE = re.compile(
    r"\$\$|\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?P<default>:-[^}]*)?\}|\$(?P<bad>[{A-Za-z_])", re.ASCII
)


class UnsetError(ValueError):
    """A reference that cannot be replaced; the message is a sentence without any value."""


def substitute(text: str, env: Mapping[str, str]) -> str:
    """Replace the references in `text`. An empty variable counts as unset, as in the shell's `:-`.

    Raises UnsetError, naming the first variable that is not set and has no default, or a `$` that is no reference.
    """

    def value(match: re.Match[str]) -> str:
        if match[0] == "$$":
            return "$"
        if match["bad"]:
            raise UnsetError("found a $ that begins no ${NAME}; write ${NAME} or ${NAME:-default}, or $$ for a $")
        found = env.get(match["name"], "")
        if found:
            return found
        if match["default"] is None:
            state = "empty" if match["name"] in env else "not set"
            raise UnsetError(
                f"the environment variable {match['name']} is {state}; set it, or write "
                f"${{{match['name']}:-default}}"
            )
        return match["default"][2:]

    return _REFERENCE.sub(value, text)
