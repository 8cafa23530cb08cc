# Everything goes through two commands: `make demo` and `make test`. Both make their own virtual environment.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
DURATION ?=
PARTS  ?=
PYTEST_WORKERS ?= 3
# More than cores: most of the time a system test waits for servers.
SYSTEM_WORKERS ?= 4

.DEFAULT_GOAL := help
.PHONY: help demo test lint unit system lock generated pictures bench detection chaos election suites dashboards \
        alerting quiet clean tools

help:
	@echo 'make demo [DURATION=60s]   a whole stack on this machine, and prober watching it'
	@echo 'make test                  lint, types, unit and system tests; installs what it lacks'
	@echo 'make detection             every planted fault told, clean runs, rare windows: docs/detection.md'
	@echo 'make chaos                 200 times kill -9, and nothing left or forgotten: docs/chaos.md, cleanups.md'
	@echo 'make election              three replicas in trouble, and never two that write: docs/election.md'
	@echo 'make suites                the eighteen scenarios of the guide at their full sizes: docs/suites.md, resilience.md'
	@echo 'make alerting              each fault and who is told of it, after how long: docs/alerting.md'
	@echo 'make quiet                 twenty minutes healthy, and nobody told: docs/alerting.md'
	@echo 'make dashboards            every panel asked of a real Prometheus during incidents: docs/dashboards.md'
	@echo 'make bench                 the measurements of docs/benchmarks.md'
	@echo 'make pictures              a demo with an incident: docs/pictures/{status,race,terminal}*.png, docs/api.md'
	@echo 'make generated             write every generated file anew'
	@echo 'make lock                  pin every dependency anew'

# A stamp for each set of packages: made again when its lock or the project file changes.
$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "prober needs Python 3.11 or later; set PYTHON=")'
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.demo: requirements/demo.lock pyproject.toml | $(VENV)/.made
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/demo.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: requirements/dev.lock pyproject.toml | $(VENV)/.made
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@ $(VENV)/.demo

demo: $(VENV)/.demo
	@$(BIN)/prober demo $(if $(DURATION),--duration $(DURATION))

# The type checker has one core for itself while unit tests, a third of which wait, have the other.
test: $(VENV)/.dev tools
	@$(MAKE) --no-print-directory --jobs 2 --output-sync=target lint unit
	@$(MAKE) --no-print-directory system

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Programs of the distribution that tests and measurements need: promtool, Alertmanager, PgBouncer, a Redis with TLS,
# libfaketime, systemd-analyze, Chromium; nginx, wrk and hey for `make bench`.
tools:
	@scripts/install-test-tools

unit: $(VENV)/.dev tools
	$(BIN)/python -m pytest -q -n $(PYTEST_WORKERS) --ignore tests/system tests

system: $(VENV)/.dev tools
	$(BIN)/python -m pytest -q -n $(SYSTEM_WORKERS) --dist loadscope --durations 25 tests/system

# Long runs whose pages are checked in; `make test` has a short form of each.
detection: $(VENV)/.dev tools
	$(BIN)/python -m proofs.detection $(PARTS)

chaos: $(VENV)/.dev
	$(BIN)/python -m proofs.chaos
	$(BIN)/python -m proofs.cleanups

election: $(VENV)/.dev tools
	$(BIN)/python -m proofs.election

alerting: $(VENV)/.dev tools
	$(BIN)/python -m proofs.alerting

quiet: $(VENV)/.dev tools
	$(BIN)/python -m proofs.quiet

suites: $(VENV)/.dev
	$(BIN)/python -m proofs.suites
	$(BIN)/python -m proofs.resilience

dashboards: $(VENV)/.dev tools
	$(BIN)/python -m proofs.dashboards

bench: $(VENV)/.dev tools
	$(BIN)/python -m benchmarks

pictures: $(VENV)/.dev tools
	$(BIN)/python -m proofs.page_pictures

generated: $(VENV)/.dev
	$(BIN)/prober metrics --markdown > docs/metrics.md
	$(BIN)/python -m prober.guide.doc > docs/breaking-points.md
	$(BIN)/python -m prober.alerts
	$(BIN)/python -m tests.alerts.promtool
	$(BIN)/python -m prober.doctor.grants_doc docs/deploying.md
	$(BIN)/python -m prober.suites.report.schema docs
	$(BIN)/python -m prober.dashboards

# Pins and hashes alone: no address of where they came from.
lock: $(VENV)/.dev
	for set in core demo dev; do \
	  case $$set in core) extras= ;; demo) extras='--extra demo' ;; dev) extras='--extra demo --extra suites --extra dev' ;; esac; \
	  $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	    --no-annotate --no-header $$extras pyproject.toml requirements/build.in -o requirements/$$set.lock || exit 1; \
	done

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
