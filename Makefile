# What can be done here. `make` alone lists it.
# A fresh machine needs git, make and Python 3.11 or newer. uv is used when it is there, else venv and pip.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV := $(shell command -v uv 2>/dev/null)
ARGS ?=
PYPROJECTS := pyproject.toml $(wildcard plugins/*/pyproject.toml)
EDITABLE := -e . $(patsubst %/pyproject.toml,-e ./%,$(wildcard plugins/*/pyproject.toml))
# the project itself: never its dependencies (pinned above it), never a build environment from elsewhere
ITSELF := --quiet --no-deps --no-build-isolation $(EDITABLE)

ifdef UV
PIP := $(UV) pip install --python $(BIN)/python
else
PIP := $(BIN)/python -m pip install --disable-pip-version-check
endif

.DEFAULT_GOAL := help
.PHONY: help demo install test e2e check bench format pins clean

help:  ## this list
	@awk -F ':.*## ' '/^[a-z0-9]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/.runtime  ## a tenant, Isthmus and an app on loopback; ARGS=--check logs in once through each channel
	@$(BIN)/isthmus demo $(ARGS)

install: $(VENV)/.complete  ## .venv with all that the other targets need

test: $(VENV)/.complete  ## every test that needs no browser and no Node; ARGS=... goes to pytest
	@$(BIN)/python -m pytest -m "not e2e" $(ARGS)

e2e: $(VENV)/.complete  ## the tests that need Chromium and Node; says what is missing
	@$(BIN)/python tests/e2e/needs.py
	@$(BIN)/python -m pytest -m e2e $(ARGS)

check: $(VENV)/.complete  ## lint, types, import layers, spelling, docs
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/mypy
	@$(BIN)/python -m pytest -q tests/test_architecture.py
	@$(BIN)/codespell
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

bench: $(VENV)/.complete  ## CPU of a login and of a page through the gateway, beside the least they could cost; ARGS="--quick --json"
	@$(BIN)/python -m bench $(ARGS)

format:  ## put the code in shape
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

pins:  ## compute the pinned versions anew (needs uv)
	uv pip compile -q --universal --python-version 3.11 --no-emit-index-url --no-annotate --no-header --generate-hashes \
	  --extra dev --extra docs pyproject.toml -o requirements/constraints.txt
	uv pip compile -q --universal --python-version 3.11 --no-emit-index-url --no-annotate --no-header --generate-hashes \
	  -c requirements/constraints.txt pyproject.toml requirements/build.in -o requirements/runtime.txt

clean:  ## remove what was made here, the embedded server's data excepted
	rm -rf $(VENV) site .pytest_cache .mypy_cache .ruff_cache .hypothesis node_modules

$(VENV)/.python:
	@command -v $(PYTHON) >/dev/null || { echo "isthmus needs Python 3.11 or newer: no $(PYTHON) here" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "isthmus needs Python 3.11 or newer, $(PYTHON) is older: make PYTHON=python3.12 ..." >&2; exit 1; }
ifdef UV
	@test -x $(BIN)/python || $(UV) venv --quiet --python $(PYTHON) $(VENV)
else
	@test -x $(BIN)/pip || $(PYTHON) -m venv $(VENV) || { \
	  echo "Python's venv module is missing: on Debian and Ubuntu, apt-get install python3-venv" >&2; exit 1; }
endif
	@touch $@

# The complete environment serves the demo too: then nothing is installed twice.
$(VENV)/.runtime: requirements/runtime.txt $(PYPROJECTS) | $(VENV)/.python
	@if [ -e $(VENV)/.complete ]; then $(MAKE) --no-print-directory $(VENV)/.complete; else \
	  echo "installing what Isthmus runs on into $(VENV)" && \
	  $(PIP) --quiet --require-hashes -r requirements/runtime.txt && $(PIP) $(ITSELF); fi
	@touch $@

$(VENV)/.complete: requirements/constraints.txt $(PYPROJECTS) | $(VENV)/.python
	@echo "installing what tests and docs need too into $(VENV)"
	@$(PIP) --quiet --require-hashes -r requirements/constraints.txt
	@$(PIP) $(ITSELF)
	@touch $@ $(VENV)/.runtime
