# Two commands do everything on a fresh machine: `make demo` and `make test`.
# `uv` is used when it is there, `python3 -m venv` and `pip` otherwise.

VENV   ?= .venv
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3.14 python3 python; do \
            if $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then echo $$p; break; fi; done)
BIN     = $(VENV)/bin
READY   = $(VENV)/.ready
WHAT    = .[dev,render]

.PHONY: demo test lint check setup clean
.DEFAULT_GOAL = demo

demo: $(READY)
	$(BIN)/neurolens demo

test: lint check

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

check: $(READY)
	$(BIN)/python -m pytest

setup: $(READY)

# Set up again only when what is needed has changed.
$(READY): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed and was not found on the PATH"; exit 1; }
	@if command -v uv >/dev/null 2>&1; then \
	    uv venv --quiet --allow-existing --python "$(PYTHON)" $(VENV) && \
	    uv pip install --quiet --python $(BIN)/python -c constraints.txt -e "$(WHAT)"; \
	else \
	    $(PYTHON) -m venv $(VENV) && \
	    $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e "$(WHAT)"; \
	fi
	@touch $(READY)

clean:
	rm -rf $(VENV) demo_output .pytest_cache .mypy_cache .ruff_cache .hypothesis
