# `make run` starts the monitor with its demo, `make test` runs every test; each does all of its own set-up.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check

.PHONY: setup run test lint types static-check ratios check clean

setup: $(VENV)/.installed

# The interpreter is checked first: everything later would fail less clearly.
$(VENV)/.python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "deepfake-monitor needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) -V 2>&1). Try: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.installed: $(VENV)/.python pyproject.toml constraints.txt
	$(PIP) install --progress-bar on -c constraints.txt -e .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(PIP) install --progress-bar on -c constraints.txt -e '.[dev]'
	@touch $@

# The browser and the camera server that tests use (Debian as root); the type checker of static/.
.test-tools: package.json tests/install_tools.sh
	bash tests/install_tools.sh
	@touch $@

run: setup
	$(BIN)/deepfake-monitor serve --demo

test: $(VENV)/.installed-dev .test-tools static-check
	$(BIN)/python -m pytest

lint: $(VENV)/.installed-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports

types: $(VENV)/.installed-dev
	$(BIN)/mypy

static-check: .test-tools
	bash tests/check_static.sh

# Regressions by ratio within one run, never by wall time. Seen are 12 to 13, and 1.2 to 1.6 (benchmarks/README.md).
ratios: $(VENV)/.installed-dev .test-tools
	CUDA_VISIBLE_DEVICES= $(BIN)/deepfake-monitor bench --quick --only score_cost throughput \
		--require 'score_cost.naive_over_cached>=7' \
		--require 'throughput.scored_over_network<=3'

check: lint types ratios test

clean:
	rm -rf $(VENV) node_modules .test-tools
