# What every host does alike: the battery against each host, and the table of it.

.PHONY: conformance
conformance: build-node ## every behaviour against every host, as a table
	rm -rf $(or $(CARGO_TARGET_DIR),target)/conformance
	$(CARGO) test --locked -p twofapi-tests --test conformance
	bindings/server-js/scripts/test conformance
	extensions/pg-extension/scripts/all conformance
	extensions/redis-module/scripts/run test conformance
	$(CARGO) run --locked -q -p twofapi-conformance
