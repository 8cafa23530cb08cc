"""Where the links of alerts lead: runbooks and dashboards."""

from __future__ import annotations

from dataclasses import dataclass

from prober.alerts.alert import Alert


@dataclass(frozen=True, slots=True)
class Places:
    """Base addresses without a slash at the end; those that are checked in are examples."""

    grafana: str = "https://grafana.example.com"
    runbooks: str = "https://git.example.com/prober/blob/main/docs/runbooks"

    def dashboard(self, alert: Alert) -> str:
        """The dashboard on which to look first."""
        return f"{self.grafana}/d/{alert.dashboard}"

    def runbook(self, alert: Alert) -> str:
        """The page that says what to do."""
        return f"{self.runbooks}/{alert.name}.md"
