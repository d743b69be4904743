# crypto-core, the specification, the server and what needs no host of somebody else's.

TESTS += test-core test-server
BENCHES += bench-core

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

.PHONY: bench-core
bench-core: setup-build ## proving and verifying beside ed25519, P-256 and the plain way
	$(CARGO) bench --locked -p twofapi-tests --bench core

.PHONY: soak
soak: setup-build ## ten million challenges over HTTP for one client; takes some minutes
	TWOFAPI_FLOOD=10000000 $(CARGO) test --locked --release -p twofapi-tests --test server_challenge_flood -- --nocapture
