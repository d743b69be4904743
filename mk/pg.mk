# pg_2fapi: the extension, on real servers of three major versions.

TESTS += test-pg
BENCHES += bench-pg

.PHONY: test-pg
test-pg: setup-build ## pg_2fapi: its rules, and its promises on PostgreSQL 16, 15 and 18
	extensions/pg-extension/scripts/all test

.PHONY: bench-pg
bench-pg: setup-build ## pg_2fapi: cost per row and per login, as ratios
	extensions/pg-extension/scripts/all bench
