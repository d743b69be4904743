//! `protocol.md` cannot drift: its worked examples run, and the vector cases that it names exist.

use std::{collections::BTreeMap, fs, path::PathBuf};

use serde_json::{Value, json};
use twofapi_spec::check;

fn read(path: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The blocks of the worked example as name → value; a line that begins with blanks goes on.
fn examples() -> Vec<BTreeMap<String, String>> {
    let text = read("protocol.md");
    let (_, example) = text
        .split_once("## 15. A worked example")
        .expect("a section 15");
    example
        .split("```text\n")
        .skip(1)
        .map(|block| {
            let (block, _) = block.split_once("```").expect("the block ends");
            let mut values: BTreeMap<String, String> = BTreeMap::new();
            let mut last = String::new();
            for line in block.lines() {
                let (name, value) = line.split_at(17);
                if !name.trim().is_empty() {
                    last = name.trim().to_owned();
                }
                values
                    .entry(last.clone())
                    .or_default()
                    .push_str(value.trim());
            }
            values
        })
        .collect()
}

#[test]
fn the_worked_proof_is_right_in_every_value() {
    let [proof, _] = &examples()[..] else {
        panic!("two blocks")
    };
    let parts = ["announcement", "response_s", "response_r"].map(|part| proof[part].as_str());
    assert_eq!(proof["proof"], parts.concat());
    let mut case = json!(proof);
    case["name"] = "worked example".into();
    let file = json!({ "suite": "2FApi-v1.0-Sigma", "accepted": [case], "rejected": [] });
    for optional in [
        "secret",
        "blinding",
        "k_s",
        "k_r",
        "transcript",
        "challenge",
    ] {
        assert!(proof.contains_key(optional), "{optional} is not shown");
    }
    let report = check(&file.to_string()).expect("a vector file");
    assert_eq!(report.disagreements, []);
    assert_eq!(report.accepted, 1);
}

#[test]
fn the_worked_challenge_is_right() {
    let [_, challenge] = &examples()[..] else {
        panic!("two blocks")
    };
    let number = |name: &str| challenge[name].parse::<u64>().expect("a number");
    let mut case = json!(challenge);
    case["name"] = "worked example".into();
    case["now"] = number("now").into();
    let file = json!({
        "suite": "2FApi-v1.0-Challenge", "ttl": number("ttl"), "live": [case], "refused": [],
    });
    let report = check(&file.to_string()).expect("a vector file");
    assert_eq!(report.to_string(), "accepted 1, rejected 0, disagree 0");
}

#[test]
fn every_case_that_the_table_of_refusals_names_exists() {
    let vectors: Value =
        serde_json::from_str(&read("vectors/sigma-generated-v1.json")).expect("JSON");
    let refused = vectors["rejected"].as_array().expect("cases");
    let text = read("protocol.md");
    let (_, section) = text.split_once("## 7. Verifying").expect("a section 7");
    let (section, _) = section.split_once("## 8.").expect("a section 8");
    let rows = section.lines().filter(|line| line.starts_with("| "));
    let mut named = 0;
    for row in rows.skip(1) {
        let examples = row.split('|').nth(3).expect("three columns");
        for name in examples.split('`').skip(1).step_by(2) {
            assert!(
                refused.iter().any(|case| case["name"] == name),
                "there is no case {name}"
            );
            named += 1;
        }
    }
    assert!(named > 30, "the table names {named} cases");
}
