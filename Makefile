# Everything a person types. Each target first makes the environment it needs; `make` alone lists the targets.

PYTHON ?= python3
VENV := .venv
INSTALLED := $(VENV)/.installed
BIN := $(VENV)/bin
MKDOCS := NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs
# Whole files to a worker, in their order: sorted by their number of tests, the few long ones would come last and alone.
ON_ALL_CORES := --numprocesses logical --maxprocesses 8 --dist loadfile --no-loadscope-reorder

.DEFAULT_GOAL := help
.PHONY: help setup demo test types check docs docs-serve notebook bench format constraints clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

setup: $(INSTALLED) ## make the environment in .venv: pinned, done once (6 GB, a few minutes)
	@echo "The environment stands in $(VENV)."

demo: $(INSTALLED) ## the whole job on the bundled model: a measured catalog and its explorer (ARGS=--plan to look first)
	@$(BIN)/python -m jobs.portraits --dtype auto $(ARGS)

test: $(INSTALLED) ## the tests (ARGS='-m slow' for the long ones)
	@$(BIN)/python -m pytest $(ON_ALL_CORES) $(ARGS)

types: $(INSTALLED) ## types
	@$(BIN)/mypy

check: $(INSTALLED) ## formatting, lint, direction of imports, the site, then types and the tests side by side
	@$(BIN)/ruff format --check
	@$(BIN)/ruff check
	@$(BIN)/lint-imports --no-logo
	@$(MAKE) --no-print-directory docs
	@$(MAKE) --no-print-directory --jobs 2 types test

docs: $(INSTALLED) ## the documents as a site, into build/site: a dead link is an error
	@$(MKDOCS) build --strict --quiet

docs-serve: $(INSTALLED) ## the site at http://127.0.0.1:8000, built again as one writes
	@$(MKDOCS) serve --livereload --no-strict

notebook: $(INSTALLED) ## run docs/first_catalog.ipynb, and store with it what it shows
	@$(BIN)/python docs/_site/execute.py docs/first_catalog.ipynb

bench: $(INSTALLED) ## every benchmark against its targets; rewrites benchmarks/RESULTS.md (not with ARGS=--quick)
	@$(BIN)/python -m benchmarks $(ARGS)

format: $(INSTALLED) ## format, and mend what lint can mend by itself
	@$(BIN)/ruff check --fix --exit-zero
	@$(BIN)/ruff format

clean: ## remove caches; .venv and runs/ stay
	rm -rf build *.egg-info .pytest_cache .ruff_cache .mypy_cache .import_linter_cache .hypothesis
	find pipeline jobs schemas benchmarks tests -name __pycache__ -prune -exec rm -rf {} +


# The environment. The stamp stands for a complete install: an interrupted one leaves none and is taken up again.

$(INSTALLED): pyproject.toml constraints.txt
	@$(call need_python)
	@echo "Setting up $(VENV): about 6 GB, most of it PyTorch. This takes a few minutes and is done once."
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/python -m pip install --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

constraints: ## resolve the newest releases in a fresh environment and pin them in constraints.txt
	@$(call need_python)
	$(PYTHON) -m venv --clear $(VENV)-newest
	$(VENV)-newest/bin/python -m pip install --disable-pip-version-check --editable '.[dev]'
	{ sed '/^[^#]/d' constraints.txt; \
	  $(VENV)-newest/bin/python -m pip freeze --all --exclude pip --exclude-editable | grep -vE '^(nvidia|cuda|triton)'; } > $(VENV)-newest/pins
	mv $(VENV)-newest/pins constraints.txt
	rm -rf $(VENV)-newest

define need_python
$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
  echo "Python 3.11 or newer is needed, and $(PYTHON) is $$($(PYTHON) --version 2>&1)." >&2; \
  echo "Name another: make $(firstword $(MAKECMDGOALS)) PYTHON=python3.12" >&2; \
  exit 1; }
endef
