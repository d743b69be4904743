# crypto-core, the specification, the server and what needs no host of somebody else's.

TESTS += test-core test-server
BENCHES += bench-core

.PHONY: lint
lint: setup-build ## formatting and lints of the default members; warnings are errors
	$(CARGO) fmt --check
	$(CARGO) clippy --all-targets --all-features --locked -- -D warnings

.PHONY: test-core
test-core: setup-build ## crypto-core and the specification: rules, laws, vectors
	$(CARGO) test --locked -p twofapi-crypto-core -p twofapi-spec -p twofapi-chain -p twofapi-chain-vrf --all-features
	@# What the optimizer leaves on the stack is another thing than what a debug build leaves.
	$(CARGO) test --locked --release -p twofapi-crypto-core --test zeroize
	@scripts/need valgrind=valgrind
	$(CARGO) test --locked --release -p twofapi-tests --test constant_time
	@# A processor without AVX-512, and one without AVX2, must come to the same answers.
	backends=serial; [ "$$(uname -m)" != x86_64 ] || backends="simd serial"; for backend in $$backends; do \
		export RUSTFLAGS="--cfg curve25519_dalek_backend=\"$$backend\""; \
		$(CARGO) test --locked -p twofapi-crypto-core --lib --target-dir target/backend/$$backend; \
		$(CARGO) run --locked -p twofapi-spec --features chain --target-dir target/backend/$$backend -- check spec/vectors/*.json; \
	done
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --no-deps -p twofapi-crypto-core -p twofapi-spec -p twofapi-server -p twofapi-client -p twofapi-protect

.PHONY: test-server
test-server: setup-build ## the HTTP service and the command, against real processes
	@# Whoever mounts the router gets nothing of the command with it.
	@tree=$$($(CARGO) tree --locked -p twofapi-server -e normal --prefix none); \
		! grep -E '^(clap|rpassword|ureq|argon2|tracing-subscriber|twofapi-client|twofapi-cli) ' <<<"$$tree"
	$(CARGO) test --locked -p twofapi-server -p twofapi-client -p twofapi-protect -p twofapi-cli -p twofapi-tests

.PHONY: bench-core
bench-core: setup-build ## proving and verifying beside ed25519, P-256 and the plain way
	$(CARGO) bench --locked -p twofapi-tests --bench core

.PHONY: soak
soak: setup-build ## ten million challenges over HTTP for one client; takes some minutes
	TWOFAPI_FLOOD=10000000 $(CARGO) test --locked --release -p twofapi-tests --test server_challenge_flood -- --nocapture

.PHONY: ct
ct: setup-build ## times of committing and proving for fixed and for random secrets, by dudect's method
	$(CARGO) run --locked --release -p twofapi-tests --bin constant-time -- dudect
