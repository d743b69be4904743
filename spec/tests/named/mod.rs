//! What tests and cases of vectors there are, for documents that name them.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The rows of all tables between two headings, as cells; heads and rules of tables are left out.
pub(crate) fn rows<'t>(text: &'t str, from: &str, to: &str) -> Vec<Vec<&'t str>> {
    let (_, section) = text.split_once(from).expect("the heading");
    let (section, _) = section.split_once(to).expect("the next heading");
    let mut rows = Vec::new();
    let mut lines = section.lines().peekable();
    while let Some(line) = lines.next() {
        let is_head = lines.peek().is_some_and(|next| next.starts_with("|--"));
        if line.starts_with("| ") && !is_head {
            rows.push(line.trim_matches('|').split(" | ").map(str::trim).collect());
        }
    }
    rows
}

pub(crate) fn in_backticks(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

/// The names of tests below a directory: functions of Rust that follow a `#[test]` of some kind, the
/// sentences that a battery lists for its macro, those that JavaScript hands to `test` and `it`, with `_` for
/// blanks, and what comes after `test_` in the functions that forge runs (`invariant_…` as a whole).
fn tests_below(directory: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(directory).expect("a directory that is there") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if path.is_dir() {
            if !["target", "node_modules"].contains(&&*name) && !name.starts_with('.') {
                tests_below(&path, found);
            }
            continue;
        }
        let Some(extension) = path.extension().and_then(|extension| extension.to_str()) else {
            continue;
        };
        if !["rs", "ts", "mts", "js", "mjs"].contains(&extension) && !name.ends_with(".t.sol") {
            continue;
        }
        let text = fs::read_to_string(&path).expect("a source file");
        if extension == "sol" {
            for rest in text.split("function ").skip(1) {
                let function = rest.split('(').next().unwrap_or_default();
                if let Some(sentence) = function.strip_prefix("test_") {
                    found.insert(sentence.to_owned());
                } else if function.starts_with("invariant_") {
                    found.insert(function.to_owned());
                }
            }
        } else if extension == "rs" {
            let mut is_test = false;
            let mut is_battery = false;
            for line in text.lines().map(str::trim) {
                if is_battery {
                    is_battery = line != ");";
                    found.insert(line.to_owned());
                } else if line.contains("_conformance!(") && line.ends_with("$open =>") {
                    is_battery = true;
                } else if let Some(attribute) = line.strip_prefix("#[") {
                    let end = attribute.find(['(', ']']).unwrap_or(attribute.len());
                    is_test |= attribute[..end].ends_with("test");
                } else if let Some((_, function)) = line.split_once("fn ")
                    && is_test
                {
                    let end = function.find(['(', '<']).unwrap_or(function.len());
                    found.insert(function[..end].to_owned());
                    is_test = false;
                }
            }
        } else {
            for call in ["test(", "it("] {
                for rest in text.split(call).skip(1) {
                    let mut quote = rest.chars();
                    if let Some(quote @ ('"' | '\'' | '`')) = quote.next()
                        && let Some(sentence) = rest[1..].split(quote).next()
                    {
                        found.insert(sentence.replace(' ', "_"));
                    }
                }
            }
        }
    }
}

fn vector_cases() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for file in fs::read_dir(root().join("spec/vectors")).expect("the vectors") {
        let path = file.expect("an entry").path();
        if path
            .extension()
            .is_some_and(|extension| extension == "json")
        {
            let text = fs::read_to_string(path).expect("a vector file");
            let file: Value = serde_json::from_str(&text).expect("JSON");
            let lists = file.as_object().expect("an object").values();
            for case in lists.filter_map(Value::as_array).flatten() {
                names.extend(case["name"].as_str().map(str::to_owned));
            }
        }
    }
    names
}

/// The tests of each surface, as the catalogue of the threat model lists the surfaces, and the vectors.
pub(crate) fn surfaces(threat_model: &str) -> BTreeMap<&str, BTreeSet<String>> {
    let mut surfaces = BTreeMap::from([("vectors", vector_cases())]);
    for row in rows(threat_model, "## The catalogue of attacks", "### ") {
        let [surface, directories] = row[..] else {
            panic!("not a surface with its directories: {row:?}")
        };
        let mut found = BTreeSet::new();
        for directory in in_backticks(directories) {
            tests_below(&root().join(directory), &mut found);
        }
        surfaces.insert(surface, found);
    }
    surfaces
}

/// Whether there is a test or a case of this name, written as surface and name.
pub(crate) fn exists(surfaces: &BTreeMap<&str, BTreeSet<String>>, test: &str) -> bool {
    test.split_once('/').is_some_and(|(surface, name)| {
        surfaces
            .get(surface)
            .is_some_and(|known| known.contains(name))
    })
}
