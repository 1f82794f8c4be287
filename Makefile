# Every command of the workshop. A machine needs Python 3.11 or newer with pip, and make; nothing else.
#
#   make run     the hub with provider sandboxes: page, API, worker, beat, all under one command
#   make demo    plays a person through the whole sync and times it
#   make test    lint, types, import contracts, and the whole suite in both sizes
#   make chaos   kills, freezes and cuts off the real processes at random points: SEED=… ROUNDS=…
#   make simulate  many histories with faults under a virtual clock: SEEDS=1000 FIRST=0 JOBS=1
#   make faults    every single fault at every boundary of 23 stories: JOBS=1
#   make replay    tells the story of one of them, as small as it can be made: SEED=…
#   make bench   figures, as ratios measured in one run
#   make docs    writes docs/fidelity.md anew, from what the plugins declare
#   make help    this text

SHELL := /bin/sh
.DEFAULT_GOAL := help
.PHONY: help install install-test run demo test chaos simulate faults replay lint format bench docs lock clean

# The first Python that is new enough and can make an environment; say PYTHON=... to choose another.
# 3.13 comes last, since the wheel that brings a Redis server does not know it yet.
USABLE := import sys; from importlib.util import find_spec as f; sys.exit(not (sys.version_info >= (3, 11) and (f("ensurepip") or f("pip"))))
PYTHON = $(shell for p in python3.12 python3.11 python3 python3.13 python; do \
	"$$p" -c '$(USABLE)' 2>/dev/null && echo "$$p" && break; done)

# Every process would compile all modules anew.
unexport PYTHONDONTWRITEBYTECODE

BIN := .venv/bin
# Compiling on install would double its time; each module is compiled when it is first imported.
PIP := $(BIN)/python -m pip -qq --disable-pip-version-check install --no-compile
PROJECTS := pyproject.toml plugins/google/pyproject.toml plugins/outlook/pyproject.toml
EDITABLE := --no-deps --no-build-isolation --editable . --editable plugins/google --editable plugins/outlook
LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
	--no-header --no-emit-index-url --no-emit-find-links \
	--no-emit-package coordinoter-hub --no-emit-package hub-google --no-emit-package hub-outlook
# One process more than the smallest machine has cores, since some tests wait for processes of the hub.
PYTEST ?= $(BIN)/python -m pytest -n 3 --dist worksteal -q

help:
	@sed -n '1,/^$$/s/^# \{0,1\}//p' Makefile

install: .venv/installed-run
install-test: .venv/installed-test

.venv/bin/python:
	@test -n "$(PYTHON)" || { echo "No Python 3.11 or newer with pip was found; say make PYTHON=/path/to/python3." >&2; exit 1; }
	@echo "Making .venv with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv .venv >/dev/null 2>&1 || { \
		rm -rf .venv && \
		$(PYTHON) -m pip -qq --disable-pip-version-check install --target .tools --upgrade \
			--require-hashes -r requirements/bootstrap.txt && \
		PYTHONPATH=.tools $(PYTHON) -m virtualenv --quiet .venv; }

.venv/installed-run: requirements/run.txt $(PROJECTS) | .venv/bin/python
	@echo "Installing what the hub needs (about a minute the first time)"
	@$(PIP) --require-hashes -r requirements/run.txt
	@$(PIP) $(EDITABLE)
	@touch $@

.venv/installed-test: requirements/test.txt $(PROJECTS) | .venv/bin/python
	@echo "Installing what the tests need"
	@$(PIP) --require-hashes -r requirements/test.txt
	@$(PIP) $(EDITABLE)
	@touch .venv/installed-run $@

run: .venv/installed-run
	@exec $(BIN)/hub run

demo: .venv/installed-run
	@exec $(BIN)/python -m demo.play

bench: .venv/installed-test
	@exec $(BIN)/python -m bench.run

docs: .venv/installed-test
	@$(BIN)/python -m hub.cli fidelity > docs/fidelity.md

# Lint runs beside the suite, and each of them whatever the other finds, so that one run tells everything.
test: .venv/installed-test
	@told=$$(mktemp); $(MAKE) --no-print-directory lint >"$$told" 2>&1 & lint=$$!; \
	status=0; $(PYTEST) || status=1; \
	if wait $$lint; then echo "Lint, types and import contracts: nothing found"; else status=1; cat "$$told" >&2; fi; \
	rm -f "$$told"; exit $$status

# The seed of a failing run plays the same faults in the same order; the processes' own timing is their own.
chaos: .venv/installed-test
	@SEED="$(SEED)" ROUNDS="$(ROUNDS)" $(BIN)/python -m pytest -s -v tests/chaos

simulate: .venv/installed-test
	@exec $(BIN)/python -m tests.simulate --seeds $(or $(SEEDS),1000) --first $(or $(FIRST),0) --jobs $(or $(JOBS),1)

faults: .venv/installed-test
	@exec $(BIN)/python -m tests.simulate --jobs $(or $(JOBS),1) --faults

replay: .venv/installed-test
	@exec $(BIN)/python -m tests.simulate --replay $(or $(SEED),$(error say which: make replay SEED=7))

lint: .venv/installed-test
	@status=0; \
	$(BIN)/ruff check --quiet . || status=1; \
	$(BIN)/ruff format --quiet --check . || { echo "ruff format: run make format" >&2; status=1; }; \
	$(BIN)/mypy || status=1; \
	$(BIN)/lint-imports || status=1; \
	exit $$status

format: .venv/installed-test
	@$(BIN)/ruff check --quiet --fix . ; $(BIN)/ruff format .

# Lock for Python 3.11 to 3.13 on every platform; `make lock UPGRADE=--upgrade` takes newer releases.
lock: .venv/bin/python
	@$(PIP) uv
	@$(LOCK) $(UPGRADE) requirements/bootstrap.in -o requirements/bootstrap.txt
	@$(LOCK) $(UPGRADE) requirements/run.in -o requirements/run.txt
	@$(LOCK) $(UPGRADE) requirements/run.in --group test --group dev -c requirements/run.txt -o requirements/test.txt

clean:
	rm -rf .venv .tools .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
