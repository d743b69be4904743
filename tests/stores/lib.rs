//! Tests only: what the stores of the service promise, on real servers (see `tests/`).
