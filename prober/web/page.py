"""The page at `/`: what is up and what is down now, as plain HTML without a script."""

from __future__ import annotations

import base64
import hashlib
from html import escape

import prober
from prober.outcome import ProbeName
from prober.publish.printable import utc
from prober.web.board import Board

_STYLE = """\
body{font:16px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:60rem;padding:0 1rem}
body{color:#1b1b1b;background:#fff}
table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.3rem .6rem;border-bottom:1px solid #ccc}
.up{color:#176b2c}.down{color:#b00020;font-weight:bold}.unknown{color:#5c5c5c}
@media(prefers-color-scheme:dark){body{color:#e8e8e8;background:#161616}th,td{border-color:#444}
.up{color:#7ddb93}.down{color:#ff8a94}.unknown{color:#a8a8a8}}
"""
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

# Nothing but this one style sheet: whatever a target might smuggle into a sentence stays text.
CONTENT_SECURITY_POLICY = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)


def render(board: Board, now: float, boot: float) -> str:
    """Render the page at the monotonic time `now`, which is `boot` on the clock of leases."""
    instance = board.started.instance if board.started else "starting"
    environment = board.started.environment if board.started else "nothing yet"
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>prober {escape(instance)}</title><style>{_STYLE}</style></head><body>"
        f"<h1>prober {escape(instance)}</h1>"
        f"<p>Version {prober.__version__}, watching {escape(environment)}. {_alive(board, now)}"
        f"{_restricted(board)}{_election(board, boot)}</p>"
        "<table><thead><tr><th>probe</th><th>now</th><th>last run</th><th>what it said</th></tr></thead>"
        f"<tbody>{''.join(_row(board, probe, now) for probe in _probes(board))}</tbody></table>"
        f"<p>{_violations(board)}</p>"
        '<p><a href="/metrics">metrics</a> · <a href="/-/healthy">healthy</a> · <a href="/-/ready">ready</a></p>'
        "</body></html>\n"
    )


def _probes(board: Board) -> tuple[ProbeName, ...]:
    return tuple(board.started.probes) if board.started else ()


def _alive(board: Board, now: float) -> str:
    trouble = board.trouble(now)
    if trouble is None:
        return '<span class="up">The prober is probing.</span>'
    return f'<span class="down">Not healthy: {escape(trouble)}.</span>'


def _restricted(board: Board) -> str:
    if board.restricted is None:
        return ""
    return f' <span class="unknown">No writes to the target: {escape(board.restricted)}.</span>'


def _election(board: Board, boot: float) -> str:
    writer = board.writer(boot)
    if writer is None:
        return ""
    if writer.instance is None or writer.since is None:
        return ' <span class="unknown">No replica is known to write.</span>'
    if writer.ours:
        return f" This replica writes, since {utc(writer.since)} under number {writer.fence}."
    return f" This replica watches; {escape(writer.instance)} writes, as seen since {utc(writer.since)}."


def _row(board: Board, probe: ProbeName, now: float) -> str:
    kind, word = _state(board, probe, now)
    run = board.last_runs.get(probe)
    age, said = "never", ""
    if run is not None:
        age = f"{max(0.0, now - run.result.finished_mono):.0f} s ago"
        said = f"{run.result.outcome}: {run.result.detail}" if run.result.detail else run.result.outcome
    return f'<tr><td>{probe}</td><td class="{kind}">{escape(word)}</td><td>{age}</td><td>{escape(said)}</td></tr>'


def _state(board: Board, probe: ProbeName, now: float) -> tuple[str, str]:
    """Say what is known of the probe now, as a style class and in words."""
    outage = board.outages.get(probe)
    if outage is not None:
        return "down", f"down for {max(0.0, now - outage.began.mono):.1f} s"
    run = board.last_runs.get(probe)
    if run is None:
        return "unknown", "has not run yet"
    if now > run.fresh_until:
        return "unknown", "not known: the last run is too long ago"
    return ("up", "up") if run.result.ok else ("down", "failed")


def _violations(board: Board) -> str:
    if not board.violations:
        return "No violation is known."
    counted = ", ".join(f"{kind}: {count}" for kind, count in sorted(board.violations.items()))
    return f'<span class="down">Violations found so far: {escape(counted)}.</span>'
