# Replicas, clients and a store that fails, in one process and from one seed.

TESTS += test-simulation

.PHONY: test-simulation
test-simulation: setup-build ## the service over a store that fails, simulated: seeds that pass, and faults that are found
	$(CARGO) test --locked -p twofapi-tests-simulation

.PHONY: soak-simulation
soak-simulation: setup-build ## other seeds for SOAK_SECONDS=600, from SOAK_FROM=1000000; says how many an hour
	SOAK_SECONDS=$${SOAK_SECONDS:-600} $(CARGO) test --locked --release -p twofapi-tests-simulation --test seeds -- --ignored --nocapture soak
