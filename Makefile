# make demo | test | check | bench | deploy. Needs git, make and Python 3.11 or newer; everything else goes into .venv.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python3.14; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo "$$p"; break; }; done)
BIN := .venv/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Most modules of most packages are never imported: Python compiles what is, and set-up takes half the time.
export PIP_NO_COMPILE := 1
CONFIG ?= costwatch.yaml
export CONFIG
WORKERS ?= 2
CDK := node_modules/.bin/cdk

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: setup
setup: .venv/.ready-dev $(CDK) ## install everything the other targets need

# `set -m`: Ctrl-C on a terminal reaches the demo alone, which knows how to end, and not make, which then would not.
.PHONY: demo
demo: .venv/.ready ## see the switch work (AUTO=1: without waiting, and check the end state)
	@if [ -t 0 ]; then set -m; fi; $(BIN)/python -m demo $(if $(AUTO),--auto) || exit $$?

.PHONY: sandbox
sandbox: .venv/.ready ## an AWS on 127.0.0.1 to try every command on, from another terminal
	@if [ -t 0 ]; then set -m; fi; $(BIN)/python -m demo sandbox || exit $$?

.PHONY: test
test: .venv/.ready-dev $(CDK) ## every test, the real cdk deploy against the embedded AWS included
	@$(BIN)/python -m tests.support.browser
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadscope $(ARGS)

.PHONY: check
check: .venv/.ready-dev ## lint, format, types, import rules, the template
	@$(MAKE) --no-print-directory $(if $(filter output-sync,$(.FEATURES)),--output-sync=target) --jobs=$(WORKERS) check-types check-code check-template

.PHONY: check-types check-code check-template
check-types: .venv/.ready-dev
	$(BIN)/mypy  # in one process: its workers must start within seconds, which a busy machine does not grant
	$(BIN)/mypy --python-version 3.10 client/costwatch_client.py  # the oldest that mypy knows; the tests look for 3.9
check-code: .venv/.ready-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
check-template: .venv/.ready-dev
	$(BIN)/costwatch check-config costwatch.yaml
	CDK_OUTDIR=cdk.out $(BIN)/python app.py
	$(BIN)/cfn-lint cdk.out/*.template.json

.PHONY: bench
bench: .venv/.ready ## measure beside Cloud Custodian and a boto3 script, replay retraining (ARGS="--only res"), into docs/
	@$(BIN)/python -m bench.run $(ARGS)

.PHONY: format
format: .venv/.ready-dev ## let ruff mend what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.PHONY: client
client: .venv/.ready-dev ## build the wheel that training scripts install, into build/
	@$(BIN)/python -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir build ./client
	@ls build/costwatch_client-*.whl

# setuptools would take along what an earlier build left there.
.PHONY: cli-wheel
cli-wheel: .venv/.ready-dev ## build the wheel of the command line, for who has no clone, into build/
	@rm -rf build/lib build/bdist.*
	@$(BIN)/python -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir build .
	@rm -rf build/lib build/bdist.*
	@ls build/costwatch-*.whl

.PHONY: synth
synth: .venv/.ready-dev ## write the CloudFormation template to cdk.out (CONFIG and ARGS as for deploy)
	@CDK_OUTDIR=cdk.out $(BIN)/python app.py -c "config=$$CONFIG" $(ARGS)

# The CDK's command line needs Node: .venv/bin, which is on PATH here, has one.
.PHONY: bootstrap deploy destroy package
bootstrap: .venv/.ready-dev $(CDK) ## what a deploy needs, once per account and region
	$(CDK) bootstrap -c "config=$$CONFIG" $(ARGS)
deploy: .venv/.ready-dev $(CDK) ## deploy with the pinned CDK (CONFIG=path/to/costwatch.yaml)
	$(CDK) deploy -c "config=$$CONFIG" $(ARGS)
destroy: .venv/.ready-dev $(CDK) ## remove what was deployed, except the ledger
	$(CDK) destroy -c "config=$$CONFIG" $(ARGS)
package: .venv/.ready-dev $(CDK) ## template and zip, to deploy without a bootstrap (BUCKET=my-code)
	@test -n "$(BUCKET)" || { echo "which bucket? make package BUCKET=my-code" >&2; exit 2; }
	$(CDK) synth --quiet -c "config=$$CONFIG" $(ARGS)
	$(BIN)/costwatch package --config "$$CONFIG" --bucket $(BUCKET)

.PHONY: clean
clean: ## remove what was built and installed here
	rm -rf .venv node_modules build client/build client/*.egg-info cdk.out .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# --- what the targets above need ------------------------------------------------------------------------

# uv takes seconds for what takes pip a minute. It reads no pip.conf, so it is told the index that pip uses; where it is
# not to be had or gets no answer (behind a proxy or a certificate that only pip was told of), pip installs as ever.
define install
	@pip="$(BIN)/python -m pip"; \
	index="$${UV_DEFAULT_INDEX:-$$($$pip config list 2>/dev/null | sed -n "s/^[^=]*\.index-url='\(.*\)'$$/\1/p" | head -n 1 || true)}"; \
	{ $$pip install --quiet --only-binary=:all: --constraint constraints.txt uv && \
		env UV_SYSTEM_CERTS=1 $${index:+"UV_DEFAULT_INDEX=$$index"} \
		$(BIN)/uv pip install --quiet --python $(BIN)/python $(1) --editable . --editable ./client; } 2>/dev/null || { \
		echo "uv could not install them, so pip does, which takes a minute more ..."; \
		$$pip install --quiet $(1) --editable . --editable ./client; }
	@touch $(2)
endef

.venv/.python:
	@[ -n "$(PYTHON)" ] || { echo "Costwatch needs Python 3.11 or newer: install python3.11 with its venv module, or name one: make PYTHON=/path/to/python" >&2; exit 1; }
	@$(PYTHON) -c '' 2>/dev/null || { echo "$(PYTHON) could not be run: name a Python 3.11 or newer: make PYTHON=/path/to/python" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Costwatch needs Python 3.11 or newer, $(PYTHON) is older: install python3.11, or name one: make PYTHON=/path/to/python" >&2; exit 1; }
	@$(PYTHON) -m venv .venv
	@touch $@

.venv/.ready: .venv/.python requirements.txt constraints.txt pyproject.toml client/pyproject.toml
	@echo "Setting up .venv (once) ..."
	$(call install,--requirement requirements.txt,$@)

# All in one go: everything would be resolved a second time.
.venv/.ready-dev: .venv/.python requirements.txt requirements-dev.txt constraints.txt pyproject.toml client/pyproject.toml
	@echo "Setting up .venv with the tools for checks, tests and deploys (once) ..."
	$(call install,--requirement requirements-dev.txt,.venv/.ready $@)

$(CDK): package.json package-lock.json | .venv/.ready-dev
	@npm ci --silent --no-fund --no-audit
	@touch $@
