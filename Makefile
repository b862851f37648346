# Two commands do everything on a fresh machine: `make demo` and `make test`.
# `uv` is used when it is there, `python3 -m venv` and `pip` otherwise.

VENV   ?= .venv
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3.14 python3 python; do \
            if $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then echo $$p; break; fi; done)
BIN     = $(VENV)/bin
READY   = $(VENV)/.ready
WHAT    = .[dev,render]

.PHONY: demo test lint check setup bench conformance simulate figures gallery plots clean
.DEFAULT_GOAL = demo

demo: $(READY)
	$(BIN)/neurolens demo

test: lint check

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# One thread in each of the processes, which would wait for each other's otherwise.
check: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --maxprocesses 4

# What it costs, beside peers, as ratios: tables in benchmarks/results/. THINGSVISION=<a Python that has it> adds it.
bench: $(VENV)/.peers
	$(BIN)/python benchmarks/capture.py
	$(BIN)/python benchmarks/streaming.py $(if $(THINGSVISION),--thingsvision $(THINGSVISION))
	$(BIN)/python benchmarks/comparing_rdms.py
	$(BIN)/python benchmarks/comparing_bootstrap.py
	$(BIN)/python benchmarks/comparing_ridge.py

# Every model of the zoo traced and validated: docs/conformance.md; Grams at any budget:
# benchmarks/results/gram_budgets.md; no op of torchvision left out as mixing the batch:
# benchmarks/results/rows.md. Takes about an hour.
conformance: $(VENV)/.peers
	$(BIN)/python benchmarks/zoo.py --again || true
	$(BIN)/python benchmarks/zoo.py --write
	$(BIN)/python benchmarks/gram_budgets.py
	$(BIN)/python benchmarks/rows.py --again

# Error rates, coverage and bias of the statistics where the truth is known: docs/simulation.md. Takes some 20 minutes
# on two cores, each of which has a process of one thread.
simulate: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/simulate.py

# What real data say, from the files that NEUROLENS_MIRROR names: docs/real_data.md. Takes some minutes.
figures: $(READY)
	$(BIN)/python benchmarks/figures.py

# Every plot: docs/images/plots/, shown by docs/plots.md; of real data where NEUROLENS_MIRROR names them.
plots: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/plots.py

# Networks of many kinds with scores on them, beside what peers draw: docs/gallery. Takes some 20 minutes; scores and
# pictures of trained weights need NEUROLENS_MIRROR.
gallery: $(VENV)/.peers
	$(BIN)/python benchmarks/draw_gallery.py

setup: $(READY)

INSTALL = $(shell command -v uv >/dev/null 2>&1 && echo uv pip install --quiet --python $(BIN)/python \
            || echo $(BIN)/python -m pip install --quiet --disable-pip-version-check)

# The peers, and the libraries of models, that only benchmarks need.
$(VENV)/.peers: $(READY)
	$(INSTALL) -c constraints.txt -e "$(WHAT:]=,peers])"
	@touch $@

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
