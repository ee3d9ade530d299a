# Everything runs in a virtual environment that locks/install.py makes from the locks and keeps up to date.
PYTHON ?= python3
VENV ?= .venv
JOBS ?= 2
BIN := $(VENV)/bin
# One thread per process: processes share the cores, and more threads change the bits and are slower on small models.
# Tests and packs misspell on purpose, or quote; what LaTeX calls things is no English.
SPELLED := *.md CITATION.cff Makefile pyproject.toml .ci .github benchmarks conf docs examples hydra_plugins locks/*.py mlintern \
  pipelines portability
PYTEST := OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 $(BIN)/python -m pytest -n $(JOBS)

.DEFAULT_GOAL := help
.PHONY: help venv launchers demo test slow extended lint format lock portability matrix certify clean

help:  ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

venv:  ## the virtual environment, installed from the lock; quick when nothing changed
	@$(PYTHON) locks/install.py --venv $(VENV)

demo: venv  ## the main job: reproduce arXiv:2011.14439 offline, with no key and no GPU
	$(BIN)/python -m mlintern paper=2011.14439

test: venv  ## the default test suite; ARGS='tests/test_locks.py -x' goes to pytest
	$(PYTEST) $(ARGS)

launchers: venv  ## what joblib, Optuna, Ray and Slurm launchers need, into the virtual environment
	@$(PYTHON) locks/install.py --venv $(VENV) --launchers

slow: venv  ## the long tests
	$(PYTEST) -m "slow and not gpu" $(ARGS)

extended: launchers  ## tests of minutes each, for a quiet machine, and their evidence in docs/; ARGS=--stale, or a file of tests
	OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 $(BIN)/python -m tests.evidence --jobs $(JOBS) $(ARGS)

lint: venv  ## ruff, mypy and the spelling
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/codespell $(SPELLED)

format: venv  ## let ruff mend what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock: venv  ## write the locks anew after a change in pyproject.toml; UPGRADE=1 moves every version
	$(BIN)/python locks/make_locks.py $(if $(UPGRADE),--upgrade)

portability: venv  ## dvc repro in a clone under other circumstances, training on other CPUs: the same bits? ARGS=--short
	$(BIN)/python -m portability $(ARGS)

certify: venv  ## the golden suite, then the engine's code goes into the list of code with the same bits
	$(BIN)/python -m tests.golden.certify

matrix: venv  ## what changes bits, and what that costs: the engine beside a plain Trainer, some ten minutes
	$(BIN)/python -m benchmarks.repro_matrix $(ARGS)

clean:  ## remove the environment and caches; data, runs and reports stay
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .ruff_cache .mypy_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
