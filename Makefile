# Every command of the project. `make demo` and `make test` are the two to begin with.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PEER := .venv-peer
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
DATA ?= .synapse
PORT ?= 8610
WORKERS ?= auto

.DEFAULT_GOAL := help
.PHONY: help install install-dev install-peer demo test quick check format bench serve airflow build clean

help:  ## Say what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## */make \1|/' | column -t -s '|'

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --upgrade 'pip>=25.1'

$(VENV)/installed: $(BIN)/python pyproject.toml constraints.txt
	@echo 'Installing synapse-workflows and Airflow into $(VENV) (a minute or two, once)'
	$(PIP) install --constraint constraints.txt --editable .
	@touch $@

$(VENV)/installed-dev: $(VENV)/installed
	$(PIP) install --constraint constraints.txt --group dev
	@touch $@

$(PEER)/installed: tests/peer/constraints.txt
	$(PYTHON) -m venv $(PEER)
	$(PEER)/bin/python -m pip --disable-pip-version-check --quiet install --upgrade 'pip>=25.1'
	$(PEER)/bin/python -m pip --disable-pip-version-check --quiet install --constraint $< "synapseclient[pandas]"
	@touch $@

install: $(VENV)/installed  ## Create .venv with the package and all it needs
install-dev: $(VENV)/installed-dev  ## The same, with the tools for tests and checks
install-peer: $(PEER)/installed  ## The official Synapse client, in an environment of its own

demo: $(VENV)/installed  ## Run the examples under real Airflow against a local Synapse, and show the provenance
	@$(BIN)/synapse-workflows demo

serve: $(VENV)/installed  ## Leave a local Synapse running (PORT, DATA)
	@$(BIN)/synapse-workflows serve --port $(PORT) --data $(DATA) --seed demo

airflow: $(VENV)/installed  ## Run `airflow standalone` beside a local Synapse, with the examples loaded
	@$(BIN)/synapse-workflows airflow

test: $(VENV)/installed-dev $(PEER)/installed  ## The whole test suite
	$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist worksteal

quick: $(VENV)/installed-dev  ## The tests that need neither Airflow nor the official client
	$(BIN)/python -m pytest --numprocesses $(WORKERS) tests/unit tests/service tests/structure

check: $(VENV)/installed-dev  ## Linters, types, import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/installed-dev  ## Put the code into shape
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(VENV)/installed-dev $(PEER)/installed  ## Measure: ratios side by side, in one run
	$(BIN)/python tests/bench/transfers.py
	$(BIN)/python tests/bench/tables.py

build: $(VENV)/installed-dev  ## Build the wheel
	$(PIP) wheel --no-deps --wheel-dir dist .

clean:  ## Remove what the commands above have made
	rm -rf $(VENV) $(PEER) .demo .airflow .synapse build dist
