# The JavaScript packages for Node: the types of the protocol, the addon, the server.

TESTS += test-node
BENCHES += bench-node

NODE_TARGET := $(abspath $(or $(CARGO_TARGET_DIR),target))

.PHONY: build-node
build-node: setup-build node_modules/.package-lock.json ## the addon for Node, and the TypeScript of its packages
	npm run --silent build -w @2fapi/protocol-spec
	cd bindings/napi && CARGO_TARGET_DIR=$(NODE_TARGET) npx napi build --platform --release --no-js --dts native.d.ts
	npm run --silent build:ts -w @2fapi/crypto-napi
	npm run --silent build -w @2fapi/server

.PHONY: test-node
test-node: build-node ## the addon and the server for Node, on real frameworks, Redis and PostgreSQL
	@git diff --exit-code -- bindings/napi/native.d.ts || \
		{ echo "native.d.ts is not what the addon has: commit it as it is now" >&2; exit 1; }
	$(CARGO) clippy --locked --release -p twofapi-napi --lib -- -D warnings
	$(CARGO) test --locked --release -p twofapi-napi --lib
	npm run --silent test -w @2fapi/protocol-spec
	npm run --silent test -w @2fapi/crypto-napi
	bindings/server-js/scripts/test
	npm run --silent check:package -w @2fapi/protocol-spec -w @2fapi/crypto-napi -w @2fapi/server

.PHONY: bench-node
bench-node: build-node ## the addon beside Rust and beside another implementation
	$(CARGO) build --locked --release -p twofapi-tests --bin verify-loop
	TWOFAPI_VERIFY_LOOP=$(NODE_TARGET)/release/verify-loop npm run --silent bench -w @2fapi/crypto-napi
