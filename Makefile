# make all        set up .venv and run the demo from photographs to scores and a report
# make test       set up .venv and run the tests
# make clean      remove results and demo data, but neither trained models nor fetched data
# make distclean  remove those and .venv, too
PYTHON ?= python3
CORES ?= all
VENV := .venv
BIN := $(VENV)/bin

.PHONY: all test setup clean distclean

all: setup
	$(BIN)/python -m snakemake --cores $(CORES) all

test: setup
	$(BIN)/python -m pytest

setup: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "hndesc needs Python 3.11 or newer: make PYTHON=python3.11 all")'
	test -e $(VENV) || { mkdir $(VENV) && touch $(VENV)/.made_by_make; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable ".[dev]"
	touch $@

# They name what they remove: what the workflow made, and nothing else.
clean:
	$(PYTHON) -m hndesc.workflow.cleaning

distclean:
	$(PYTHON) -m hndesc.workflow.cleaning --all
