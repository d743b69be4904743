# The service under load, on each of its stores.

BENCHES += bench-server

.PHONY: bench-server
bench-server: setup-build ## logins of the service in CPU time, on each store, with a thousand and a million clients, and beside other ways; BENCH_SERVER=options
	tests/load/run bench-server $(BENCH_SERVER)
	tests/rivals/run

.PHONY: soak-server
soak-server: setup-build ## mixed load with faults on each store, SOAK_SECONDS=600 each: memory and open files flat, no other failure
	tests/load/run soak-server --seconds $${SOAK_SECONDS:-600} $(SOAK_SERVER)
