"""An example of a Prometheus config that fits the rules: job, region, intervals."""

from __future__ import annotations

from prober.alerts.declarations import FILES

INTERVAL = "10s"

_TEXT = """\
# Written by `python -m prober.alerts`; do not edit, copy. What the rules need of Prometheus:
#   - the job is called `prober`: every rule selects it, so series of the same names from elsewhere do not mix in;
#   - a scrape and an evaluation every {interval}: the times in docs/alerting.md follow from them;
#   - `region` (or whatever tells your places apart) as an external label: it is in no series that a rule sees, and
#     is added to every alert on its way out. One Prometheus for several regions gives it to the targets instead,
#     as shown; the rules keep it either way.
global:
  scrape_interval: {interval}
  scrape_timeout: 5s
  evaluation_interval: {interval}
  external_labels:
    region: eu-1                       # CHANGE

rule_files:
{files}

alerting:
  alertmanagers:
    - static_configs:
        - targets: [127.0.0.1:9093]    # CHANGE

scrape_configs:
  - job_name: prober
    # scheme: https                    # with `web_config` in the prober's config
    # basic_auth: {{username: prometheus, password_file: /etc/prometheus/secrets/prober_password}}
    static_configs:
      - targets: [127.0.0.1:9877]      # CHANGE: every prober
        # labels: {{region: eu-1}}       # in place of the external label
"""


def prometheus_text() -> str:
    """The file."""
    files = "\n".join(f"  - {file.name}.rules.yml" for file in FILES)
    return _TEXT.format(interval=INTERVAL, files=files)
