# Short names for tools/*.sh; no logic here. PYTHON=python3.12 picks another Python.
PYTHON ?= python3
SHELL := /bin/bash
READY := .venv/ready

.PHONY: help setup demo check test bench fuzz e2e e2e-cluster matrix image wheelhouse docs pictures lock clean

help: ## this list
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 20

$(READY): requirements/dev.txt runtime/pyproject.toml builder/pyproject.toml tools/setup.sh
	@tools/setup.sh $(PYTHON)

setup: $(READY) ## .venv with everything that the others need

demo: $(READY) ## build a sample, serve it, ask it, stop
	@.venv/bin/python tools/demo.py

check: $(READY) ## ruff, mypy, shellcheck
	@tools/check.sh

test: $(READY) ## every test that needs no container engine
	@.venv/bin/python -m pytest --ignore tests/e2e --ignore tests/matrix --ignore tests/cluster -m "not long" --numprocesses 2 --dist load

docs: $(READY) ## the documentation as a site, in build/site; every link in it is checked
	@tools/docs.sh

pictures: $(READY) ## the documentation's pictures, taken anew (Chromium, by apt)
	@tools/pictures.sh

e2e: $(READY) docs ## the site, engine, base image, real s2i, hardened containers (root and apt)
	@.venv/bin/python -m pytest --ignore tests/e2e --ignore tests/matrix --ignore tests/cluster -m long --numprocesses 2 --dist load
	@.venv/bin/python -m pytest tests/e2e

e2e-cluster: $(READY) ## the manifests on a real one-node Kubernetes (root, apt and Go; six minutes more the first time)
	@.venv/bin/python -m pytest tests/cluster -p no:randomly

matrix: $(READY) ## scikit-learn 1.3 to newest x six kinds of models x three formats (20 minutes)
	@.venv/bin/python -m pytest tests/matrix -p no:randomly

bench: $(READY) ## modelcast beside other servers, 45 minutes (wrk, by apt); ARGS="--models forest --seconds 2" for less
	@tools/apt-install.sh wrk
	@.venv/bin/python -m tests.bench $(ARGS)

fuzz: $(READY) ## 100,000 mutations of valid artifacts through the audit, and what it lets through; ARGS="5000 --seed 1"
	@.venv/bin/python -m tests.bench.mutations $(ARGS)

image: $(READY) ## modelcast-builder and modelcast-runtime, by the engine that runs (BASE_IMAGE=... for another base)
	@tools/image.sh modelcast-builder modelcast-runtime

wheelhouse: $(READY) ## the wheels that the image carries, in build/
	@.venv/bin/python tools/wheelhouse.py

lock: $(READY) ## write requirements/*.txt anew
	@tools/lock.sh

clean: ## remove what the other targets made (and stop the engine and the cluster that they started)
	@tools/kube.sh down
	@tools/engine.sh stop
	@rm -rf .venv build .mypy_cache .pytest_cache .ruff_cache .hypothesis
