# Fuzzing on stable Rust: libFuzzer with the coverage passes that the stable compiler has.

FUZZ_TARGETS := core_types verify vector_file http_body credential_file
FUZZ_SECONDS ?= 20
FUZZ_FLAGS := -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
	-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
	-Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1 --cfg fuzzing \
	$(if $(filter x86_64,$(shell uname -m)),--cfg curve25519_dalek_backend=\"avx512\")

# Naming the target keeps the flags from build scripts, which have no fuzzer to report to.
FUZZ_HOST = $(shell rustc -vV | sed -n 's/^host: //p')

.PHONY: fuzz
fuzz: setup-build ## every fuzz target for FUZZ_SECONDS (20) each; findings stay in fuzz/artifacts
	@scripts/need g++=g++
	cd fuzz && RUSTFLAGS="$(FUZZ_FLAGS)" $(CARGO) build --locked --release --target $(FUZZ_HOST) --target-dir ../target/fuzz
	@mkdir -p fuzz/artifacts
	@for target in $(FUZZ_TARGETS); do \
		mkdir -p fuzz/corpus/$$target; \
		seeds=; case $$target in vector_file) seeds=spec/vectors;; esac; \
		echo "fuzzing $$target"; \
		target/fuzz/$(FUZZ_HOST)/release/$$target -max_total_time=$(FUZZ_SECONDS) -max_len=20000 -print_final_stats=1 \
			-artifact_prefix=fuzz/artifacts/$$target- fuzz/corpus/$$target $$seeds 2>&1 \
			| grep -E "panicked|SUMMARY|number_of_executed_units|new_units_added|ERROR" || exit 1; \
	done
