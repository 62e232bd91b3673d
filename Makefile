# `make demo` and `make test` need nothing but Python 3.11+ and make: they make their own virtual environment.

PYTHON ?= python3
VENV   ?= .venv
BIN     = $(VENV)/bin
PIP     = $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

N      ?= 2000
SEED   ?= 0
JOBS   ?= 2

.PHONY: demo test test-all test-peers fuzz lint bench docs figures wheel clean help

help:                     ## what can be made
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' Makefile | expand -t 16

demo: $(VENV)/.installed  ## install, then build iresnet404: a 404-layer network from thirty lines of YAML
	$(BIN)/archspec build specs/iresnet404.yaml

test: $(VENV)/.tested     ## the test suite, less its long tests
	$(BIN)/python -m pytest -n auto -m "not slow" --ignore tests/peers

test-all: $(VENV)/.tested ## the whole test suite
	$(BIN)/python -m pytest -n auto -m "not timed" --ignore tests/peers
	$(BIN)/python -m pytest -n 0 -m timed tests/test_bounds.py

test-peers: $(VENV)/.tested  ## networks of pytorchcv, traced and held against themselves
	$(PIP) --no-deps pytorchcv  # it asks for torchvision, and needs torch alone
	$(BIN)/python -m pytest -n 0 tests/peers

fuzz: $(VENV)/.tested     ## N random networks, each run in every way: make fuzz N=2000 SEED=1
	$(BIN)/python tests/fuzz.py --cases $(N) --seed $(SEED) --jobs $(JOBS)

lint: $(VENV)/.tested     ## style, types and the claims of every spec
	$(BIN)/ruff check archspec compiler tests examples benchmarks docs
	$(BIN)/ruff format --check archspec compiler tests examples benchmarks docs
	$(BIN)/mypy
	$(BIN)/archspec check specs

bench: $(VENV)/.tested    ## the figures of benchmarks/, as ratios within one run
	for script in summary fold build step state_dict stochastic_depth figures tracing; do $(BIN)/python benchmarks/$$script.py || exit 1; done

docs: $(VENV)/.installed  ## the generated parts of README.md and docs/
	$(BIN)/python docs/generate.py

figures: $(VENV)/.installed  ## the pictures of docs/gallery.md, from its own commands
	$(BIN)/python docs/gallery.py

wheel: $(VENV)/.tested    ## a wheel under dist/
	$(BIN)/python -m build --wheel --quiet

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: $(VENV)/bin/python pyproject.toml constraints.txt
	$(PIP) --editable .
	touch $@

$(VENV)/.tested: $(VENV)/.installed
	$(PIP) --editable '.[dev]'
	touch $@

clean:                    ## remove what these targets made
	rm -rf $(VENV) build dist *.egg-info
