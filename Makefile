# `make demo` and `make test` do everything on a fresh machine; `make check` is for every day.
# `uv` is used when it is there, `python3 -m venv` and `pip` otherwise.

VENV   ?= .venv
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3.14 python3 python; do \
            if $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then echo $$p; break; fi; done)
BIN     = $(VENV)/bin
READY   = $(VENV)/.ready
WHAT    = .[dev,render]

.PHONY: demo check test test-fast test-slow lint wheel docs setup bench bench-quick scaling passes conformance simulate \
    figures gallery plots concepts tutorials clean
.DEFAULT_GOAL = demo

demo: $(READY)
	$(BIN)/neurolens demo

# Format, lint, types and fast tests: under a minute after set-up. Two at a time: mypy takes one core.
check: $(READY)
	$(MAKE) --no-print-directory -j2 -Otarget lint test-fast

# Format, lint, types, and every test that is not marked as slow: under six minutes on two cores.
test: lint
	$(PYTEST) $(WORKERS) -m "not slow"

# What `make test` leaves out: whole models and analyses, tutorials, runs that are killed half-way.
test-slow: $(READY)
	$(PYTEST) $(WORKERS) -m slow

# Something of every room, in seconds.
FAST = tests/test_*.py tests/labels tests/support tests/datasets tests/report tests/models/test_n*.py \
    tests/stimuli/test_*.py tests/stimuli/pictures tests/stimuli/sources tests/stimuli/sounds tests/stimuli/texts \
    tests/brain/images tests/brain/labelling tests/brain/recordings \
    tests/extract/graph tests/extract/test_tracing.py tests/extract/test_results.py \
    tests/compare/stats tests/compare/alignment \
    tests/view/annotation tests/view/exchange tests/view/style tests/view/page
test-fast: $(READY)
	$(PYTEST) -q -m "not slow" $(FAST)

# One thread in each of the processes, which would wait for each other's otherwise.
PYTEST  = OMP_NUM_THREADS=1 $(BIN)/python -m pytest
WORKERS = -n auto --maxprocesses 4

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# The distribution and its wheel in dist/, and the wheel used from an empty folder. In an empty
# environment of another Python: tests/try_wheel.sh dist/neurolens_brain-*.whl python3.13
wheel: $(READY)
	rm -rf dist
	$(BIN)/python -m hatchling build -d dist
	tests/try_wheel.sh dist/neurolens_brain-*.whl $(BIN)/python --here

# The documentation in site/, to be opened from the disk; links are checked, warnings are errors.
docs: $(READY)
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet
	$(BIN)/python docs/builder/check_site.py site

# What it costs, beside peers, as ratios: every table in benchmarks/results/, in under 40 minutes on two cores, and on
# a GPU where there is one. THINGSVISION=<a Python that has it> adds it.
bench: $(VENV)/.peers
	$(BIN)/python benchmarks/bench.py $(if $(THINGSVISION),--thingsvision $(THINGSVISION))

# The ratios that matter beside the committed ones, in under five minutes: which moved by more than the noise?
bench-quick: $(READY)
	$(BIN)/python benchmarks/ratios.py

# Grams of ResNet-50 within a budget beside bare forward passes: benchmarks/results/gram_passes.md. Takes some five minutes.
passes: $(READY)
	$(BIN)/python benchmarks/gram_passes.py

# How time and memory grow with ops, stimuli, features, voxels and subjects: docs/scaling.md. Some fifteen minutes.
scaling: $(READY)
	$(BIN)/python benchmarks/scaling.py

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

# Figures of docs/concepts/ into docs/images/concepts/: needs no data. Takes some minutes.
concepts: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/concepts.py

# Networks of many kinds with scores on them, beside what peers draw: docs/gallery. Takes some 20 minutes; scores and
# pictures of trained weights need NEUROLENS_MIRROR.
gallery: $(VENV)/.peers
	$(BIN)/python benchmarks/draw_gallery.py

# Runs tutorials/*.py and stores the notebooks with their outputs; of real data where NEUROLENS_MIRROR names them. A second
# run changes nothing. `make tutorials ONLY="03 07"` runs some. Takes some three minutes of processor time.
tutorials: $(READY)
	$(BIN)/python tutorials/execute.py $(ONLY)

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
	@echo "Setting up $(VENV): PyTorch and all tools are downloaded, some 7 GB on the disk. It takes minutes."
	@if command -v uv >/dev/null 2>&1; then \
	    uv venv --quiet --allow-existing --python "$(PYTHON)" $(VENV) && \
	    uv pip install --quiet --python $(BIN)/python -c constraints.txt -e "$(WHAT)"; \
	else \
	    $(PYTHON) -m venv $(VENV) && \
	    $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e "$(WHAT)"; \
	fi
	@touch $(READY)

clean:
	rm -rf $(VENV) demo_output dist site .pytest_cache .mypy_cache .ruff_cache .hypothesis
