"""What pages on-call, as data: rules, Alertmanager's config, runbooks and pages about them are made from it.

`python -m prober.alerts` writes all of it. Nothing in here does I/O but `__main__`.
"""
