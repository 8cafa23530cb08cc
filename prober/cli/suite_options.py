"""The options that all suite commands share, and their types."""

from __future__ import annotations

import argparse
import math
from pathlib import Path


def add_suite_options(command: argparse.ArgumentParser) -> None:
    """`--json`, `--html`, `--output`, `--scale`; `--config` is common to all commands."""
    command.add_argument("--json", action="store_true", help="the results as JSON on stdout")
    command.add_argument("--html", type=Path, metavar="FILE", help="write a page with plots as well")
    command.add_argument(
        "--output", type=Path, metavar="FILE", help="the results file (default: the guide's name, here)"
    )
    command.add_argument(
        "--scale", type=scale, default=1.0, metavar="FACTOR", help="scale durations and counts, not concurrency"
    )


def scale(text: str) -> float:
    """A factor above 0."""
    try:
        factor = float(text)
    except ValueError:
        factor = math.nan
    if not 0 < factor <= 1000:
        raise argparse.ArgumentTypeError(f"expected a factor above 0, such as 0.1; found {text!r}")
    return factor


def per_second(text: str) -> float:
    """A rate: `200` (a second), or as in the config `200/1m`."""
    from prober.config.units import parse_rate

    try:
        rate = float(text)
    except ValueError:
        try:
            parsed = parse_rate(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None
        rate = parsed.count / parsed.per_seconds
    if not 0 < rate <= 10_000_000:
        raise argparse.ArgumentTypeError(
            f"expected requests a second above 0, such as 200 or 200/1m; found {text!r}"
        )
    return rate


def processes(text: str) -> int:
    """A number of processes."""
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 64:
        raise argparse.ArgumentTypeError(f"expected a number of processes from 1 to 64; found {text!r}")
    return int(text)
