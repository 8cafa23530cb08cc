"""The web process: metrics, health and pages, apart from the process that probes."""
