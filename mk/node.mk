# The JavaScript packages for Node: the types of the protocol, the addon, the server. What they are tested
# against is what `test-redis` and `test-pg` build, so that nothing is built twice.

TESTS += test-node
BENCHES += bench-node

NODE_TARGET := $(abspath $(or $(CARGO_TARGET_DIR),target))

# A command of one package.
in-package = npm --workspace $(1) run $(2)

.PHONY: setup-node
setup-node:
	@scripts/need-node
	npm ci --no-fund --no-audit --loglevel=error

.PHONY: build-node
build-node: setup-build setup-node ## the addon and its TypeScript
	$(call in-package,@2fapi/protocol-spec,build)
	cd bindings/napi && CARGO_TARGET_DIR=$(NODE_TARGET) npx napi build --platform --release --no-js --dts native.d.ts
	$(call in-package,@2fapi/crypto-napi,build:ts)
	$(call in-package,@2fapi/server,build)

.PHONY: test-node
test-node: build-node ## the addon and the server for Node, on real frameworks, Redis and PostgreSQL
	@git diff --exit-code -- bindings/napi/native.d.ts || { echo "native.d.ts is not what the addon has: commit it" >&2; exit 1; }
	$(CARGO) clippy --locked --release -p twofapi-napi --all-targets -- -D warnings
	cd spec && npm test
	cd bindings/napi && npm test
	bindings/server-js/scripts/test
	for package in spec bindings/napi bindings/server-js; do \
	  (cd $$package && npx publint --strict && npx attw --pack . --ignore-rules cjs-resolves-to-esm); \
	done

.PHONY: bench-node
bench-node: build-node ## the addon beside Rust and beside another implementation
	$(CARGO) build --locked --release -p twofapi-tests --bin verify-loop
	cd bindings/napi && TWOFAPI_VERIFY_LOOP=$(NODE_TARGET)/release/verify-loop npm run bench
