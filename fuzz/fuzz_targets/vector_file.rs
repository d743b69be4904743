//! `2fapi vectors check` on whatever a file holds.
#![no_main]

libfuzzer_sys::fuzz_target!(|json: &str| {
    let _ = twofapi_spec::check(json);
});
