# The commands of the project. `make demo` shows it; `make test` runs every test.
# Each room adds its own targets in mk/.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
CARGO ?= cargo

.PHONY: help
help: ## this list
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | sort | column -t -s "$$(printf '\t')"

include $(wildcard mk/*.mk)

.PHONY: setup-build
setup-build:
	@command -v $(CARGO) >/dev/null || { echo "please install Rust 1.95 or newer (rustup installs it)" >&2; exit 1; }
	@scripts/need cc=gcc ld=libc6-dev

.PHONY: demo
demo: setup-build ## zero-knowledge authentication before your eyes, on the embedded store
	$(CARGO) run -p twofapi-cli --no-default-features -- demo

# What a build of everything would keep for the next change is left out, and so is what links releases across crates:
# how it does is measured (`make bench`), not tested.
.PHONY: test
test: export CARGO_INCREMENTAL ?= 0
test: export CARGO_PROFILE_RELEASE_LTO ?= off
test: lint $(TESTS) ## every test (each test-* target also runs alone)
	@echo "all tests passed: $(TESTS)"

.PHONY: bench
bench: $(BENCHES) ## every benchmark; figures go to target/bench.json
