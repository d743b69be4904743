//! `threat-model.md` cannot rot: every test and vector case that its catalogue names exists.

mod named;

use std::{collections::BTreeSet, fs};

use named::{exists, in_backticks, root, rows, surfaces};

#[test]
fn every_attack_names_tests_that_exist() {
    let text = fs::read_to_string(root().join("spec/threat-model.md")).expect("the threat model");
    let surfaces = surfaces(&text);

    let mut attacks = BTreeSet::new();
    let mut missing = Vec::new();
    for row in rows(&text, "### Forging proofs", "\n## ") {
        let [attack, sentence, tests] = row[..] else {
            panic!("not an attack with its sentence and its tests: {row:?}")
        };
        assert!(attacks.insert(attack), "{attack} is there twice");
        assert!(
            sentence.ends_with('.'),
            "{attack} is not told in a sentence"
        );
        let tests = in_backticks(tests);
        assert!(!tests.is_empty(), "{attack} is tested nowhere");
        for test in tests {
            if !exists(&surfaces, test) {
                missing.push(format!("{attack}: {test}"));
            }
        }
    }
    assert!(missing.is_empty(), "there are no such tests: {missing:#?}");
    assert!(attacks.len() > 30, "{} attacks", attacks.len());
}
