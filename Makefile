# Facet's commands. `make` alone lists them. Everything lives in .venv; nothing is installed elsewhere.

.DEFAULT_GOAL := help
SHELL := /bin/sh

VENV := .venv
PYTHON := $(VENV)/bin/python
INSTALLED := $(VENV)/installed.lock
LOCKED := --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
	--custom-compile-command "make lock" --quiet

# What `make test ARGS="tests/web -k gallery"` hands on to pytest.
ARGS :=

.PHONY: help
help: ## List the commands
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(PYTHON):
	@for python in $${FACET_PYTHON:-python3 python3.14 python3.13 python3.12 python3.11}; do \
		if $$python -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 15))' 2>/dev/null; then \
			echo "Making $(VENV) with $$($$python --version)"; \
			$$python -m venv $(VENV) && exit 0; \
			rm -rf $(VENV); \
			exit 1; \
		fi; \
	done; \
	echo "Facet needs Python 3.11 to 3.14. Install one, or name it: make setup FACET_PYTHON=/path/to/python3" >&2; \
	exit 1

# The copy of the lock beside the environment says what is in it: an unchanged lock costs nothing the second time.
$(INSTALLED): requirements.lock | $(PYTHON)
	@if cmp -s requirements.lock $@; then touch $@; else \
		echo "Installing the pinned packages. The first time this fetches some gigabytes, most of them PyTorch."; \
		$(PYTHON) -m pip install --disable-pip-version-check --require-hashes -r requirements.lock && \
		cp requirements.lock $@; \
	fi

.PHONY: setup
setup: $(INSTALLED) ## Make .venv and install the pinned packages into it

.PHONY: run
run: setup ## Start the site and its worker on http://127.0.0.1:8000 (FACET_PORT, FACET_DATA)
	@$(PYTHON) manage.py run $(ARGS)

.PHONY: admin
admin: setup ## Make an administrator
	@$(PYTHON) manage.py migrate --verbosity 0
	@$(PYTHON) manage.py createsuperuser $(ARGS)

.PHONY: test
test: setup ## Run the tests (ARGS="tests/web -k gallery" for some of them)
	@$(PYTHON) -m pytest $(ARGS)

.PHONY: lint
lint: setup ## Look for faults and formatting with ruff
	@$(PYTHON) -m ruff check .
	@$(PYTHON) -m ruff format --check .

.PHONY: types
types: setup ## Check the types with mypy
	@$(PYTHON) -m mypy

.PHONY: layers
layers: setup ## Check who imports whom
	@$(VENV)/bin/lint-imports

.PHONY: rooms
rooms: setup ## Draw who imports whom into docs/architecture.md
	@$(PYTHON) -m docs.draw_rooms

.PHONY: check
check: lint types layers test ## All of the above

.PHONY: chaos
chaos: setup ## Kill workers and servers under load, at full size and with the real model
	@FACET_CHAOS=full $(PYTHON) -m pytest tests/chaos $(ARGS)

.PHONY: lock
lock: $(PYTHON) ## Pin the packages of pyproject.toml anew (UPGRADE=--upgrade for newer versions)
	@test -x $(VENV)/bin/uv || $(PYTHON) -m pip install --disable-pip-version-check --quiet uv
	@$(VENV)/bin/uv pip compile $(LOCKED) $(UPGRADE) --all-extras pyproject.toml -o requirements.lock
	@$(VENV)/bin/uv pip compile $(LOCKED) -c requirements.lock pyproject.toml -o requirements/web.lock
	@$(VENV)/bin/uv pip compile $(LOCKED) -c requirements.lock --extra worker pyproject.toml -o requirements/worker.lock
