# The knowledge factor, which is experimental: no default member depends on its prover, and `make test`
# only checks its vectors. A cold build of the proof system takes minutes.

# Field arithmetic, two circuits and dozens of proofs: nothing of it is quick without the optimizer.
KNOWLEDGE := -p twofapi-knowledge -p twofapi-knowledge-core --all-features --locked

.PHONY: test-knowledge
test-knowledge: setup-build ## the knowledge factor: values, circuits, prover, gate
	$(CARGO) clippy $(KNOWLEDGE) --all-targets -- -D warnings
	$(CARGO) test $(KNOWLEDGE)
	$(CARGO) run --locked -q --bin 2fapi -- vectors check spec/vectors/knowledge-v1.json

.PHONY: bench-knowledge
bench-knowledge: setup-build ## the knowledge factor: a proof, and a verification beside ECDSA and ours
	$(CARGO) test --release -p twofapi-knowledge --all-features --locked --lib -- --ignored --nocapture figures_of_a_login
