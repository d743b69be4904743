//! The contract every host obeys: vector files, their generator and their runner.
