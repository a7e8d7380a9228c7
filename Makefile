# Every target does its own set-up; what is there already is used as it is.
SHELL := /bin/bash
.DEFAULT_GOAL := help

PY := .venv/bin/python
GOAL ?= url-shortener
PROFILE ?= python

.PHONY: help demo test check verify setup venv engine image format schemas lock clean

help: ## this list
	@grep -hE '^[a-z]+( [a-z]+)*:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z ]+):.*## /  make \1\t/' | expand -t 22

demo: setup ## build GOAL (url-shortener) with recorded model answers in real sandboxes
	@.venv/bin/swarm demo $(GOAL)

test check: setup ## format, lint, rooms, types and tests
	@scripts/check.sh

verify: test ## the long forms too: slow tests, 20 kills of the recorded run
	@$(PY) -m pytest -q -m slow
	@$(PY) benchmarks/kills.py --kills 20

setup: image ## virtual environment, container engine, sandbox image

venv: ## .venv with requirements.lock
	@scripts/venv.sh

engine: ## a Docker engine that answers
	@scripts/engine.sh

image: venv engine ## the sandbox image of PROFILE (python)
	@$(PY) -m swarm.adapters.sandbox.image $(PROFILE)

format: venv ## format the code and apply safe fixes
	@.venv/bin/ruff check --fix-only --quiet . ; .venv/bin/ruff format .

schemas: venv ## contracts/*.schema.json anew, from the types of the domain
	@$(PY) -m swarm.cli.schemas

lock: venv ## requirements.lock anew, with the newest releases that pyproject.toml allows
	@.venv/bin/pip-compile --quiet --upgrade --extra dev --strip-extras --no-header --no-emit-index-url \
		--no-emit-find-links --no-emit-trusted-host --no-emit-options -o requirements.lock pyproject.toml

clean: ## caches and the virtual environment; the engine and its images stay
	@rm -rf .venv .venv.lock build dist .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis \
		htmlcov .coverage .coverage.*
