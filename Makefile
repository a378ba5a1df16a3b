# `make demo` generates scenarios and drives planners through them; `make test` runs lint, types and tests.
SHELL := /bin/bash
PYTHON := .venv/bin/python
# A folder with real recordings. Without it the demo uses generated scenarios only.
DATA ?= ../shared/data
DEMO ?= demo

# Without these settings the threads of Torch and OpenMP spin on a busy machine.
export OMP_WAIT_POLICY := PASSIVE

.PHONY: setup demo test lint types format clean

setup:
	@tools/setup.sh

demo: setup
	@$(PYTHON) scripts/demo.py --output $(DEMO) --recordings $(DATA)

test: setup lint types
	@tools/browser.sh
	@OMP_NUM_THREADS=1 $(PYTHON) -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile

lint: setup
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .

types: setup
	@.venv/bin/mypy
	@MYPYPATH=scripts:benchmarks .venv/bin/mypy --explicit-package-bases scripts benchmarks

format: setup
	@.venv/bin/ruff check --fix .
	@.venv/bin/ruff format .

clean:
	rm -rf .venv $(DEMO) build *.egg-info
