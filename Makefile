# Everything one does with this repository. `make` alone lists the targets.
#
#   PYTHON     the Python (3.11 or newer) that makes the virtual environment
#   PIP_ARGS   further words for pip, such as the index or folder of your CPU builds of torch
#   LAB_ARGS   further words for JupyterLab

PYTHON ?= python3
PIP_ARGS ?=
LAB_ARGS ?=

BIN := .venv/bin
NBGRADER := nbgrader>=0.9
PAGES := $(shell find book cnncourse -type f -not -path '*/.*' -not -name '*.pyc')

# one thread: NumPy and torch would otherwise fight each other, and results stay the same everywhere
export OMP_NUM_THREADS ?= 1
export MPLCONFIGDIR ?= $(CURDIR)/.venv/matplotlib
export PYDEVD_DISABLE_FILE_VALIDATION = 1

.PHONY: help book test slides serve lab bench lint format clean

help:
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

book: _build/.built ## execute every notebook and build the book
	@$(BIN)/python book/build.py --open

test: _build/.built .venv/.nbgrader ## everything that can be checked: unit tests, doctests, notebooks, the book in a browser
	$(BIN)/python -m pytest -n 2 --dist loadfile

slides: _build/.built ## slides of every chapter, from the built book
	@$(BIN)/python book/slides.py

serve: _build/.built ## show the built book at http://localhost:8000
	$(BIN)/python -m http.server --bind localhost --directory _build/html 8000

lab: .venv/.lab ## open the notebooks in JupyterLab
	$(BIN)/jupyter lab $(LAB_ARGS) book

bench: .venv/.nbgrader ## compare with torch, SciPy and nbgrader, and write what the book's pages show
	$(BIN)/python benchmarks/convolution.py
	$(BIN)/python benchmarks/training.py
	$(BIN)/python benchmarks/grading.py

lint: .venv/.ready ## style of code and notebooks
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: .venv/.ready ## put code and notebooks into the house style, strip outputs
	$(BIN)/python book/exercises.py
	$(BIN)/nbstripout --keep-id --extra-keys metadata.language_info book/*.ipynb
	$(BIN)/ruff check --fix --exit-zero .
	$(BIN)/ruff format .

clean: ## remove the built book and the virtual environment
	rm -rf _build .venv

.venv/.ready: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; v >= (3, 11) or sys.exit("cnncourse needs Python 3.11 or newer, this is %d.%d; say make PYTHON=..." % v)'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install $(PIP_ARGS) -c constraints.txt -e '.[book,test]'
	@touch $@

# nbgrader has an environment of its own, which sees what ours has installed
.venv/.nbgrader: .venv/.ready
	$(PYTHON) -m venv .venv/nbgrader
	$(BIN)/python -c 'import site; print(f"import site; site.addsitedir({site.getsitepackages()[0]!r})")' \
		> $$(.venv/nbgrader/bin/python -c 'import site; print(site.getsitepackages()[0])')/ours.pth
	.venv/nbgrader/bin/python -m pip install $(PIP_ARGS) -c constraints.txt '$(NBGRADER)'
	@touch $@

.venv/.lab: .venv/.ready
	$(BIN)/python -m pip install $(PIP_ARGS) -c constraints.txt -e '.[notebooks]'
	@touch $@

_build/.built: .venv/.ready _config.yml _toc.yml $(wildcard benchmarks/*.json) $(PAGES)
	@mkdir -p $(@D) && touch $@.start # what is edited while it builds is newer than this
	@$(BIN)/python book/build.py
	@mv $@.start $@
