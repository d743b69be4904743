# crypto-core, the specification, the server and what needs no host of somebody else's.

TESTS += test-core test-server

.PHONY: lint
lint: setup-build ## formatting and lints of the default members; warnings are errors
	$(CARGO) fmt --check
	$(CARGO) clippy --all-targets --all-features --locked -- -D warnings

.PHONY: test-core
test-core: setup-build ## crypto-core and the specification: rules, laws, vectors
	$(CARGO) test --locked -p twofapi-crypto-core -p twofapi-spec --all-features
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --no-deps -p twofapi-crypto-core -p twofapi-spec -p twofapi-server

.PHONY: test-server
test-server: setup-build ## the HTTP service and the command, against real processes
	$(CARGO) test --locked -p twofapi-server -p twofapi-tests
