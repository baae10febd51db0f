# make all        set up .venv with what the demo needs and run it from photographs to scores: results/index.html
# make test       set up .venv and run the fast tests: minutes
# make test-all   run all tests and print the coverage of the package
# make docs       build the documentation as a site: site/index.html
# make lock       write the versions that .venv has to envs/lock.txt, which `make setup` and all other set-ups install
# make clean      remove results and demo data, but neither trained models nor fetched data
# make distclean  remove those and .venv, too
PYTHON ?= python3
CORES ?= all
# Of two cores the training gets one, and the jobs that need no trained model the other (docs/notes/speed.md).
ONE_CORE_EACH := --set-threads list_photos=1 train=1 build_map=1 score_hpatches=1 score_retrieval=1
THREADS ?= $(shell $(PYTHON) -c 'import os; print("$(ONE_CORE_EACH)" * (os.cpu_count() == 2))')
WORKERS ?= 2
VENV := .venv
BIN := $(VENV)/bin

# Python keeps what it compiled for the next process, of which a run starts dozens.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: all test test-all test-haswell test-nehalem docs setup lock clean distclean

all: $(VENV)/.installed
	@echo "The demo: photographs, keypoints, stylized copies, training, three benchmarks. Then results/index.html."
	@echo "It takes four to six minutes on two cores. Each step is announced by 'Job N:', and logs to results/logs/."
	@$(BIN)/python -m snakemake --cores $(CORES) $(THREADS) -- all

# The tests of a module stay together, in the order of the modules: the longest come first.
PYTEST := $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

test: setup
	$(PYTEST) -m "not slow"

# Slow tests wait for other processes a fifth of the time, in which a third worker uses the cores.
test-all: WORKERS = 3
test-all: setup
	$(PYTEST) --cov --cov-report=
	$(BIN)/python -m coverage report
	$(BIN)/python -m coverage json --quiet -o .coverage.json
	$(BIN)/python -c 'import json; t = json.load(open(".coverage.json"))["totals"]; \
	p = 100 * t["covered_lines"] / t["num_statements"]; print(f"{p:.1f} % of lines"); exit(p < 92)'
	# Side by side, so that no core waits for the last tests of one.
	$(MAKE) --jobs=2 test-haswell test-nehalem

# The tests that depend on rounding, with the arithmetic of other processors.
test-haswell: export OPENBLAS_CORETYPE = Haswell
test-haswell: export ATEN_CPU_CAPABILITY = default
test-haswell: export OPENBLAS_NUM_THREADS = 2
test-haswell: export OMP_NUM_THREADS = 2
test-nehalem: export OPENBLAS_CORETYPE = Nehalem
test-nehalem: export ATEN_CPU_CAPABILITY = avx2
test-haswell test-nehalem: setup
	$(PYTEST) -m "not slow" @tests/numeric.txt

setup: $(VENV)/.installed-dev

# The demo needs no development tools. Modules are compiled at their first import, not at the installation.
$(VENV)/.installed: EXTRAS := workflow,localization
$(VENV)/.installed-dev: EXTRAS := dev

$(VENV)/.installed $(VENV)/.installed-dev: pyproject.toml envs/lock.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "hndesc needs Python 3.11 or newer: make PYTHON=python3.11 all")'
	@echo "Installing the locked packages into $(VENV): minutes, the first time."
	@test -e $(VENV) || { mkdir $(VENV) && touch $(VENV)/.made_by_make; }
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python envs/install.py --no-compile --constraint envs/lock.txt --editable ".[$(EXTRAS)]"
	@touch $(VENV)/.installed $@

docs: setup
	$(BIN)/python -m mkdocs build --strict

lock:
	$(BIN)/python envs/lock.py

# They name what they remove: what the workflow made, and nothing else.
clean:
	$(PYTHON) -m hndesc.workflow.cleaning

distclean:
	$(PYTHON) -m hndesc.workflow.cleaning --all
