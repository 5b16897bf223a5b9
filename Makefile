# `make` shows what there is.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DATA ?= complete_journey
SCALE ?= 20000
# in their order: else files of few tests, the slowest, come last
BY_FILE := --dist loadfile --no-loadscope-reorder
export PATH := $(abspath $(BIN)):$(PATH)

.DEFAULT_GOAL := help
.PHONY: help run setup test suite test-fast fault-test cluster-test bench lint fmt docs notebooks package clean

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | awk -F'\t' '{printf "  make %-12s %s\n", $$1, $$2}'

run: $(VENV)/.run run-$(DATA)  ## ingest the demo's real data into ./lake, run every job; DATA=ecom: a shop's visits, in ./lake-ecom; DATA=made: a made brand, in ./lake-made

run-%: $(VENV)/.run
	memberlake nightly --source $* --lake lake --as-of latest

run-ecom: $(VENV)/.run
	memberlake nightly --source ecom_clickstream --lake lake-ecom --as-of latest

run-made: $(VENV)/.run made/truth/dirt
	@made=$$(cat made/scale 2>/dev/null || echo unknown); test "$$made" = "$(SCALE)" || { echo "./made holds a brand of another SCALE ($$made): give that one, or remove made and lake-made first" >&2; exit 2; }
	memberlake nightly --source contracts --landing made/landing --lake lake-made --as-of latest

made/truth/dirt: | $(VENV)/.run  # what generate writes last
	memberlake generate --scale $(SCALE) --out made
	@echo $(SCALE) > made/scale

setup: $(VENV)/.dev  ## everything for working on the project, into .venv

test: $(VENV)/.dev  ## all tests but those of faults and clusters, and style, types and docs beside them
	@$(MAKE) --no-print-directory -j2 lint suite

suite: $(VENV)/.dev
	pytest -n 2 $(BY_FILE)

test-fast: $(VENV)/.dev  ## the part without Delta and commands
	pytest -n 2 $(BY_FILE) tests/unit tests/transforms

fault-test: $(VENV)/.dev  ## kills, a full disk, damage, two at once: what happened, and whether the rerun is right (half an hour)
	pytest -q -m "" -n 2 tests/faults

cluster-test: $(VENV)/.dev  ## a real cluster on this machine: a master, two workers, one killed at work
	pytest -m cluster tests/cluster

bench: $(VENV)/.dev  ## the measured cases, against their rivals: writes benchmarks/results.md (half an hour); CASES="coupons": others; ORDERS=2e7: at that size; SPARK="KEY=VALUE ...": Spark's settings
	$(BIN)/python -m pip install -q -e '.[bench]'
	python benchmarks/bench.py $(addprefix --case ,$(CASES)) $(addprefix --orders ,$(ORDERS)) $(addprefix --spark ,$(SPARK))

lint: $(VENV)/.dev  ## style, types, and docs/ fresh
	ruff check .
	ruff format --check .
	mypy
	memberlake docs --check

fmt: $(VENV)/.dev  ## mend the style
	ruff check --fix .
	ruff format .

docs: $(VENV)/.dev  ## write docs/tables.md, metrics.md and features.md
	memberlake docs

notebooks: $(VENV)/.dev  ## notebooks/*.ipynb for Jupyter, from the Databricks sources
	for n in notebooks/*.py; do python tests/e2e/to_jupyter.py $$n; done

package: $(VENV)/.dev  ## dist/: the wheel, and memberlake.zip for spark-submit --py-files
	rm -rf dist build && mkdir dist
	pip wheel -q --no-deps -w dist .
	find lib -name __pycache__ -prune -exec rm -rf {} +
	cd lib && python -m zipfile -c ../dist/memberlake.zip memberlake
	@ls -l dist

clean:  ## remove the environment, the demo's lake and everything made
	rm -rf $(VENV) lake lake-ecom lake-made lake-bench made dist build lib/*.egg-info .pytest_cache .mypy_cache .ruff_cache spark-warehouse

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || (echo "Python 3.10 or later is needed; set PYTHON=..." >&2; exit 2)
	$(PYTHON) -m venv $(VENV)

$(VENV)/.run: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install -q -e '.[demo]'
	memberlake setup
	@touch $@

$(VENV)/.dev: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install -q -e '.[dev]'
	memberlake setup
	@touch $@ $(VENV)/.run
