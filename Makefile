# One command each, the same for people and in CI. `make` alone says what there is.
.DEFAULT_GOAL := help
.SUFFIXES:
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
export PYTHON
BIN := .venv/bin
READY := .venv/.ready

.PHONY: help
help: ## say what each target does
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: setup
setup: $(READY) ## make .venv with all that development and tests need

$(READY): pyproject.toml constraints.txt scripts/setup
	@scripts/setup
	@touch $@

.PHONY: demo
demo: $(READY) ## start a cluster with the catfacts application and the console, until Ctrl-C
	@scripts/demo

.PHONY: test
test: $(READY) ## run all tests (choose with ARGS, for example ARGS="-k selector")
	@$(BIN)/python -m pytest $(ARGS)

.PHONY: check
check: $(READY) ## check style, types, layers and whether the generated pages are fresh
	@status=0; \
	for part in "ruff check" "ruff format --check" "mypy" "lint-imports" "python scripts/docs.py --check" \
		"python scripts/kinds.py --check"; do \
		$(BIN)/$$part || { status=1; echo "check: $$part FAILED" >&2; }; \
	done; \
	exit $$status

.PHONY: soak
soak: $(READY) ## search for hours: random worlds, changes under traffic, churn, fuzzing (choose with ARGS)
	@$(BIN)/python -m pytest --hypothesis-profile=soak --timeout=0 --durations=0 $(or $(ARGS),\
		tests/differential tests/property/test_loader_fuzz.py tests/property/test_selector_fuzz.py)

.PHONY: e2e
e2e: $(READY) ## run the acceptance tests: ocicat as its users run it
	@$(BIN)/python -m pytest tests/acceptance $(ARGS)

.PHONY: bench
bench: $(READY) ## measure, and write docs/benchmarks.md (one question: ARGS=policy)
	@$(BIN)/python -m benchmarks $(ARGS) --write docs/benchmarks.md

.PHONY: docs
docs: $(READY) ## write what is made from the code anew: docs/reference, deploy/kinds
	@$(BIN)/python scripts/docs.py
	@$(BIN)/python scripts/kinds.py

.PHONY: site
site: $(READY) ## build the documentation as a site, in site/
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --site-dir site
	@echo "open site/index.html"

.PHONY: console
console: ## build the console into the package (needs Node 20 with npm)
	@scripts/console

.PHONY: proto
proto: $(READY) ## make the stubs of the flow API anew from flows.proto
	@$(BIN)/python scripts/proto.py

.PHONY: lock
lock: ## choose the versions in constraints.txt anew (needs uv)
	uv pip compile --upgrade --no-header --no-emit-index-url --annotation-style line \
		--all-extras --group dev --python-version 3.11 --output-file constraints.txt pyproject.toml

.PHONY: clean
clean: ## remove .venv and everything that was generated beside the sources
	rm -rf console/node_modules src/ocicat/api/console
	rm -rf .venv build dist site .benchmarks .coverage .hypothesis .import_linter_cache \
		.mypy_cache .pytest_cache .ruff_cache
	find . -name .git -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +
