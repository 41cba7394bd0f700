# `make demo` and `make test` do all the set-up: nothing else has to be run before them.

SHELL := /bin/bash
VENV := .venv
PYTHON ?=
WORKERS ?= 2
STAMP := $(VENV)/.rvgraph-installed
RUN := $(VENV)/bin/python
PYTEST := $(RUN) -m pytest --numprocesses $(WORKERS) --dist worksteal
# What gcc and XLA compile runs for milliseconds here: to optimise it takes a third of the time that it takes, and gains
# less. What we generate ourselves, for Numba, is compiled as users have it, and all of it by `make test-all`.
# PyTensor's own default, which nothing of ours uses but tests do to look at a number (`.eval()`), compiles to Numba for
# seconds: it is to interpret. Where each variable was made is noted for users; that is half of what a variable costs.
FLAGS := gcc__cxxflags=-O0 -g0,linker=py,optimizer=fast_compile,traceback__limit=0
QUICK := PYTENSOR_FLAGS="$${PYTENSOR_FLAGS:+$$PYTENSOR_FLAGS,}$(FLAGS)" \
    XLA_FLAGS="$${XLA_FLAGS:-} --xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
CHECKED := $(wildcard graphs samplers ppl tests benchmarks notebooks docs)
DOCS_STAMP := $(VENV)/.rvgraph-docs-installed

# pymc-extras trails PyMC by a minor version: peers are measured in an environment of their own.
NEWEST_VENV := .venv-newest
BENCH_VENV := .venv-bench
BENCH_STAMP := $(BENCH_VENV)/.rvgraph-installed

PYENV := $${PYENV_ROOT:-$$HOME/.pyenv}/versions
NEEDED := import sys; sys.exit(sys.version_info < (3, 12))
VERSION := import sys; print("%d.%d.%d" % sys.version_info[:3])

# Prints a Python of at least 3.12, or stops with what was found and what is needed.
define find_python
	found=""; chosen=""; \
	for python in $(PYTHON) $(if $(PYTHON),,python3 python3.13 python3.12 python3.14 $(PYENV)/3.1[2-9]*/bin/python3); do \
	    version=$$("$$python" -c '$(VERSION)' 2>/dev/null) || continue; \
	    if "$$python" -c '$(NEEDED)' 2>/dev/null; then chosen="$$python"; break; fi; \
	    found="$$found $$python ($$version)"; \
	done; \
	if [ -z "$$chosen" ]; then \
	    echo "rvgraph needs Python 3.12 or newer; found:$${found:- none}. Install one, or name it: make PYTHON=/path/to/python3" >&2; \
	    exit 1; \
	fi
endef

# A failed venv (a Debian without python3-venv) would leave a Python without pip behind.
define make_venv
	if ! $(1)/bin/python -c '$(NEEDED)' 2>/dev/null; then \
	    $(find_python); \
	    "$$chosen" -m venv --clear $(1) || { rm -rf $(1); exit 1; }; \
	fi
endef

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-all test-newest check package format notebooks docs bench posteriordb clean

help:
	@echo "make demo       set up if needed, then the main job on real data"
	@echo "make test       set up if needed, then the tests        (WORKERS=$(WORKERS))"
	@echo "make test-all   the tests with the long statistical ones"
	@echo "make test-newest  the tests with the newest releases of everything, in an environment of its own"
	@echo "make package    build what is published; try it in empty environments of Python 3.12, 3.13, 3.14"
	@echo "make check      format, lint, types, tests"
	@echo "make format     rewrite the files in the house format"
	@echo "make notebooks  build and run every notebook"
	@echo "make docs       build the site into docs/build/html, executing every code cell"
	@echo "make bench      measure against peers"
	@echo "make posteriordb  compare with published reference posteriors"
	@echo "make clean      remove caches and build outputs, not $(VENV)"

$(STAMP): pyproject.toml constraints.txt
	@$(call make_venv,$(VENV))
	@echo "Installing into $(VENV) (once)"
	@$(RUN) -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev,jax,bambi,dask,cluster]'
	@touch $@

setup: $(STAMP)

demo: $(STAMP)
	@$(RUN) notebooks/old_faithful.py

test: $(STAMP)
	$(QUICK) $(PYTEST)

test-all: $(STAMP)
	$(PYTEST) -m "slow or not slow"

# Without the tested versions: whether upper bounds are too wide, before users find out.
test-newest:
	@$(call make_venv,$(NEWEST_VENV))
	@$(NEWEST_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --upgrade -e '.[dev,jax,bambi,dask,cluster]'
	@$(NEWEST_VENV)/bin/python -m pip list --disable-pip-version-check | grep -E '^(pytensor|pymc|numba|numpy|scipy|arviz|xarray|zarr|jax|blackjax|dask) '
	$(QUICK) $(NEWEST_VENV)/bin/python -m pytest --numprocesses $(WORKERS) --dist worksteal

package: $(STAMP)
	@$(RUN) -m pip install --quiet --disable-pip-version-check build
	$(RUN) tests/package.py

check: $(STAMP)
	$(RUN) -m ruff format --check $(CHECKED)
	$(RUN) -m ruff check $(CHECKED)
	$(RUN) -m mypy
	$(QUICK) $(PYTEST)

format: $(STAMP)
	$(RUN) -m ruff format $(CHECKED)
	$(RUN) -m ruff check --fix $(CHECKED)

notebooks: $(STAMP)
	@$(RUN) notebooks/build.py

$(DOCS_STAMP): $(STAMP)
	@$(RUN) -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[docs]'
	@touch $@

# Warnings are errors, broken links among them; what cells print is kept until the library or the cell changes.
docs: $(DOCS_STAMP)
	@rm -rf docs/reference/generated
	$(RUN) -m sphinx -q -W --keep-going -b html docs docs/build/html

$(BENCH_STAMP): pyproject.toml constraints.txt
	@$(call make_venv,$(BENCH_VENV))
	@grep -v '^pymc==' constraints.txt > $(BENCH_VENV)/constraints.txt
	@$(BENCH_VENV)/bin/python -m pip install --quiet --disable-pip-version-check -c $(BENCH_VENV)/constraints.txt -e '.[jax,bench]'
	@touch $@

bench: $(BENCH_STAMP)
	$(BENCH_VENV)/bin/python -m benchmarks

posteriordb: $(STAMP)
	$(RUN) -m benchmarks.posteriordb

clean:
	rm -rf build dist docs/build docs/reference/generated *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find $(CHECKED) -name __pycache__ -type d -prune -exec rm -rf {} +
