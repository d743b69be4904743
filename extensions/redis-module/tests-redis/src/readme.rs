//! What the README prints, for tests to do.

use std::{fs, path::Path};

/// A block of the README, by the words after its three backticks.
///
/// # Panics
/// When there is none.
#[must_use]
pub fn readme_block(block: &str) -> String {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let readme = fs::read_to_string(readme).expect("README.md");
    readme
        .split(&format!("```{block}\n"))
        .nth(1)
        .and_then(|rest| rest.split("```").next())
        .expect("the block")
        .to_owned()
}

/// The rules of a client's ACL user as the README has them, for a client of this id.
///
/// # Panics
/// When the README has none.
#[must_use]
pub fn printed_client_rule(id: &str) -> Vec<String> {
    let block = readme_block("sh hardened");
    let rule = block
        .split("ACL SETUSER client-alice ")
        .nth(1)
        .and_then(|rest| rest.split("\noperator ").next())
        .expect("the rule");
    rule.split_ascii_whitespace()
        .filter(|word| *word != "\\")
        .map(|word| word.trim_matches('\'').replace("alice", id))
        .collect()
}
