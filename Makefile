# Every command a person or CI needs; `make help` lists them.
VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= python3
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help install dev test quick test-redis test-long test-cluster test-web test-compose test-compose-crashes check format lock screenshots chaos

help: ## list these commands
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-21s %s\n", $$1, $$2}'

install: $(STAMP) ## make .venv with everything, the clarion command in it

$(STAMP): requirements-dev.txt pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Clarion needs Python 3.11 or later")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

dev: $(STAMP) ## start all of Clarion with the example newsroom on http://127.0.0.1:8000
	$(BIN)/clarion dev

# One process more than there are cores; one that has nothing left takes tests from another. Compiled modules are kept even
# where the machine's environment says otherwise: each process would compile all tests again, which takes 3 s.
PYTEST_ON_ALL_CORES := PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n auto --dist worksteal
test: check ## run every check and test, on all cores
	$(PYTEST_ON_ALL_CORES) --durations 10

quick: $(STAMP) ## run the rules in seconds: ruff, and the tests that start no store and no process
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(PYTEST_ON_ALL_CORES) -q -m "quick and not long"

test-redis: $(STAMP) ## run the tests that start a store over redis-server, whatever else there is (7.0 is the oldest)
	CLARION_TEST_SERVER=redis-server $(PYTEST_ON_ALL_CORES) -m "not quick and not long"

test-long: $(STAMP) ## run the tests that take minutes: random work under crashes, freezes and restarts
	$(BIN)/python -m pytest -m long --timeout 1800

test-cluster: $(STAMP) ## run the services' tests over a Redis Cluster of three masters and three replicas (takes minutes)
	CLARION_TEST_STORE=cluster $(BIN)/python -m pytest tests/ingest tests/render tests/notify tests/journeys

WEB_CHECKS := tests/web/node_modules/.package-lock.json
test-web: $(STAMP) $(WEB_CHECKS) ## hold the web's standards against the example site (wants node, java, chromium)
	$(BIN)/python -m tests.web

$(WEB_CHECKS): tests/web/package.json tests/web/package-lock.json
	npm ci --prefix tests/web --no-progress
	@touch $@

BASE ?= http://127.0.0.1:8080
test-compose: $(STAMP) ## run the journey from outside against what `docker compose up` started (BASE=…)
	CLARION_TEST_BASE=$(BASE) $(BIN)/python -m pytest tests/compose/test_journey.py

test-compose-crashes: $(STAMP) ## kill and stop its containers under load, from this host (BASE=…; takes minutes)
	CLARION_TEST_BASE=$(BASE) $(BIN)/python -m pytest tests/compose/test_crashes.py

chaos: $(STAMP) ## kill, freeze and restart notify and its store during 20,000 deliveries (takes minutes; CHAOS_SEED=…)
	$(BIN)/python -m pytest -m long -s tests/notify/delivery/test_chaos.py

check: $(STAMP) ## run the linters, the type checker and the import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(STAMP) ## format the code and mend what the linter can mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

screenshots: $(STAMP) ## take the README's screenshots with Chromium
	$(BIN)/python docs/make_screenshots.py

lock: $(STAMP) ## pin the dependencies of pyproject.toml with hashes
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate --extra traces pyproject.toml -o requirements.txt
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate --extra dev -c requirements.txt pyproject.toml -o requirements-dev.txt
