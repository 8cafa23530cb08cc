"""Measurements of the prober itself; `python -m benchmarks` runs them all and writes docs/benchmarks.md."""
