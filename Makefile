# Everything a contributor or CI needs: demo, test, bench, lint. Each sets up what it uses.
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { command -v $$p; break; }; done)
# tox looks for interpreters on PATH; those that pyenv keeps are not there by themselves
PYENV_BINS := $(wildcard $(HOME)/.pyenv/versions/3.11.*/bin $(HOME)/.pyenv/versions/3.12.*/bin $(HOME)/.pyenv/versions/3.13.*/bin)
empty :=
space := $(empty) $(empty)
TOX_PATH := $(subst $(space),:,$(strip $(PYENV_BINS)))
BIN := .venv/bin
# uv trusts what the system trusts, as pip does; the second name is the older one
export UV_SYSTEM_CERTS ?= 1
export UV_NATIVE_TLS ?= 1

.PHONY: help demo test test-all soak bench lint format clean
help:
	@echo "make demo    the product in a minute: failure stories against a naive and a careful merchant"
	@echo "make test    everything CI runs: lint, types and the tests on one Python (through tox)"
	@echo "make test-all  the same on each Python from 3.11 to 3.13 that is found"
	@echo "make soak    long hunts: attacks by the hundred, whole tables, a million examples"
	@echo "make bench   measured speed, as ratios against a bare aiohttp handler"
	@echo "make lint    style and types only"

# what the demo needs: the product alone
.venv/demo: pyproject.toml
	@test -n "$(PYTHON)" || { echo "gatecrash needs Python 3.11 or newer; none was found on PATH" >&2; exit 2; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

# what working on it needs besides
.venv/ready: .venv/demo
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --quiet --group dev
	@touch $@

demo: .venv/demo
	$(BIN)/gatecrash demo

test: .venv/ready
	@sh tests/install-browser
	PATH="$(CURDIR)/$(BIN):$(TOX_PATH):$$PATH" $(BIN)/tox run

test-all: .venv/ready
	@sh tests/install-browser
	PATH="$(CURDIR)/$(BIN):$(TOX_PATH):$$PATH" $(BIN)/tox run -e lint,types,py311,py312,py313,once

soak: .venv/ready
	@sh tests/install-browser
	PATH="$(CURDIR)/$(BIN):$(TOX_PATH):$$PATH" $(BIN)/tox run -e soak

bench: .venv/ready
	$(BIN)/python -m tests.benchmarks
	$(BIN)/python -m tests.benchmarks.rooms
	$(BIN)/python -m tests.benchmarks.plugin
	$(BIN)/python -m tests.benchmarks.stories
	$(BIN)/python -m tests.benchmarks.simulated
	$(BIN)/python -m tests.benchmarks.proving
	$(BIN)/python -m tests.benchmarks.models

lint: .venv/ready
	PATH="$(CURDIR)/$(BIN):$(TOX_PATH):$$PATH" $(BIN)/tox run -e lint,types

format: .venv/ready
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf .venv .tox .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist
