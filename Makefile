# make run             sets everything up and does the main job on the shipped real data
# make test            sets everything up and runs the tests (PYTEST_ARGS="tests/core -k region")
# make check           all that CI runs: lint, types, then the tests
# make lint            ruff, and the contract of who may import whom
# make types           mypy
# make docs            the Python blocks of README.md and docs
# make bench NAME=...  one benchmark; writes results/NAME.json
# make format          lets ruff put the code in order
# make clean           removes what the other commands left, except .venv
#
# Needs Python >= 3.11 with venv and pip. pip's own settings pass through: on a machine without a
# GPU, PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu spares the 2.5 GB of CUDA wheels.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:
.DELETE_ON_ERROR:

VENV := .venv
BIN := $(VENV)/bin
PYTHON := $(BIN)/python
PIP_INSTALL := $(PYTHON) -m pip install -q --disable-pip-version-check -c constraints.txt
# The isolated build environment of an editable install sees only this variable, not `-c`.
export PIP_CONSTRAINT := constraints.txt

RUN_CMD ?= $(BIN)/isopleth reconstruct --demo --out build/demo/analysis.nc
TEST_WORKERS ?= 2
CODE := $(wildcard src tests benchmarks examples scripts conftest.py)
BENCHMARKS := $(basename $(notdir $(wildcard benchmarks/*.py)))
PROSE := $(wildcard README.md) docs
KERNELS := $(shell grep -rlE '^@jit|numba.njit' src --include='*.py')

# Two threads for a person's own run; one for each test worker: oversubscribed cores measured 20
# times slower than a single thread.
run bench: export OMP_NUM_THREADS ?= 2
test docs: export OMP_NUM_THREADS ?= 1

.PHONY: help run test lint types docs bench named-bench check format clean

help:
	@sed -n 's/^# \(make .*\)/\1/p' Makefile

run: $(VENV)/.installed-run $(VENV)/.kernels
	@mkdir -p build/demo
	@$(RUN_CMD)

test: $(VENV)/.installed-dev $(VENV)/.kernels
	@$(PYTHON) -m pytest -q -n $(TEST_WORKERS) --dist loadfile $(PYTEST_ARGS)

lint: $(VENV)/.installed-dev
	@$(PYTHON) -m ruff check -q --output-format concise $(CODE)
	@$(PYTHON) -m ruff format -q --check $(CODE) || { echo "lint: run 'make format'"; exit 1; }
	@$(BIN)/lint-imports --no-logo

types: $(VENV)/.installed-dev
	@$(PYTHON) -m mypy

docs: $(VENV)/.installed-dev
	@$(PYTHON) -m pytest -q $(PROSE)

bench: named-bench $(VENV)/.installed-bench $(VENV)/.kernels
	@$(PYTHON) benchmarks/$(NAME).py $(BENCH_ARGS)

named-bench:
	@test -f "benchmarks/$(NAME).py" || { echo "bench: there is no benchmark '$(NAME)';" \
	  "use make bench NAME=..., one of: $(BENCHMARKS)" >&2; exit 2; }

# The tests come last, so that pytest's closing line closes the log.
check: lint types test

format: $(VENV)/.installed-dev
	@$(PYTHON) -m ruff check -q --fix $(CODE) || true
	@$(PYTHON) -m ruff format $(CODE)

clean:
	rm -rf build dist .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find src tests benchmarks examples -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true

# ---------------------------------------------------------------------------------------------
# The environment. A stamp file stands for each set of packages; changed pins install again.

$(VENV)/.created:
	@for python in $(BOOTSTRAP) python3.11 python3.12 python3.13 python3.14 python3 ""; do \
	  if [ -z "$$python" ]; then \
	    echo "setup: found no Python >= 3.11 with venv and pip; install it (Debian:" \
	      "apt-get install python3 python3-venv) or name one with BOOTSTRAP=/path/to/python" >&2; \
	    exit 2; \
	  fi; \
	  "$$python" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' \
	    2>/dev/null && break; \
	done; \
	echo "setup: making $(VENV) with $$python"; "$$python" -m venv $(VENV)
	@touch $@

$(VENV)/.installed-run: $(VENV)/.created constraints.txt pyproject.toml
	@echo "setup: installing the packages of constraints.txt (a minute or two the first time)"
	@$(PIP_INSTALL) -e .
	@touch $@

# numba's cache of a compiled function does not notice a change in the functions it calls.
$(VENV)/.kernels: $(KERNELS) | $(VENV)/.created
	@find src \( -name '*.nbi' -o -name '*.nbc' \) -delete
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed-run
	@echo "setup: installing the tools for tests and checks"
	@$(PIP_INSTALL) -e '.[dev]'
	@touch $@

$(VENV)/.installed-bench: $(VENV)/.installed-dev
	@echo "setup: installing the packages the benchmarks compare with"
	@$(PIP_INSTALL) -e '.[bench]'
	@touch $@
