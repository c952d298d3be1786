# make install   .venv with the tested versions
# make demo      install, then train the tiny SGPO recipe from nothing, write its report and check the figures
# make test      install, then lint, types, layers and tests
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed

# Stages are processes of their own: where compiled modules may not be written, each compiles them all anew (a second).
unexport PYTHONDONTWRITEBYTECODE

.PHONY: install demo test lint types study clean

install: $(STAMP)

# pip, not uv: uv ignores pip's configured find-links and would take the CUDA build of torch.
$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $(STAMP)

demo: install
	$(BIN)/sgpo train recipes/tiny_sgpo.yaml
	$(BIN)/python tests/demo.py runs/tiny_sgpo

test: install lint types
	# Tests that use torchrun run one after the other: two that start at once may pick the same port.
	$(BIN)/python -m pytest -n 2 --dist loadgroup

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: install
	$(BIN)/mypy

# 3 seeds of SGPO and of GRPO at three learning rates: about ten minutes on two cores. Writes docs/results.md.
study: install
	$(BIN)/python benchmarks/study_tiny.py

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
