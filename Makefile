# The whole developer interface: setup, demo, check, docs, test, bench.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
TRAINING_TESTS := tests/kit/train

.PHONY: setup demo check docs test test-other-type bench bench-base bench-train bench-serve bench-templates bench-sampled bench-public bench-reliability format locks test-image test-clients

setup: $(VENV)/.ready

$(VENV)/.ready: pyproject.toml scripts/setup_environment.py
	$(PYTHON) scripts/setup_environment.py $(VENV)

demo: setup
	$(BIN)/kit demo

check: setup docs
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# The documentation site, into site/. A dead link or a page that is missing from the navigation breaks the build.
docs: setup
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

# Two test processes share the cores: each computes with one thread, and threads that wait sleep.
test test-other-type: export OMP_WAIT_POLICY := passive
test test-other-type: export OMP_NUM_THREADS := 1

test: setup
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder

# What trains, once more, in the type that this machine would not choose (float32 or bfloat16).
test-other-type: setup
	DOMAINKIT_COMPUTE=$$($(BIN)/python scripts/other_compute_type.py) $(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder $(TRAINING_TESTS)

bench: $(VENV)/.peers
	$(BIN)/python -m bench all

bench-base: setup
	$(BIN)/python -m bench bits
	$(BIN)/python -m bench base

# `kit serve` against vLLM's own server: it needs vLLM, and both cores for half an hour.
bench-serve: setup
	$(BIN)/python -m bench serve

# Every template before and after its smoke profile: minutes for each.
bench-templates: setup
	$(BIN)/python -m bench templates

# Public sets, from DOMAINKIT_DATA: some ten minutes for each.
bench-public: setup
	$(BIN)/python -m bench public

# Faults of the engine, of clients and of the process, made for real: ten minutes, and vLLM.
bench-reliability: setup
	$(BIN)/python -m bench reliability

# A thousand sampled answers of every template, before and after its checker: it trains each, and takes an hour or two.
bench-sampled: setup
	$(BIN)/python -m bench sampled

bench-train: $(VENV)/.peers
	$(BIN)/python -m bench train
	$(BIN)/python -m bench memory

$(VENV)/.peers: $(VENV)/.ready
	$(BIN)/python -m pip install -q -e '.[bench]'
	touch $@

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# The lock files of the container images, after a change of the requirements.
locks: setup
	$(BIN)/python -m scripts.lock_requirements

# Builds the images with buildah, and serves from one. Needs root, buildah and debootstrap; takes some minutes and 20 GB.
test-image: setup
	$(BIN)/pytest -p no:xdist scripts/image

# A service on vLLM with a bundle of every template, asked by curl, the official client and editors. Needs ten minutes.
test-clients: setup
	$(BIN)/pytest -p no:xdist scripts/clients
