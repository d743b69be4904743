//! Runs the unit tests of the pure modules: a test program of the module itself cannot allocate
//! without a server.
#![allow(dead_code)]

#[path = "../../arrows/mod.rs"]
mod arrows;
#[path = "../src/rules/mod.rs"]
mod rules;
