# The stores that servers share, each on real servers of its engine.

TESTS += test-stores

.PHONY: test-stores
test-stores: setup-build ## the service's stores in PostgreSQL 16, 15 and 18, Redis 7 and 8 and Valkey: the battery, replicas, losses
	tests/stores/run

.PHONY: soak-stores
soak-stores: setup-build ## networks cut and mended under load, in namespaces: PostgreSQL with a standby, Sentinel, a cluster (needs root)
	tests/stores/cuts
