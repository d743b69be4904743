# redis-2fapi: the module, on a real Redis.

TESTS += test-redis
BENCHES += bench-redis

.PHONY: test-redis
test-redis: setup-build ## redis-2fapi: its rules, and its promises on a real Redis
	extensions/redis-module/scripts/run test
	$(CARGO) clippy --locked -p redis_2fapi -p twofapi-tests-redis --all-targets -- -D warnings
	$(CARGO) test --locked -p redis_2fapi --test rules

.PHONY: bench-redis
bench-redis: setup-build ## redis-2fapi: cost of its commands, as ratios to Redis's own
	extensions/redis-module/scripts/run bench
