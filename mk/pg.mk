# pg_2fapi: the extension, on real servers of three major versions. Its targets run alone; they join
# `make test` and `make bench` when the extension is complete.

.PHONY: test-pg
test-pg: setup-build ## pg_2fapi: its rules, and its promises on PostgreSQL 16, 15 and 18
	extensions/pg-extension/scripts/all test

.PHONY: bench-pg
bench-pg: setup-build ## pg_2fapi: cost per row and per login, as ratios
	extensions/pg-extension/scripts/all bench
