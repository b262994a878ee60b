# The front door. `make demo` and `make test` are all a newcomer needs; both work on a machine that has nothing but
# Python 3.11 or newer (with its venv module), git and make. Another Python: `make PYTHON=python3.12 demo`.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

# The stamp's name holds a hash of all that an installation depends on: what is installed (pyproject.toml, constraints.txt)
# and where (an editable install points at this folder). So a clone, a checkout or a touch does not install anew, as a
# rule on file times would; an edit or a moved folder does.
WANTED := $(shell { git hash-object pyproject.toml constraints.txt; pwd; } | git hash-object --stdin | cut -c1-12)
STAMP := $(VENV)/.installed-$(WANTED)

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-fast lint format bench clean

help:  ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## */  make \1\t/' | expand -t 20

setup: $(STAMP)  ## the virtual environment in .venv, once (a few minutes, about 6 GB with the accelerator libraries)

$(STAMP):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	    || { echo "v2v needs Python 3.11 or newer, and '$(PYTHON)' is not: run 'make PYTHON=/path/to/python3.12 $(MAKECMDGOALS)'" >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev,hf]'
	@rm -f $(VENV)/.installed-*
	@touch $@

demo: $(STAMP)  ## make a sample video, convert it with the bundled model, print where the result is
	@mkdir -p out
	$(BIN)/python -m v2vcli.worlds.sample out/sample.mp4
	$(BIN)/v2v convert out/sample.mp4 --mode seg2street --side-by-side -o out/demo.mp4 -y
	@echo "The input beside what was painted from its label maps: $(CURDIR)/out/demo.mp4"

test: $(STAMP)  ## all tests
	$(BIN)/pytest

test-fast: $(STAMP)  ## the tests that take no more than a few seconds each
	$(BIN)/pytest -m 'not slow'

lint: $(STAMP)  ## ruff, mypy --strict, import contracts: what CI checks
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(STAMP)  ## let ruff put right what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Those that train for hours or need a GPU are run by hand; each says in its first lines how.
BENCHES := $(filter-out benchmarks/world_street.py benchmarks/training_gpu.py, $(wildcard benchmarks/*.py))

bench: $(STAMP)  ## the scripts in benchmarks/ that take minutes, each prints JSON
	@set -e; for script in $(BENCHES); do echo "== $$script" >&2; $(BIN)/python "$$script"; done

clean:  ## what tests, demo and tools left behind (not .venv: remove that by hand)
	rm -rf out build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache *.egg-info
	find . -name __pycache__ -type d -not -path './$(VENV)/*' -prune -exec rm -rf {} +
