//! The vectors of the specification, for the suites of hosts that are not written in Rust's terms.

use std::{fs, path::Path};

use serde_json::Value;

/// The files of a suite.
///
/// # Panics
/// When there are none, or one cannot be read.
#[must_use]
pub fn files(suite: &str) -> Vec<Value> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../spec/vectors");
    let found: Vec<Value> = fs::read_dir(dir)
        .expect("spec/vectors")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "json")
        })
        .map(|path| fs::read(path).expect("a file"))
        .map(|bytes| serde_json::from_slice::<Value>(&bytes).expect("JSON"))
        .filter(|file| file["suite"] == suite)
        .collect();
    assert!(!found.is_empty(), "no vectors of {suite}");
    found
}

/// The cases of a kind in all of the files.
///
/// # Panics
/// When a file has none of that kind.
#[must_use]
pub fn cases<'a>(files: &'a [Value], kind: &str) -> Vec<&'a Value> {
    let cases: Vec<_> = files
        .iter()
        .flat_map(|file| file[kind].as_array().expect("a list of cases"))
        .collect();
    assert!(!cases.is_empty(), "no {kind} vectors");
    cases
}
