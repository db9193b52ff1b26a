# The front door for developers. `make help` lists the targets.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
NPM := npm --no-fund --no-audit --loglevel=error
BIN := node_modules/.bin
TANDEM := node --enable-source-maps dist/src/cli/main.js
# What the last install was made from; a changed lock file installs again.
INSTALLED := node_modules/.package-lock.json

##@ Use
.PHONY: demo
demo: build ## Watch both user documents and the terse form work, from apply to clean-up, in the lab (no cluster, no GPU)
	@$(TANDEM) demo all

.PHONY: lab
lab: build ## Keep the lab up: prints a kubeconfig for any kubectl and the router's address
	@$(TANDEM) lab

##@ Develop
.PHONY: test
test: check ## All checks, then the whole suite; ends with `N passed, N failed`
	@node dist/test/run.js

.PHONY: check
check: build lint gen-check ## Compiler, formatter, lint, import rules, generated files current

.PHONY: build
build: $(INSTALLED) ## Compile to dist/ (also the type check)
	@echo "compiling ..."
	@$(BIN)/tsc -p tsconfig.json
	@chmod +x dist/src/cli/main.js && ln -sf ../../dist/src/cli/main.js $(BIN)/tandem

.PHONY: lint
lint: $(INSTALLED) ## Biome, ESLint (three type-aware rules, size limits), dependency-cruiser
	@echo "checking style ..."
	@$(BIN)/biome ci .
	@$(BIN)/eslint .
	@$(BIN)/depcruise --config .dependency-cruiser.cjs --output-type err src webhooks extender router bench test

.PHONY: format
format: $(INSTALLED) ## Let Biome rewrite what it can
	@$(BIN)/biome check --write .

.PHONY: gen
gen: build ## Write the generated files (CRDs, docs) from their sources
	@node dist/src/gen/crds.js && node dist/src/gen/keys.js && node dist/src/gen/docs.js

.PHONY: gen-check
gen-check: build ## Fail when a generated file is not current
	@node dist/src/gen/crds.js --check && node dist/src/gen/keys.js --check && node dist/src/gen/docs.js --check

.PHONY: gen-kubernetes
gen-kubernetes: build ## Refresh what is taken from Kubernetes' own OpenAPI (needs Go)
	@node dist/src/gen/podspec.js && node dist/src/gen/lab-openapi.js && node dist/src/gen/lab-protobuf.js

##@ Prove
.PHONY: e2e-lab
e2e-lab: build ## The end-to-end scenarios on the lab only
	@TANDEM_E2E=lab node dist/test/run.js e2e

.PHONY: e2e-real
e2e-real: build control-plane ## The end-to-end scenarios on a real kube-apiserver, scheduler and etcd
	@TANDEM_E2E=real node dist/test/run.js e2e

.PHONY: control-plane
control-plane: ## Build etcd, kube-apiserver, scheduler, controller-manager and kubectl once (Go, about 10 CPU minutes, cached)
	@test/control-plane/build.sh

.PHONY: fuzz
fuzz: build ## Fuzz parsers, splicing and streams of the router (hours: a million cases each, another seed each time); RUNS=, SEED=
	@export TANDEM_FUZZ_RUNS=$(or $(RUNS),1000000) TANDEM_FUZZ_SEED=$(or $(SEED),$$((RANDOM * 32768 + RANDOM))) TAP_TIMEOUT=86400; \
	for part in request-fuzz response-fuzz body client-faults; do echo "$$part, seed $$TANDEM_FUZZ_SEED"; node --enable-source-maps dist/test/router/$$part.test.js; done

.PHONY: mutate
mutate: build ## Mutation score of the rules and the expansion (about half an hour); a part: FILES=dist/src/core/checks/route-rules.js
	@$(BIN)/stryker run $(if $(FILES),--mutate $(FILES))

.PHONY: bench bench-router
bench: bench-router
bench-router: build ## Measure the router beside one plain nginx hop, as a ratio
	@node dist/bench/router.js

.PHONY: bench-admission
bench-admission: build ## Measure admission reviews beside a minimal Go webhook, as a ratio (about 15 minutes)
	@node dist/bench/admission.js

##@ Tidy
.PHONY: clean
clean: ## Remove what the build made (not node_modules, not the control plane's cache)
	@rm -rf dist .tap coverage

.PHONY: help
help: ## This list
	@awk 'BEGIN {FS = ":.*##"} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-zA-Z0-9_-]+:.*##/ {printf "  %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(INSTALLED): package.json package-lock.json
	@node -e 'const [a, b] = process.versions.node.split(".").map(Number); if (a < 20 || (a === 20 && b < 19)) { console.error(`Tandem needs Node 20.19 or newer; this is $${process.version}`); process.exit(1) }'
	@echo "installing dependencies (npm ci) ..."
	@$(NPM) ci
	@$(BIN)/tap build # takes the plugins of .taprc into account
	@touch $@
