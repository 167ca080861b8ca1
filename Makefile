# `make help` lists the targets. up, check, test, preview, review, entrypoint, doctor, down and clean run from a bare clone, the others after `make up`.
STACK ?= local
SHELL := /bin/sh
# What a person gives reaches the shell as a variable, letter for letter, and never as text of a command.
GIVEN := STACK AGAINST REVIEWED VERB BY WHY PR IMAGE APP EDGE BUILD_SHA VERSION OPTIONS FUZZ_EXAMPLES FUZZ_URL SOAK_SECONDS PULUMI_BACKEND_URL GITHUB_STEP_SUMMARY
$(foreach name,$(GIVEN),$(if $(filter-out undefined,$(origin $(name))),$(eval override export $(name) := $$(value $(name)))))
export STACK
ifeq ($(strip $(STACK)),)
$(error STACK is empty: name a stack, such as STACK=local)
endif
# What `make up` has made; `offline/bootstrap.sh tools` makes the first of it, the environment to work in.
ENTER := [ -f .local/env ] && [ -f Pulumi.local.yaml ] || { echo "this clone is not prepared: run make up first" >&2; exit 1; }; . ./.local/env &&
WITH_TOOLS := . ./.local/env &&
# A shell with a bucket of states is of AWS: it has Pulumi's official providers, and packages of the program alone.
ON_AWS = $(filter s3://%,$(PULUMI_BACKEND_URL))
CUTOVER = $(if $(ON_AWS),.venv/bin/python -m cutover,$(WITH_TOOLS) cutover)
# The copy of the requirements in the environment says which of them it has: it goes first, and comes last. A prepared
# clone's environment is a link to one that other clones have, too.
INSTALL = rm -f .venv/requirements.txt && python3 -m venv .venv && .venv/bin/pip install -q --require-hashes -r requirements.txt && cp requirements.txt .venv/
ON_AWS_TOOLS = if [ -L .venv ]; then offline/bootstrap.sh tools; else cmp -s requirements.txt .venv/requirements.txt || { $(INSTALL); }; fi
TOOLS = $(if $(ON_AWS),$(ON_AWS_TOOLS),offline/bootstrap.sh tools)
COMPILE = UV_CUSTOM_COMPILE_COMMAND="make pins" uv pip compile --quiet --universal --generate-hashes --no-emit-index-url $$OPTIONS

.DEFAULT_GOAL := help
.PHONY: help up down clean doctor check test unit engine browser e2e drill-restore rehearse soak lint smoke outputs preview review drift deploy rollout rollback comment summary release propose fuzz entrypoint bench pins

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

up: ## set up what is missing, bring up the stack local, end with GO or NO-GO and the address
	@offline/bootstrap.sh up
	@$(ENTER) cutover up -s local --refresh

down: ## stop what `make up` started in this clone; data stays
	@offline/bootstrap.sh down

clean: ## remove this clone's containers, volumes, network and state, data included
	@offline/bootstrap.sh clean

doctor: ## look at every prerequisite, change nothing
	@offline/bootstrap.sh doctor

smoke: ## run the smoke suite against STACK (default local)
	@$(ENTER) cutover smoke -s "$$STACK"

outputs: ## print the outputs of STACK as JSON, secrets masked
	@$(ENTER) cutover outputs -s "$$STACK"

preview: ## preview STACK; prod offline, without credentials, on a scratch copy
	@offline/bootstrap.sh tools
	@$(WITH_TOOLS) cutover preview -s "$$STACK"

review: ## say what a change does to STACK; without its state compared with AGAINST, such as origin/main
	@$(TOOLS)
	@mkdir -p .local/review
	@$(CUTOVER) review -s "$$STACK" $${AGAINST:+--against "$$AGAINST"} --comment ".local/review/$$STACK.md" --json ".local/review/$$STACK.json"

drift: ## say what of STACK runs otherwise than its state says, and what the policy has against it
	@$(TOOLS)
	@drift=0; $(CUTOVER) review -s "$$STACK" --drift || drift=$$?; \
	$(CUTOVER) policy -s "$$STACK" || exit $$((drift ? drift : $$?)); exit $$drift

deploy: ## bring STACK up as it was reviewed, REVIEWED being the review's digest: another one than that is refused
	@[ -n "$$REVIEWED" ] || { echo "REVIEWED is empty: name the digest that was approved, which the review's comment has" >&2; exit 1; }
	@$(TOOLS)
	@$(CUTOVER) review -s "$$STACK" --expect "$$REVIEWED"
	@$(CUTOVER) up -s "$$STACK"

rollout: ## take STACK's candidate on, VERB being canary, staged, production or finish
	@case "$$VERB" in canary | staged | production | finish) ;; *) echo "VERB is '$$VERB': canary, staged, production or finish" >&2; exit 1 ;; esac
	@$(TOOLS)
	@$(CUTOVER) "$$VERB" -s "$$STACK" $${BY:+--by "$$BY"}

rollback: ## give STACK's stable release all of the traffic, WHY being the reason
	@$(TOOLS)
	@$(CUTOVER) rollback -s "$$STACK" $${BY:+--by "$$BY"} $${WHY:+--why "$$WHY"}

comment: ## for GitHub: put the last review of STACK on the pull request PR, in place of the one before
	@.github/steps/comment.sh

summary: ## for GitHub: put the last review of STACK on the run's page
	@[ -f ".local/review/$$STACK.md" ] || { echo "there is no .local/review/$$STACK.md: run make review STACK=$$STACK first" >&2; exit 1; }
	@cat ".local/review/$$STACK.md" >>"$${GITHUB_STEP_SUMMARY:-/dev/stdout}"

release: ## for GitHub: push the images that `make up` built into STACK's repositories, scanned
	@.github/steps/push.sh

propose: ## for GitHub: open the change that sets APP, EDGE, BUILD_SHA and VERSION in STACK's file
	@.github/steps/propose.sh

check: ## before each commit: format, lint, types, imports and unit tests, in two minutes or so
	@offline/bootstrap.sh tools
	@tests/check

test: ## what CI runs, from nothing: set up, check, then the engine, browser and e2e tests
	@tests/run

lint: ## format, lint of all that has a linter, types and imports: check without the tests
	@tests/check format lint types imports

unit: ## the unit tests alone
	@tests/check unit

engine: ## the engine tests alone: real Pulumi engine, emulator, containers
	@$(ENTER) python -m pytest -m "alone and not soak" tests/engine && python -m pytest -n 3 -m "not soak and not alone" tests/engine

browser: ## the pages' tests alone, in a headless Chromium
	@$(ENTER) python -m pytest tests/browser

e2e: ## the end-to-end tests alone: the whole system on this machine
	@$(ENTER) python -m pytest -m "alone and not soak" tests/e2e && python -m pytest -n 3 -m "not soak and not alone" tests/e2e

drill-restore: ## a second audit database from a backup, compared with the first, and gone
	@$(ENTER) cutover drill restore -s local

rehearse: ## the whole cutover on stacks of its own, under load: mocks to real, taken back once, then through; with a report
	@offline/bootstrap.sh up
	@$(ENTER) python -m rehearsal

soak: ## what takes long and proves more than each change needs: an hour of faults (SOAK_SECONDS), the whole fault matrix, storms
	@$(ENTER) python -m pytest -m soak tests

fuzz: ## fuzz the API longer than the tests do; a running one with FUZZ_URL=http://…
	@$(ENTER) FUZZ_EXAMPLES=$${FUZZ_EXAMPLES:-1000} python -m pytest tests/engine/test_webnext_fuzz.py

entrypoint: ## build .local/bin/vault-exec, for images that cannot ask the vault themselves (docs/contract.md)
	@offline/bootstrap.sh entrypoint

pins: ## write the requirement files from the groups in pyproject.toml; OPTIONS=--upgrade takes the newest of what those need
	@$(ENTER) $(COMPILE) --python-version 3.11 --group program -o requirements.txt
	@$(ENTER) $(COMPILE) --python-version 3.13 --group watch -c requirements.txt -o cutover/requirements.txt
	@$(ENTER) $(COMPILE) --python-version 3.13 --group webnext -c requirements.txt -o webnext/requirements.txt
	@$(ENTER) $(COMPILE) --python-version 3.11 --group dev -c requirements.txt -c webnext/requirements.txt -o requirements-dev.txt
	@$(ENTER) $(COMPILE) --python-version 3.11 --group emulator -o offline/emulator/requirements.txt
	@$(ENTER) $(COMPILE) --python-version 3.11 --group toolchain -o offline/toolchain/requirements.txt

bench: ## speed as ratios within one run; ten million audit rows take 6 GB and minutes, audit pushes pgbench and wrk
	@$(ENTER) python bench/preview_100.py && python -m bench.policy && python -m bench.migrations && python -m bench.audit_10m && python -m bench.audit_push && python -m bench.edge && python -m bench.gates && python -m bench.slow_lists
