# HTC: `make` lists what can be done.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.PHONY: help demo test mlip lint format serve bench docs lock clean

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP_FLAGS := --quiet --disable-pip-version-check
PORT ?= 8000

help: ## Show this help
	@echo "HTC: predict, store and rank the critical temperatures of conventional superconductors"
	@echo
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-8s %s\n", $$1, $$2}'

# A stamp names what was installed and for which Python; a .venv whose interpreter does not run, or
# that lost its packages, is made anew instead of trusted.
define install
	@scripts/venv $(PYTHON) $(VENV) requirements/$(1).txt "$(PIP_FLAGS)"
endef

demo: ## Set up what is needed and run the main job on real materials
	$(call install,base)
	@$(BIN)/htc demo

test: ## Set up what is left and run all tests
	$(call install,dev)
	@$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder -q $(ARGS)

mlip: ## Add torch, SevenNet and phonopy: the best tier, stability, and their tests
	$(call install,dev)
	@$(BIN)/python -c 'import phonopy, sevenn, torch' 2>/dev/null || { \
	  echo "installing torch, SevenNet and phonopy (with CUDA libraries gigabytes, without them a minute)"; \
	  $(BIN)/python -m pip install $(PIP_FLAGS) -r requirements/mlip.txt -c requirements/mlip.txt; }

lint: ## Check style, types, import layers, migrations and the generated docs
	$(call install,dev)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python scripts/docs.py --check
	$(BIN)/python scripts/squawk.py

format: ## Format the code
	$(call install,dev)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: ## Write the generated parts of the documentation
	$(call install,dev)
	$(BIN)/python scripts/docs.py

serve: ## Serve the API on 127.0.0.1 (PORT=8000)
	$(call install,base)
	@$(BIN)/htc serve --port $(PORT)

bench: ## Measure speed and accuracy (see benchmarks/README.md)
	$(call install,dev)
	$(BIN)/python -m benchmarks

lock: ## Renew the pins in requirements/ (needs uv)
	uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-annotate --no-header --upgrade --quiet -o requirements/dev.txt
	uv pip compile pyproject.toml --extra build --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-annotate --no-header --quiet -c requirements/dev.txt -o requirements/base.txt

clean: ## Remove the virtual environment and caches (not your data)
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
