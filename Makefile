# make all   set up .venv and run the demo from photographs to scores and a report
# make test  set up .venv and run the tests
PYTHON ?= python3
CORES ?= all
VENV := .venv
BIN := $(VENV)/bin

.PHONY: all test setup clean

all: setup
	$(BIN)/python -m snakemake --cores $(CORES) all

test: setup
	$(BIN)/python -m pytest

setup: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "hndesc needs Python 3.11 or newer: make PYTHON=python3.11 all")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable ".[dev]"
	touch $@

clean:
	rm -rf $(VENV) .snakemake results/[!R]* data/demo
