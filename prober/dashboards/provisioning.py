"""The files by which Grafana finds data source, folder and dashboards on its own."""

from __future__ import annotations

_NOTE = "# Written by `python -m prober.dashboards`; copy it, and change what is marked.\n"

DATASOURCES = (
    _NOTE
    + """\
# Goes to /etc/grafana/provisioning/datasources/.
apiVersion: 1
datasources:
  - name: Prometheus
    uid: prometheus
    type: prometheus
    access: proxy
    url: http://127.0.0.1:9090           # CHANGE: the Prometheus that scrapes the prober
    isDefault: true
    jsonData:
      httpMethod: POST
      timeInterval: 10s                  # its scrape interval: `$__rate_interval` is at least four of them
      # Where traces are kept, exemplars lead to them:
      # exemplarTraceIdDestinations: [{name: trace_id, datasourceUid: tempo}]
"""
)

DASHBOARDS = (
    _NOTE
    + """\
# Goes to /etc/grafana/provisioning/dashboards/; the dashboards themselves to `path`.
apiVersion: 1
providers:
  - name: prober
    type: file
    folder: Prober
    folderUid: prober
    allowUiUpdates: false                # they are code: prober/dashboards/
    disableDeletion: true
    updateIntervalSeconds: 30
    options:
      path: /var/lib/grafana/dashboards  # CHANGE where yours are
"""
)
