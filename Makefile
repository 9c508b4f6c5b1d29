# Agora's commands. `make help` lists them. Needed on the machine: git, make, python3 ≥ 3.11 and
# node ≥ 20; everything else is installed below this folder, pinned and checked by hash.

PYTHON ?= python3
NODE ?= node
NPM ?= npm
ARGS ?=
BENCH ?=

BIN := .venv/bin
PY := $(BIN)/python
# What is imported is compiled then; compiling all of it takes half a minute.
PIP_FLAGS := --quiet --disable-pip-version-check --no-input --no-compile
NPM_FLAGS := --no-audit --no-fund --loglevel=error
CHECKS := lint types imports templates migrations deploy artifacts assets

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup demo doctor test check bench browser fmt lock assets clean reset \
	$(addprefix check-,$(CHECKS))

help: ## List the targets
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' Makefile

setup: .venv/installed contracts/node_modules/.package-lock.json ## Install everything the demo needs

demo: setup ## Run the whole product here; make demo ARGS=--once runs one order and ends
	@$(PY) manage.py demo $(ARGS)

doctor: setup ## Check a running demo, or the installation that the environment describes
	@$(PY) manage.py doctor $(ARGS)

test: setup frontend/node_modules/.package-lock.json browser ## Run the whole suite; ARGS="tests/api -k name" a part
	@.ci/contracts-test
	@.ci/test $(ARGS)

check: setup frontend/node_modules/.package-lock.json ## Run every check that needs no running service
	@$(MAKE) --no-print-directory --jobs=3 --keep-going --output-sync=target $(addprefix check-,$(CHECKS))

$(addprefix check-,$(CHECKS)): check-%:
	@.ci/timed $* .ci/$*

bench: setup ## Run the benchmarks; make bench BENCH=name runs one
	@$(PY) -m bench $(BENCH)

browser: ## Install Chromium for the browser tests, where there is none
	@.ci/browser

fmt: setup ## Format the Python code
	@$(BIN)/ruff check --quiet --fix-only .
	@$(BIN)/ruff format --quiet .

lock: setup ## Compile requirements*.in into lock files with hashes
	$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-header requirements.in -o requirements.txt
	$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-header requirements-dev.in -o requirements-dev.txt

assets: frontend/node_modules/.package-lock.json ## Build static/dist from frontend/
	@$(NPM) --prefix frontend run --silent build

clean: ## Remove caches and build output; the data folder stays
	@rm -rf .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis staticfiles \
		contracts/out contracts/cache test-results
	@find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +

reset: ## Remove the demo's data folder with everything in it
	@rm -rf .data

# --- Installed once, and again when a lock file changes -----------------------------------------

.venv/installed: requirements.txt requirements-dev.txt
	@.ci/venv "$(PYTHON)"
	@echo "Installing Python packages …"
	@$(PY) -m pip install $(PIP_FLAGS) --require-hashes -r requirements.txt -r requirements-dev.txt
	@touch $@

contracts/node_modules/.package-lock.json: contracts/package-lock.json
	@.ci/contracts-setup
	@touch $@

# Not `npm ci`: it stops where a registry lacks an optional package of some other platform, which
# the lock then cannot name. This takes the lock's versions and hashes and writes neither file.
frontend/node_modules/.package-lock.json: frontend/package-lock.json
	@.ci/node "$(NODE)"
	@echo "Installing npm packages for frontend …"
	@cd frontend && $(NPM) install --no-save $(NPM_FLAGS)
	@touch $@
