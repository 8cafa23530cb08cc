"""Grafana dashboards as code: declarations in, grafana/ out; needs the extra `dev`, unlike the daemon."""
