# Counterfoil. `make run` is all a new user needs; `make help` lists the rest.
# Every target works on its own from a fresh clone: Python 3.11 or newer, git and make.

PYTHON  ?= python3
# Tests in parallel; each worker has a server of its own, so more wants memory too.
WORKERS ?= 2
UV      ?= uv

BIN   := .venv/bin
STAMP := .venv/.installed

.DEFAULT_GOAL := help
.PHONY: help install run test test-pg16 check bench soak lock clean

help: ## list the targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):.*## /\1|/' \
	    | while IFS='|' read -r name text; do printf '  make %-10s %s\n' "$$name" "$$text"; done
	@echo
	@echo '  PYTHON=python3.13 make install   choose the interpreter'
	@echo '  WORKERS=4 make test              choose how many tests run at once'

install: $(STAMP) ## set up .venv from the lock file; quick when nothing changed

run: install ## set up, write the demo into an empty ledger, serve on 127.0.0.1:8000
	@$(BIN)/counterfoil run

test: install ## set up, run every test but the long forms
	@$(BIN)/pytest -n $(WORKERS) --dist loadgroup

test-pg16: install ## the tests of storage again, on PostgreSQL 16
	@COUNTERFOIL_PG_VERSION=16 $(BIN)/pytest -n $(WORKERS) --dist loadgroup -m 'storage and not soak' \
	    || { status=$$?; test $$status -eq 5 && echo 'No test is marked storage.' || exit $$status; }

check: install ## lint, format, types, the rule of dependency, the lock file
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/pip --disable-pip-version-check check

bench: install ## print latency, throughput, load and replay figures
	@$(BIN)/python -m benchmarks

soak: install ## the long forms of the tests
	@$(BIN)/pytest -m soak

# Only for those who change dependencies; needs uv. Names no index and no path.
lock: ## write requirements.lock anew from pyproject.toml
	env -u PIP_FIND_LINKS -u UV_FIND_LINKS $(UV) pip compile pyproject.toml --group dev \
	    --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	    --no-emit-find-links --custom-compile-command 'make lock' --quiet \
	    --output-file requirements.lock

clean: ## remove caches and builds; .venv and the ledger's data in .counterfoil stay
	rm -rf build dist .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find . -path ./.venv -prune -o -path ./.counterfoil -prune -o -name __pycache__ -type d \
	    -exec rm -rf {} +

# A dangling link (its Python is gone) counts as missing, so the environment is made anew.
$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	    echo 'Counterfoil needs Python 3.11 or newer: PYTHON=python3.13 make install' >&2; exit 1; }
	@$(PYTHON) -m venv --clear .venv || { rm -rf .venv; \
	    echo 'Python has no venv module: on Debian and Ubuntu, apt install python3-venv' >&2; exit 1; }

# GraphiQL is an extra: where it can't be fetched, its page says how to get it.
$(STAMP): $(BIN)/python requirements.lock pyproject.toml
	@echo 'Setting up .venv (about a minute the first time) ...'
	@$(BIN)/python -m pip --disable-pip-version-check install --quiet --require-hashes \
	    -r requirements.lock
	@$(BIN)/python -m pip --disable-pip-version-check install --quiet --no-deps \
	    --no-build-isolation --editable .
	@if $(BIN)/counterfoil fetch-graphiql --help >/dev/null 2>&1; then \
	    $(BIN)/counterfoil fetch-graphiql || echo 'GraphiQL was not fetched; the rest works.'; fi
	@touch $(STAMP)
