# Every command of the project. `make` alone lists them.
#
#   PYTHON=…   the Python that makes the virtual environment (3.11, 3.12 or 3.13)
#   SOURCE=…   the demo's database: sqlite (default) or mysql
#   DATASET=…  a folder of product photos for `make accuracy`; default: the demo's drawn goods
#   ARGS=…     further arguments of a benchmark or of pytest

SHELL := /usr/bin/env bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules --no-print-directory

PYTHON ?= python3
SOURCE ?= sqlite
DATASET ?=
ARGS ?=

ifeq ($(filter sqlite mysql,$(SOURCE)),)
$(error SOURCE is '$(SOURCE)', expected sqlite or mysql)
endif

VENV := .venv
PY := $(VENV)/bin/python
READY := $(VENV)/.ready

.PHONY: help setup mariadb browser cluster load demo airflow test test-long test-cluster check format docs \
	upload-check accuracy benchmark benchmark-units benchmark-upload-check lock clean

help: ## List the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-24s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY) ## Install system packages, virtual environment and pinned packages, where missing
	@echo "Set up: $(VENV) holds the pinned packages."

$(READY): requirements.txt requirements-dev.txt setup/virtual-environment.sh \
		setup/system-packages.sh
	@setup/virtual-environment.sh "$(PYTHON)" "$(VENV)"
	@touch $@

mariadb browser cluster load:
	@setup/system-packages.sh $@

demo: $(if $(filter mysql,$(SOURCE)),mariadb) $(READY) ## Find the planted duplicates of the demo catalogue; SOURCE=mysql reads it from MariaDB
	@$(PY) -m demo run --source $(SOURCE)

airflow: $(READY) ## Start Airflow with its web interface on the demo catalogue
	@$(PY) -m demo airflow

upload-check: $(READY) ## Start the upload check as a service of its own; ARGS="key NAME" makes an API key
	@$(PY) -m image_duplication_web.upload_check $(ARGS)

# A file's tests stay in one process, as they share what is costly to make. The files start in their
# order, and those of tests/airflow, which take longest, stand first. A process and its servers take
# about 1 GB, and the longest file leaves little to win by more than four. ARGS="-n 0": one process.
test: mariadb $(READY) ## Run the tests, but for the long ones, in as many processes as cores
	@$(PY) -m pytest -m "not long and not cluster" \
		-n logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder $(ARGS)

test-long: mariadb browser $(READY) ## Run the tests that take more than a minute each
	@$(PY) -m pytest -m long --timeout 1800 $(ARGS)

test-cluster: mariadb cluster $(READY) ## Run the DAG on two workers that share only the network, and lose one half-way
	@$(PY) -m pytest tests/cluster -m cluster --timeout 1800 $(ARGS)

check: $(READY) ## Check format, lint, strict types, and that docs/DAGs.md is true
	@$(PY) -m ruff format --check .
	@$(PY) -m ruff check .
	@$(PY) -m mypy
	@$(PY) -m docs --check

format: $(READY) ## Format the code and mend what the linter can
	@$(PY) -m ruff check --fix .
	@$(PY) -m ruff format .

docs: $(READY) ## Write docs/DAGs.md from the DAGs
	@$(PY) -m docs

accuracy: $(READY) ## Measure what detection finds and whom it accuses, beside other libraries; DATASET=folder
	@$(PY) -m benchmarks.accuracy $(if $(DATASET),--dataset "$(DATASET)") $(ARGS)

benchmark: $(READY) ## Compare the pipeline with the plain reference flow; sizes by ARGS
	@$(PY) -m benchmarks.pipeline $(ARGS)

benchmark-units: $(READY) ## Measure tasks a minute and scheduler load at many units; sizes by ARGS
	@$(PY) -m benchmarks.units $(ARGS)

benchmark-upload-check: load $(READY) ## Measure an upload check's CPU time, and its service under load; DATASET=folder
	@$(PY) -m benchmarks.upload_check $(if $(DATASET),--dataset "$(DATASET)") $(ARGS)
	@$(PY) -m benchmarks.upload_check.load $(if $(DATASET),--dataset "$(DATASET)") $(ARGS)

# A lock holds for the lowest supported Python upwards, so it is compiled with that one.
PIP_COMPILE = CUSTOM_COMPILE_COMMAND="make lock" $(PY) -m piptools compile --quiet --strip-extras \
	--allow-unsafe --no-emit-index-url --no-emit-trusted-host --no-emit-find-links \
	--annotation-style line pyproject.toml

lock: $(READY) ## Compile the three requirements files anew from pyproject.toml; ARGS=--upgrade takes newer
	@$(PY) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11) and \
		"make lock needs Python 3.11: remove .venv, then make setup PYTHON=python3.11")'
	$(PIP_COMPILE) --output-file requirements.txt $(ARGS)
	$(PIP_COMPILE) --extra cluster --constraint requirements.txt \
		--output-file requirements-cluster.txt $(ARGS)
	$(PIP_COMPILE) --extra cluster --extra dev --constraint requirements-cluster.txt \
		--output-file requirements-dev.txt $(ARGS)

# build/data is where the pipeline keeps its results unless the settings say otherwise.
clean: ## Remove what the commands made in build/ and the tools' caches; build/data stays
	@if [[ -d build ]]; then find build -mindepth 1 -maxdepth 1 ! -name data -exec rm -rf {} +; fi
	@rm -rf .mypy_cache .pytest_cache .ruff_cache .hypothesis
	@find plugins dags demo benchmarks tests -name __pycache__ -prune -exec rm -rf {} +
