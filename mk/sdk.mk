# @2fapi/client-sdk: the WebAssembly module, the builds of the package, and the page of `make demo`.

TESTS += test-sdk
BENCHES += bench-sdk

SDK := bindings/client-sdk
SDK_SOURCES = $(shell find $(SDK)/src $(SDK)/scripts -type f) $(SDK)/package.json $(SDK)/tsconfig.json
WASM_SOURCES = $(shell find crypto-core/src bindings/wasm -type f) Cargo.toml Cargo.lock

# npm's own note of what it installed.
node_modules/.package-lock.json: package-lock.json
	@command -v npm >/dev/null || { echo "please install Node 20 or newer, with npm" >&2; exit 1; }
	npm ci
	@touch $@

$(SDK)/generated/twofapi_bg.wasm: $(WASM_SOURCES)
	bindings/wasm/build $(SDK)/generated
	@touch $@

$(SDK)/dist/2fapi.min.js: $(SDK)/generated/twofapi_bg.wasm $(SDK_SOURCES) node_modules/.package-lock.json
	npm run --silent build -w @2fapi/client-sdk

.PHONY: sdk
sdk: setup-build $(SDK)/dist/2fapi.min.js ## the client SDK: its WebAssembly module, the ES module, the one-file build

.PHONY: setup-browser
setup-browser:
	@scripts/need /usr/bin/chromium=chromium

.PHONY: test-sdk
test-sdk: sdk build-node setup-browser ## the client SDK in Node and in Chromium, on real servers; its screenshots
	$(CARGO) clippy --locked -p twofapi-wasm -p twofapi-wasm-bindgen --all-targets -- -D warnings
	npm run --silent types -w @2fapi/client-sdk
	$(CARGO) build --locked --bin 2fapi
	npm test -w @2fapi/client-sdk
	npm run test:browser -w @2fapi/client-sdk

.PHONY: bench-sdk
bench-sdk: sdk setup-browser ## a proof in Chromium by WebAssembly and by noble; the sizes of the builds
	$(CARGO) build --locked --bin 2fapi
	npm run --silent bench -w @2fapi/client-sdk

# `2fapi demo` goes on with a page where a person sits before it. What the page needs is built first, and
# the page is left out where that fails.
.PHONY: demo-page
demo-page: setup-build
	@if [ -t 1 ] && ! $(MAKE) -q $(SDK)/dist/2fapi.min.js; then \
		echo "building what the page in the browser needs, which takes some minutes the first time"; \
		$(MAKE) --no-print-directory sdk || \
		echo "the demonstration goes on without its page in the browser: that could not be built" >&2; fi

demo: demo-page
