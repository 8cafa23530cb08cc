"""What every page of a proof begins with, and how its tables look."""

from __future__ import annotations

import os
import platform
import subprocess
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

DOCS = Path(__file__).parent.parent / "docs"


def commit() -> str:
    """The commit that is run, with a plus where there is more than that in the tree."""
    command = ["git", "describe", "--always", "--dirty=+"]
    return subprocess.run(command, capture_output=True, text=True, check=True, cwd=DOCS.parent).stdout.strip()


def head(title: str, command: str, what: str) -> str:
    """The beginning of a page."""
    return f"# {title}\n\n{what}\n\n{ran(commit(), command)}\n"


def ran(of: str, command: str) -> str:
    """When, at which commit and where this command measured."""
    return (
        f"Written by `{command}` on {time.strftime('%Y-%m-%d')} at commit {of}, "
        f"Python {platform.python_version()}, {os.cpu_count()} cores."
    )


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table; strangers' texts cannot break its cells."""
    lines = [f"| {' | '.join(header)} |", f"|{'---|' * len(header)}"]
    lines += [f"| {' | '.join(_cell(str(value)) for value in row)} |" for row in rows]
    return "\n".join(lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
