//! Every MUST of `protocol.md` is shown by a case of the vectors or a test, which `requirements.md` names.

mod named;

use std::fs;

use named::{exists, in_backticks, root, rows, surfaces};

fn read(name: &str) -> String {
    fs::read_to_string(root().join("spec").join(name)).expect("a document")
}

/// The text with single blanks between its words, whatever its lines.
fn in_one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Where the key words are that leave nobody a choice, the sentence that introduces them left out.
fn key_words(protocol: &str) -> Vec<usize> {
    let introduced = "The key words MUST, MUST NOT, SHOULD and MAY";
    let skip = protocol.find(introduced).expect("key words") + introduced.len();
    let mut found: Vec<usize> = ["MUST", "SHALL", "REQUIRED"]
        .iter()
        .flat_map(|word| protocol.match_indices(word))
        .map(|(at, _)| at)
        .filter(|at| *at > skip)
        .collect();
    found.sort_unstable();
    found
}

#[derive(Debug, Default)]
struct Faults {
    /// Quotes that are not in the document exactly once.
    quotes: Vec<String>,
    /// Tests that there are not.
    tests: Vec<String>,
    /// What the document asks for and no row quotes.
    unshown: Vec<String>,
}

fn faults(protocol: &str, requirements: &str) -> Faults {
    let protocol = in_one_line(protocol);
    let threat_model = read("threat-model.md");
    let surfaces = surfaces(&threat_model);
    let mut faults = Faults::default();
    let mut quoted = Vec::new();
    let requirements = format!("{requirements}\n## ");
    for row in rows(&requirements, "## The table", "\n## ") {
        let [quote, tests] = row[..] else {
            panic!("not a requirement with its tests: {row:?}")
        };
        let quote = in_one_line(quote);
        match protocol.match_indices(&quote).collect::<Vec<_>>()[..] {
            [(at, _)] => quoted.push(at..at + quote.len()),
            _ => faults.quotes.push(quote.clone()),
        }
        let tests = in_backticks(tests);
        if tests.is_empty() {
            faults.tests.push(format!("none for {quote}"));
        }
        let missing = tests.iter().filter(|test| !exists(&surfaces, test));
        faults.tests.extend(missing.map(|test| (*test).to_owned()));
    }
    for at in key_words(&protocol) {
        if !quoted.iter().any(|quote| quote.contains(&at)) {
            let after: String = protocol[at..].chars().take(80).collect();
            faults.unshown.push(after);
        }
    }
    faults
}

#[test]
fn every_must_of_the_protocol_names_what_shows_it() {
    let faults = faults(&read("protocol.md"), &read("requirements.md"));
    assert!(
        faults.quotes.is_empty() && faults.tests.is_empty() && faults.unshown.is_empty(),
        "{faults:#?}"
    );
    assert!(key_words(&in_one_line(&read("protocol.md"))).len() > 25);
}

#[test]
fn a_must_that_is_added_and_a_test_that_is_gone_are_found() {
    let (protocol, requirements) = (read("protocol.md"), read("requirements.md"));
    let more = protocol.replacen("## 2. ", "A client MUST dance.\n\n## 2. ", 1);
    let unshown = faults(&more, &requirements).unshown;
    assert!(
        unshown.len() == 1 && unshown[0].starts_with("MUST dance."),
        "{unshown:?}"
    );
    let less = requirements.replacen("`core/", "`core/no_", 1);
    assert_eq!(faults(&protocol, &less).tests.len(), 1);
    let other = requirements.replacen("MUST NOT take", "SHOULD NOT take", 1);
    let faults = faults(&protocol, &other);
    assert_eq!((faults.quotes.len(), faults.unshown.len()), (1, 1));
}
