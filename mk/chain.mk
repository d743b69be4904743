# The on-chain second factor: contracts, and what is computed beside them. `cargo build` and `make demo` build none of
# it but the small crate of the VRF, whose vectors `2fapi vectors check` runs.

BENCHES += bench-chain

CONTRACTS := contracts

# npm's own note of what it installed. No script of a package is run: forge, anvil and the compiler need none.
$(CONTRACTS)/node_modules/.package-lock.json: $(CONTRACTS)/package-lock.json
	@command -v npm >/dev/null || { echo "please install Node 20 or newer, with npm" >&2; exit 1; }
	cd $(CONTRACTS) && npm ci --ignore-scripts
	@touch $@

.PHONY: contracts
contracts: $(CONTRACTS)/node_modules/.package-lock.json ## the contracts of the on-chain factor: their ABI and bytecode, into contracts/abi
	cd $(CONTRACTS) && bin/forge build
	cd $(CONTRACTS) && node scripts/artifacts.mjs write

.PHONY: test-chain
test-chain: setup-build $(CONTRACTS)/node_modules/.package-lock.json ## the on-chain factor: contracts, vectors in Rust and Solidity
	$(CARGO) clippy --locked -p twofapi-chain -p twofapi-chain-vrf --all-targets -- -D warnings
	$(CARGO) test --locked -p twofapi-chain -p twofapi-chain-vrf
	cd $(CONTRACTS) && bin/forge build && bin/forge test
	cd $(CONTRACTS) && node scripts/artifacts.mjs check

# Ten minutes and more, on a machine that does nothing else.
.PHONY: soak-chain
soak-chain: $(CONTRACTS)/node_modules/.package-lock.json ## 100,000 random calls of everybody who uses the contract
	cd $(CONTRACTS) && FOUNDRY_INVARIANT_RUNS=200 FOUNDRY_INVARIANT_DEPTH=500 bin/forge test --mc InvariantsTest -vv

.PHONY: mutants-chain
mutants-chain: $(CONTRACTS)/node_modules/.package-lock.json ## takes out each check of the contracts in turn; a test has to notice
	cd $(CONTRACTS) && bin/forge build && node scripts/mutants.mjs

.PHONY: bench-chain
bench-chain: $(CONTRACTS)/node_modules/.package-lock.json ## gas of each step, from receipts on anvil
	cd $(CONTRACTS) && bin/forge build && node scripts/bench.mjs
