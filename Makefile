# The verbs a person types. Each is a line or three that can be typed as well, so that a machine
# without make has them too. The first use of any of them makes the virtualenv.

VENV ?= .venv
BIN := $(VENV)/bin
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do \
  $$p -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
export OMP_NUM_THREADS := 1

.PHONY: book test lab serve bench results clean help

book: $(VENV)/ready  ## run what changed, then make the pages in _build/html
	$(BIN)/python -m bookkit build

test: book  ## style, types, every test: also of the notebooks, and of the pages in Chromium
	$(BIN)/ruff check && $(BIN)/ruff format --check && $(BIN)/mypy
	$(BIN)/python tests/book/chromium.py
	$(BIN)/python -m pytest -n 2 --dist worksteal --durations=25

lab: $(VENV)/ready  ## open the chapters in JupyterLab
	$(BIN)/jupyter lab book

serve: $(VENV)/ready  ## build, then serve the pages on this machine
	$(BIN)/python -m bookkit serve

bench: $(VENV)/ready  ## measure training and estimators
	$(BIN)/python -m entropy_rl.bench

results: $(VENV)/ready  ## verify every stored run, and that the code still gives it
	$(BIN)/python -m entropy_rl results --stale

clean:  ## remove what was built (the virtualenv stays)
	rm -rf _build

help:
	@sed -n 's/^\([a-z]*\):.*## /\1: /p' $(MAKEFILE_LIST)

$(VENV)/ready: requirements.txt pyproject.toml
	@test -n "$(PYTHON)" || { echo "make: no Python 3.11 or later with venv was found; set PYTHON=…"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements.txt
	touch $@
