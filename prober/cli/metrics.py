"""`prober metrics`: every metric that a running prober exports."""

from __future__ import annotations

from prober.cli import exits
from prober.web.metrics_doc import markdown as as_markdown
from prober.web.metrics_doc import plain


def list_metrics(*, markdown: bool) -> int:
    """Print them all, for a terminal or as docs/metrics.md."""
    print(as_markdown() if markdown else plain(), end="")
    return exits.FINE
