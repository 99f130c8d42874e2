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
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

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

# Who may see what, how photos come in and are analysed, what the model is read from and asked for, and what is measured
# of it. What waits for servers, browsers, kills or whole trainings is left to `make test`.
QUICK := $(addsuffix .py,$(addprefix tests/,$(addprefix project/test_,environment readme settings sizes urls) \
	$(addprefix services/test_,analysis deletion leases uploads) \
	$(addprefix api/test_,access errors lists) $(addprefix web/test_,collections pages photos) \
	$(addprefix intake/test_,formats pictures) \
	$(addprefix ml/test_,checkpoint face_set labels loss measuring metrics photos preprocess recipe splits)))

.PHONY: quick
quick: setup ## Run the tests worth running at every change, two at a time
	@OMP_NUM_THREADS=1 $(PYTHON) -m pytest --numprocesses 2 --dist loadfile -m "not slow" $(QUICK) $(ARGS)

.PHONY: lint
lint: setup ## Look for faults and formatting with ruff, for holes with bandit
	@$(PYTHON) -m ruff check .
	@$(PYTHON) -m ruff format --check .
	@$(PYTHON) -m bandit --quiet --configfile pyproject.toml --recursive classifier webapp ml manage.py

.PHONY: types
types: setup ## Check the types with mypy
	@$(PYTHON) -m mypy

.PHONY: layers
layers: setup ## Check who imports whom
	@$(VENV)/bin/lint-imports

.PHONY: rooms
rooms: setup ## Draw who imports whom into docs/architecture.md
	@$(PYTHON) -m docs.draw_rooms

.PHONY: licences
licences: setup ## Check what the packages of the locks may be used under
	@$(PYTHON) .ci/check_licences.py

.PHONY: check
check: lint types layers licences test ## All of the above

.PHONY: chaos
chaos: setup ## Kill workers and servers under load, at full size (an hour)
	@FACET_CHAOS=full $(PYTHON) -m pytest tests/chaos $(ARGS)

# The tool is no dependency: it is fetched when somebody asks for it. Locks and CI know nothing of it.
.PHONY: mutants
mutants: setup ## Change the code in small ways and list what no test notices (ARGS="classifier.intake.turns*")
	@test -x $(VENV)/bin/mutmut || $(PYTHON) -m pip install --disable-pip-version-check --quiet "mutmut==3.8.1"
	@OMP_NUM_THREADS=1 nice -n 10 $(VENV)/bin/mutmut run $(ARGS)
	@$(VENV)/bin/mutmut results | grep -v 'not checked' || echo "Every change was noticed."

.PHONY: lock
lock: $(PYTHON) ## Pin the packages of pyproject.toml anew (UPGRADE=--upgrade for newer versions)
	@test -x $(VENV)/bin/uv || $(PYTHON) -m pip install --disable-pip-version-check --quiet uv
	@$(VENV)/bin/uv pip compile $(LOCKED) $(UPGRADE) --all-extras pyproject.toml -o requirements.lock
	@$(VENV)/bin/uv pip compile $(LOCKED) -c requirements.lock pyproject.toml -o requirements/web.lock
	@$(VENV)/bin/uv pip compile $(LOCKED) -c requirements.lock --extra heif pyproject.toml -o requirements/web-heif.lock
	@$(VENV)/bin/uv pip compile $(LOCKED) -c requirements.lock --extra worker pyproject.toml -o requirements/worker.lock
