"""`python -m prober.alerts [DIRECTORY]` writes the rules, Alertmanager's config, runbooks and their pages."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

from prober.alerts.alertmanager import alertmanager_text
from prober.alerts.coverage import coverage_text
from prober.alerts.declarations import ALERTS, FILES
from prober.alerts.doc import alerting_text
from prober.alerts.places import Places
from prober.alerts.prometheus_example import prometheus_text
from prober.alerts.rules import rule_text
from prober.alerts.runbook import index_text, runbook_text

ALERTING = Path("docs/alerting.md")
RUNBOOKS = Path("docs/runbooks")


def files(places: Places, alerting: str) -> Mapping[Path, str]:
    """Every file by its path in the repository. Of docs/alerting.md as it stands the measured part stays."""
    return {
        **{Path("alerts") / f"{file.name}.rules.yml": rule_text(file, places) for file in FILES},
        Path("alerts/alertmanager.yml"): alertmanager_text(),
        Path("alerts/prometheus.yml"): prometheus_text(),
        **{RUNBOOKS / f"{alert.name}.md": runbook_text(alert) for alert in ALERTS},
        RUNBOOKS / "README.md": index_text(),
        Path("docs/guide-coverage.md"): coverage_text(),
        ALERTING: alerting_text(alerting),
    }


def main() -> None:
    """Write them, and remove rules and runbooks that are no more."""
    parser = argparse.ArgumentParser(prog="python -m prober.alerts", description=__doc__)
    parser.add_argument("directory", nargs="?", type=Path, default=Path(), help="where to write (the repository)")
    parser.add_argument("--grafana", default=Places().grafana, help="base address of Grafana, for the links")
    parser.add_argument(
        "--runbooks", default=Places().runbooks, help="base address of docs/runbooks, for the links"
    )
    given = parser.parse_args()
    root: Path = given.directory
    places = Places(given.grafana.rstrip("/"), given.runbooks.rstrip("/"))
    alerting = root / ALERTING
    made = files(places, alerting.read_text(encoding="utf-8") if alerting.exists() else "")
    for path, text in made.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, encoding="utf-8")
    for path in (*(root / RUNBOOKS).glob("*.md"), *(root / "alerts").glob("*.rules.yml")):
        if path.relative_to(root) not in made:
            path.unlink()


if __name__ == "__main__":
    main()
