# Every task of keepbest. `make` alone lists them.
.DEFAULT_GOAL := help
.PHONY: help install dashboard demo test test-fast coverage lint format bench bench-heart bench-against bench-large bench-browser torture kinds kinds-table tutorials case-study recoveries screenshots mlflow-client docs lock clean

VENV   ?= .venv
EXTRAS ?= train postgres gpu parquet dev docs

# Looked for only when it is needed.
ifeq ($(origin PYTHON), undefined)
PYTHON = $(eval PYTHON := $(shell for python in python3.13 python3.12 python3.11 python3; do \
	$$python -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' \
	2>/dev/null && echo $$python && break; done))$(PYTHON)
endif

BIN    := $(VENV)/bin
UV     := $(BIN)/python -m uv
STAMP  := $(VENV)/.installed
WEBUI  := $(BIN)/python hatch_build.py

help: ## list the tasks
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: $(STAMP) dashboard ## make .venv with everything in it, dashboard included

# uv comes by pip with its digest checked, everything else by uv with the digests in constraints.txt. Compiled once for
# all: where Python may write no bytecode, each start of TensorFlow would compile its 6,000 modules anew, for 5 seconds.
$(STAMP): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "keepbest needs Python 3.11, 3.12 or 3.13 with venv (Debian: apt-get install python3-venv);" \
		"name another one with: make install PYTHON=/path/to/python" >&2; exit 1; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV)
	@echo "Installing into $(VENV) …"
	@awk '/^[^ ]/ { wanted = /^uv==/ } wanted' constraints.txt > $(VENV)/uv.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $(VENV)/uv.txt
	@$(UV) pip install --quiet --compile-bytecode --python $(BIN)/python -c constraints.txt -r pyproject.toml $(EXTRAS:%=--extra %)
	@KEEPBEST_SKIP_WEBUI=1 $(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e .
	@touch $@

dashboard: $(STAMP) ## build the dashboard if its sources changed
	@$(WEBUI)

demo: install ## train, stop early and restore the best, and leave the service running (DEMO_ONCE=1 ends by itself)
	@$(BIN)/keepbest demo $(if $(DEMO_ONCE),--once)

# Many tests wait, for processes and databases: half again as many run as there are cores. They start hundreds of
# processes, which must not compile our own modules each for itself.
PYTEST = env -u PYTHONDONTWRITEBYTECODE PYTEST_XDIST_AUTO_NUM_WORKERS=$$(( ($$(nproc) * 3 + 1) / 2 )) $(BIN)/python -m
SPREAD = -n auto --maxprocesses 8 --dist worksteal

test: install ## run every test, or those of FILE=tests/…; what is missing is skipped and says how to get it
	@$(PYTEST) pytest $(or $(FILE),$(SPREAD))
	@$(if $(FILE),,$(WEBUI) run test)

test-fast: install ## run what starts no TensorFlow, browser or process, on SQLite: while you work, in 90 seconds
	@$(PYTEST) pytest --fast $(SPREAD)

coverage: install ## run every Python test and print which lines and branches they reach, by package
	@rm -rf build/coverage
	@$(PYTEST) coverage run -m pytest $(SPREAD); status=$$?; \
		$(BIN)/python -m coverage combine --quiet && $(BIN)/python -m tests.support.coverage && exit $$status

lint: install ## check style and types of Python and of the dashboard
	@$(BIN)/python -m ruff check
	@$(BIN)/python -m ruff format --check
	@$(BIN)/python -m mypy
	@$(WEBUI) run check
	@$(WEBUI) run lint

format: $(STAMP) ## let ruff put the Python code in order
	@$(BIN)/python -m ruff check --fix
	@$(BIN)/python -m ruff format

bench: install ## print the figures to reach beside the peers' figures
	@for path in $(filter-out %/bench_large.py,$(wildcard tests/benchmarks/bench_*.py)); do name=$${path##*/}; $(BIN)/python -m tests.benchmarks.$${name%.py} || exit 1; done

tutorials: install ## train what the five tutorials train, write docs/explanation/tutorials.md's table (ONLY=name,name SHORT=1)
	@$(BIN)/python -m tests.tutorials $(if $(ONLY),--only $(ONLY)) $(if $(SHORT),--short)

case-study: install ## train the tutorial's network with five seeds, write docs/explanation/case-study.md's tables (SHORT=1)
	@nice $(BIN)/python -m tests.tutorials.case_study $(if $(SHORT),--short)

recoveries: install ## break five trainings, with recover and without, write docs/explanation/recovery.md's table (ONLY=rate,half)
	@$(BIN)/python -m tests.tutorials.recoveries $(ONLY)

mlflow-client: $(STAMP) ## make build/mlflow, an environment with MLflow's own client, which a test needs
	@test -x build/mlflow/bin/python || $(BIN)/python -m venv --without-pip build/mlflow
	@$(UV) pip install --quiet --python build/mlflow/bin/python mlflow-skinny==3.17.2 alembic==1.20.1 sqlalchemy==2.1.9 numpy==2.4.6 pandas==3.1.1 pillow==13.0.0

screenshots: install ## write a picture of every page, of every width, in both schemes, full and empty, into build/screenshots
	@$(BIN)/python -m tests.support.screenshots

docs: $(STAMP) ## build the site of docs/ into build/docs; a broken link or example is an error
	@$(BIN)/python -m sphinx -W --keep-going -q -b html docs build/docs
	@echo "Open build/docs/index.html"

bench-heart: install ## print what keeping the best costs, from 10 MB to 1 GB, beside the peers
	@$(BIN)/python -m tests.benchmarks.bench_heart --sizes

bench-against: install ## measure the heart of an earlier revision and of this tree in turns (REV=… ROUNDS=7 ONLY=keeping QUICK=1)
	@$(BIN)/python -m tests.benchmarks.against $(or $(REV),HEAD) $(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(ONLY),--only $(ONLY)) $(if $(QUICK),--quick)

bench-large: install ## find runs among very many, by six filters, on SQLite and Postgres (RUNS=100000,1000000 DB=sqlite)
	@nice $(BIN)/python -m tests.benchmarks.bench_large --runs $(if $(RUNS),$(RUNS),100000,1000000) --databases $(if $(DB),$(DB),sqlite,postgres)

bench-browser: install ## draw the same points in one browser with keepbest, TensorBoard and Trackio (ROUNDS=3)
	@$(BIN)/python -m tests.benchmarks.in_browser $(if $(ROUNDS),--rounds $(ROUNDS))

torture: install ## train under kill -9 at random instants and compare with an undisturbed run (N=20 SEED=… DB=postgres)
	@$(BIN)/python -m tests.torture --kills $(or $(N),20) $(if $(SEED),--seed $(SEED)) $(if $(DB),--database $(DB))

kinds: install ## generate N models, train each, come back by every road, compare (N=30 SEED=… ONLY=17)
	@$(BIN)/python -m tests.support.kinds.generating $(if $(N),-n $(N)) $(if $(SEED),--seed $(SEED)) $(if $(ONLY),--only $(ONLY))

kinds-table: install ## train every kind of model, come back by every road, write docs/reference/kinds.md's table (ONLY="LoRA;int8")
	@$(BIN)/python -m tests.support.kinds.making $(if $(ONLY),"$(ONLY)")

lock: $(STAMP) ## write constraints.txt and webui/package-lock.json anew (UPGRADE=1 takes newer versions)
	@$(UV) pip compile pyproject.toml --all-extras --universal --python-version 3.11 --generate-hashes $(if $(UPGRADE),--upgrade) \
		--no-emit-index-url --no-annotate --no-header --quiet -o constraints.txt
	@$(WEBUI) install --package-lock-only --omit-lockfile-registry-resolved --no-audit --no-fund

clean: ## remove what was built, but not .venv
	rm -rf build dist tracker/webui_dist tracker/webui_dist.new webui/node_modules .mypy_cache .ruff_cache .pytest_cache .hypothesis .demo
	find keepbest tracker worker migrations tests -name __pycache__ -prune -exec rm -rf {} +
