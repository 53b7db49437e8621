# Every target works on a clean clone with nothing but Python 3.11 to 3.13: the environment is made when it is first needed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Named after the lock's content, so that a changed lock (and nothing else) makes the environment anew.
LOCK_HASH := $(shell cksum < requirements.lock | cut -d" " -f1)
# The MinIO of `make test-s3`: a test server, no dependency. One that is there is taken as it is.
MINIO := $(or $(LAKEHOUSE_TEST_MINIO),$(shell command -v minio),$(CURDIR)/$(VENV)/minio/minio)
STAMP := $(VENV)/.installed-$(LOCK_HASH)

.DEFAULT_GOAL := help
.PHONY: help install demo test test-s3 operations soak live lint format up docs bench sabotage lock clean

help: ## Show what there is
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

install: $(STAMP) ## Make .venv with the locked dependencies

$(STAMP):
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: $(STAMP) ## Raw files to gold: four data products in one command
	$(BIN)/lakehouse demo $(if $(DATA),--data $(DATA))

test: $(STAMP) ## Run the tests
	$(BIN)/python -m pytest --numprocesses 2 --dist loadscope --no-loadscope-reorder $(TESTS)

operations: $(STAMP) ## A hundred random sequences of ingest, replay, rebuild, restore, rulings, crashes: some minutes
	LAKEHOUSE_TEST_SEQUENCES=100 $(BIN)/python -m pytest lakehouse_platform_tests/properties/test_operations.py

test-s3: $(STAMP) ## The tests of object storage on a real MinIO, which is built where there is none (needs Go, 3 minutes)
	@test -x "$(MINIO)" || GOBIN="$(CURDIR)/$(VENV)/minio" go install github.com/minio/minio@latest
	CI=true LAKEHOUSE_TEST_S3=minio LAKEHOUSE_TEST_MINIO="$(MINIO)" $(BIN)/python -m pytest -m s3 $(TESTS)

soak: $(STAMP) ## Random writers on shared tables, killed and faulted, then their history is checked: SEED, WRITERS, OPERATIONS, STORE=local or s3
	$(BIN)/python -m lakehouse_platform_tests.soak $(if $(SEED),--seed $(SEED)) $(if $(WRITERS),--writers $(WRITERS)) \
		$(if $(OPERATIONS),--operations $(OPERATIONS)) $(if $(STORE),--store $(STORE))

live: $(STAMP) ## The webserver and the daemon on files that land, through kills: some minutes
	LAKEHOUSE_TEST_LIVE=1 $(BIN)/python -m pytest lakehouse_platform_tests/e2e/test_live_landing.py

lint: $(STAMP) ## Style, types and import walls
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(STAMP) ## Put the code into its form
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

docs: $(STAMP) ## Write docs/reference.md from the code
	$(BIN)/python -m lakehouse_platform.cli.reference docs/reference.md

up: $(STAMP) ## Dagster's webserver and daemon over the lakehouse
	$(BIN)/lakehouse up

bench: $(STAMP) ## Measured comparisons; BENCH=name runs one
	$(BIN)/python -m benchmarks $(BENCH)

sabotage: $(STAMP) ## Break the product on purpose: every property must notice
	$(BIN)/python -m lakehouse_platform_tests.properties.sabotage

lock: ## Resolve the dependencies anew (needs uv)
	uv pip compile --universal --python-version 3.11 --extra dev --upgrade --no-emit-index-url --no-emit-find-links --no-header --no-annotate pyproject.toml --output-file requirements.lock

clean: ## Remove the environment and all caches, never the data
	rm -rf $(VENV) .pytest_cache .hypothesis .mypy_cache .ruff_cache .import_linter_cache *.egg-info
