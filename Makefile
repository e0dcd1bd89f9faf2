# Commands of the project. Start with `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PEER := .venv-peer
LOWEST := .venv-lowest
PIP_OPTIONS := --disable-pip-version-check --quiet
PIP := $(BIN)/python -m pip $(PIP_OPTIONS)
DATA ?= .synapse
PORT ?= 8610
# Python versions of `make test-versions`
VERSIONS ?= 3.11 3.12 3.13
# The tests wait for processes and sockets: more workers than processors use these fully
WORKERS ?= $(shell $(PYTHON) -c 'import os; print(max(2, os.cpu_count() * 2))')
# Tests to run by habit, in less than a minute on 2 processors
QUICK := tests/unit tests/structure --ignore tests/structure/test_extras.py \
  $(filter-out %_limits.py, $(wildcard tests/service/test_sql_*.py)) \
  $(addprefix tests/service/test_, access.py app.py auth.py entities.py entity_acl.py evaluations.py \
    submission_status.py teams.py versions.py) \
  $(addprefix tests/contract/test_, entities.py evaluations.py wire.py)
# PORT has a default for `make serve`; `make airflow` selects a free port itself
AIRFLOW_OPTIONS = $(if $(filter-out file undefined,$(origin PORT)),--port $(PORT)) $(if $(DAGS),--dags $(DAGS))

# Without bytecode, each of the many Python processes compiles all modules again
unexport PYTHONDONTWRITEBYTECODE
# Tests use the memory of freed blocks again, without a return to the operating system
MALLOC := MALLOC_ARENA_MAX=2 MALLOC_MMAP_THRESHOLD_=33554432 MALLOC_TRIM_THRESHOLD_=1000000000

.DEFAULT_GOAL := help
.PHONY: help install install-dev install-peer demo test test-distributed test-lowest test-versions quick check format docs bench serve airflow build clean

help:  ## List the commands
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## */make \1|/' | column -t -s '|'

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --upgrade 'pip>=25.1'

$(VENV)/installed: $(BIN)/python pyproject.toml constraints.txt
	@echo 'Installing synapse-workflows and Airflow into $(VENV) (takes a minute or two, once)'
	$(PIP) install --constraint constraints.txt --editable '.[all,s3-server]'
	@touch $@

$(VENV)/installed-dev: $(VENV)/installed
	$(PIP) install --constraint constraints.txt --group dev
	@touch $@

$(VENV)/installed-celery: $(VENV)/installed-dev
	$(PIP) install --constraint constraints.txt --editable '.[celery]'
	@touch $@

$(PEER)/installed: tests/peer/constraints.txt
	$(PYTHON) -m venv $(PEER)
	$(PEER)/bin/python -m pip $(PIP_OPTIONS) install --upgrade 'pip>=25.1'
	$(PEER)/bin/python -m pip $(PIP_OPTIONS) install --constraint $< "synapseclient[pandas,boto3]" roc-validator
	@touch $@

$(LOWEST)/installed: pyproject.toml .ci/lowest_versions.py
	$(PYTHON) -m venv $(LOWEST)
	$(LOWEST)/bin/python -m pip $(PIP_OPTIONS) install --upgrade 'pip>=25.1'
	$(PYTHON) .ci/lowest_versions.py > $(LOWEST)/requirements.txt
	$(LOWEST)/bin/python -m pip $(PIP_OPTIONS) install --only-binary :all: --requirement $(LOWEST)/requirements.txt --group unit
	$(LOWEST)/bin/python -m pip $(PIP_OPTIONS) install --no-deps --editable .
	@touch $@

install: $(VENV)/installed  ## Install the package with all extras into .venv
install-dev: $(VENV)/installed-dev  ## Install the tools for tests and checks as well
install-peer: $(PEER)/installed  ## Install the official Synapse client and the RO-Crate validator into .venv-peer

demo: $(VENV)/installed  ## Run the example DAGs under Airflow against a local Synapse (DAG)
	@$(BIN)/synapse-workflows demo $(if $(DAG),--dag $(DAG))

serve: $(VENV)/installed  ## Run a local Synapse until Ctrl-C (PORT, DATA)
	@$(BIN)/synapse-workflows serve --port $(PORT) --data $(DATA) --seed demo --seed challenge

airflow: $(VENV)/installed  ## Run Airflow with the example DAGs and a local Synapse (PORT, DAGS)
	@$(BIN)/synapse-workflows airflow $(AIRFLOW_OPTIONS)

test: $(VENV)/installed-dev $(PEER)/installed  ## Run all tests
	$(MALLOC) $(BIN)/python -m pytest --numprocesses $(WORKERS) --dist worksteal

test-distributed: $(VENV)/installed-celery  ## Run tests of Celery workers on several machines; needs root and Debian packages (KILLS)
	.ci/debian_packages postgresql redis-server
	$(BIN)/python -m pytest tests/distributed

test-lowest: $(LOWEST)/installed  ## Run unit, SQL, import and some Airflow tests with the lowest declared dependency versions
	$(LOWEST)/bin/python -m pytest --numprocesses $(WORKERS) --dist worksteal tests/unit tests/structure/test_imports.py \
	  tests/service/test_sql_*.py $(addprefix tests/airflow/test_, file_operators.py provider_info.py table_sensors.py)

test-versions: build  ## Install the wheel and run tests with each installed Python version (VERSIONS)
	.ci/test_versions dist/*.whl $(VERSIONS)

quick: $(VENV)/installed-dev  ## Run the quick tests: units, structure, main rules of the service
	$(MALLOC) $(BIN)/python -m pytest --numprocesses $(WORKERS) --dist worksteal $(QUICK)

check: $(VENV)/installed-dev  ## Run linters, type checker and import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/installed-dev  ## Format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: $(VENV)/installed-dev  ## Build the guides and the reference in build/docs; warnings fail
	AIRFLOW_HOME=$(CURDIR)/build/airflow AIRFLOW__LOGGING__LOGGING_LEVEL=WARNING \
	$(BIN)/python -m sphinx --builder html --fail-on-warning --keep-going --quiet synapse_workflows/docs build/docs

bench: $(VENV)/installed-dev $(PEER)/installed  ## Run the benchmarks
	$(BIN)/python -m tests.bench.uploads
	$(BIN)/python -m tests.bench.downloads
	$(BIN)/python -m tests.bench.s3
	$(BIN)/python -m tests.bench.startup
	$(BIN)/python tests/bench/tables.py
	$(BIN)/python tests/bench/query_results.py
	$(BIN)/python tests/bench/triggers.py
	$(BIN)/python tests/bench/rate_limit.py
	$(BIN)/python tests/bench/lineage.py
	$(BIN)/python tests/bench/submissions.py
	$(BIN)/python tests/bench/claims.py

build: $(VENV)/installed-dev  ## Build the wheel
	rm -rf dist
	$(PIP) wheel --no-deps --wheel-dir dist .

clean:  ## Remove all files that these commands create
	rm -rf $(VENV) $(PEER) $(LOWEST) .demo .airflow .synapse build dist
