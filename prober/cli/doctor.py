"""`prober doctor`: walks the contract with the target step by step, and says which setting mends what fails."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import uvloop

from prober.cli import exits
from prober.cli.settings import Settings, read_settings
from prober.doctor.finding import Finding, worst
from prober.doctor.walk import examine
from prober.log import configure_log
from prober.outcome import StepVerdict

MARKS = {
    StepVerdict.OK: "✓",
    StepVerdict.HINT: "i",
    StepVerdict.PROBLEM: "✗",
    StepVerdict.ALARM: "!",
    StepVerdict.SKIPPED: "-",
}
EXITS = {
    StepVerdict.OK: exits.FINE,
    StepVerdict.PROBLEM: exits.COULD_NOT_RUN,
    # Vendors that real orders reach, or a target that takes forged messages: worse than that we cannot run.
    StepVerdict.ALARM: exits.VIOLATION,
}


def examine_target(path: Path, *, as_json: bool) -> int:
    """Walk, print each step as it is found, and say what all came to."""
    settings = read_settings(path)
    if settings is None:
        return exits.BAD_USAGE
    configure_log("warning", settings.config.log.format, settings.redact)
    findings = uvloop.run(_walk(settings, as_json=as_json))
    verdict = worst(findings)
    if as_json:
        document = {"verdict": verdict, "steps": [finding.document() for finding in findings]}
        print(settings.redact(json.dumps(document, indent=2, ensure_ascii=False)))
    else:
        print(_summary(findings))
    return EXITS[verdict]


async def _walk(settings: Settings, *, as_json: bool) -> list[Finding]:
    findings = []
    async for finding in examine(settings.config, settings.contract):
        findings.append(finding)
        if not as_json:
            sys.stdout.write(settings.redact(_plain(finding)) + "\n")
            sys.stdout.flush()
    return findings


def _plain(finding: Finding) -> str:
    line = f"{MARKS[finding.verdict]} {finding.name:<28} {finding.sentence}"
    return f"{line}\n{'':<31}→ {finding.mend}" if finding.mend else line


def _summary(findings: list[Finding]) -> str:
    counts = {verdict: sum(f.verdict is verdict for f in findings) for verdict in StepVerdict}
    names = {
        StepVerdict.OK: "ok",
        StepVerdict.HINT: "hints",
        StepVerdict.PROBLEM: "problems",
        StepVerdict.ALARM: "alarms",
        StepVerdict.SKIPPED: "skipped",
    }
    return f"{len(findings)} steps: " + ", ".join(f"{count} {names[v]}" for v, count in counts.items() if count)
