# Every target makes what it needs first; `make help` lists them.
PYTHON3 ?= python3
VENV := .venv
VENV_219 := .venv-2.19
BIN := $(VENV)/bin
# Own, empty cloud configuration and no proxies for everything that could reach a cloud.
CLEAN := $(BIN)/python tests/tools/clean_env.py
# For tools that call `ansible` and friends by name.
ON_PATH := PATH="$(CURDIR)/$(BIN):$$PATH"
PYTEST_WORKERS ?= 2
# They mostly wait.
INTEGRATION_WORKERS ?= 4

# The checkout's own configuration, also where the folder is world-writable; and the collection as seen through .collections.
export ANSIBLE_CONFIG := $(CURDIR)/ansible.cfg

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help setup setup-2.19 emulators drill test unit integration test-2.19 crash redteam lint sanity docs generate bench lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9.-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## the environment in .venv: best Python here, newest ansible-core it takes, hash-checked (EVICT_PYTHON=... to choose)
	@$(PYTHON3) tests/tools/environment.py $(VENV)

setup-2.19: # Python 3.11 with ansible-core 2.19, the oldest supported
	@$(PYTHON3) tests/tools/environment.py $(VENV_219) --python 3.11

emulators: # azurite, from npm; without npm the tests that need it are skipped and say so
	@$(PYTHON3) tests/tools/emulators.py

drill: setup ## play an attack and the whole response on an embedded cloud, on loopback only
	@mkdir -p build/drill
	$(CLEAN) $(BIN)/ansible-playbook playbooks/drill.yml

test: unit integration ## everything: unit, contract and integration tests, lint, sanity
	@mkdir -p build
	@$(MAKE) sanity >build/sanity.log 2>&1 & other=$$!; code=0; $(MAKE) lint || code=1; \
	wait $$other || code=1; cat build/sanity.log; exit $$code # side by side: each keeps one core busy

unit: setup emulators ## unit and contract tests only
	$(CLEAN) $(BIN)/python -m pytest -n $(PYTEST_WORKERS) tests/unit tests/contract

integration: setup emulators ## tests on the emulated clouds (each starts its own, on free loopback ports)
	$(CLEAN) $(BIN)/python -m pytest -n $(INTEGRATION_WORKERS) --dist loadfile --no-loadscope-reorder tests/integration

test-2.19: setup-2.19 emulators ## unit and contract tests on Python 3.11 with ansible-core 2.19
	$(VENV_219)/bin/python tests/tools/clean_env.py $(VENV_219)/bin/python -m pytest -n $(PYTEST_WORKERS) tests/unit tests/contract

EVERY_CALL := tests/integration/test_every_call.py # a thousand points that know nothing of one another
crash: setup ## kill the module at every crash point and run it again (long; `make test` takes a sample)
	EVICT_CRASH=all $(CLEAN) $(BIN)/python -m pytest -n $(INTEGRATION_WORKERS) --dist loadfile --no-loadscope-reorder -m crash --ignore $(EVERY_CALL) tests/integration
	EVICT_CRASH=all $(CLEAN) $(BIN)/python -m pytest -n $(INTEGRATION_WORKERS) --dist load $(EVERY_CALL)

RUNS ?= 100
SEED ?= 1000
redteam: setup ## RUNS seeded attacks (100), as many in which the account's fence alone has to hold, and as many with late logs; SEED=n RUNS=1 plays one again
	$(CLEAN) $(BIN)/python -m tests.redteam --runs $(RUNS) --seed $(SEED)
	$(CLEAN) $(BIN)/python -m tests.redteam --runs $(RUNS) --seed $(SEED) --no-identity-deny --directory build/redteam/account-fence-alone
	$(CLEAN) $(BIN)/python -m tests.redteam --runs $(RUNS) --seed $(SEED) --late-logs --directory build/redteam/late-logs

lint: setup ## ruff, mypy, yamllint, ansible-lint (production), antsibull-docs, changelog fragments
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/yamllint --strict .
	$(ON_PATH) $(BIN)/ansible-lint
	$(ON_PATH) $(BIN)/antsibull-docs lint-collection-docs --plugin-docs --validate-collection-refs self --check-extra-docs-refs .
	$(BIN)/antsibull-changelog lint

sanity: setup ## build the artifact, check what it ships, run ansible-test sanity on it as installed
	$(BIN)/python tests/tools/sanity.py

docs: generate ## the documentation site, in build/docs
	$(BIN)/python tests/tools/docs_site.py

generate: setup ## rewrite the generated files (action groups, tables, permissions)
	$(BIN)/python tests/tools/generate.py

EVENTS ?= 200000
bench: setup ## measure containment beside plain boto3 scripts: 1 to 1,000 users in one account, 200 and 1,000 in many; 220 resources; logs loaded beside bare DuckDB
	$(CLEAN) $(BIN)/python tests/bench/contain.py --check
	$(CLEAN) $(BIN)/python tests/bench/scale.py --check
	$(CLEAN) $(BIN)/python tests/bench/resources.py --check
	$(CLEAN) $(BIN)/python tests/bench/dependents.py --check
	$(CLEAN) $(BIN)/python tests/bench/investigation.py --events $(EVENTS)
	$(CLEAN) $(BIN)/python tests/bench/sigma_rules.py --events $(EVENTS)

lock: ## resolve requirements/*.in anew into the lock files
	$(PYTHON3) tests/tools/environment.py --lock

clean: ## remove environments, caches and everything built
	rm -rf $(VENV) $(VENV_219) .cache build .pytest_cache .mypy_cache .ruff_cache .hypothesis .ansible
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
