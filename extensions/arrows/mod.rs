//! The files of an extension need one another in one direction only: none needs one that needs it.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

/// Which files each file of `src` names by `crate::`, in a list of imports or elsewhere. The files of a folder
/// are looked at as one.
fn arrows() -> BTreeMap<String, BTreeSet<String>> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let entries = fs::read_dir(src).unwrap();
    entries
        .map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            let mut needs = named(&code(&path));
            needs.remove(&name);
            (name, needs)
        })
        .collect()
}

/// What a file says, or all files of a folder, without comments.
fn code(path: &Path) -> String {
    if path.is_dir() {
        let entries = fs::read_dir(path).unwrap();
        return entries.map(|entry| code(&entry.unwrap().path())).collect();
    }
    let text = fs::read_to_string(path).unwrap();
    let lines = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    lines.map(|line| format!("{line}\n")).collect()
}

fn named(code: &str) -> BTreeSet<String> {
    let after_crate = code.split("crate::").skip(1);
    after_crate
        .flat_map(|rest| match rest.strip_prefix('{') {
            Some(list) => heads(list),
            None => vec![head(rest)],
        })
        .collect()
}

/// The first name of each entry of a list that is closed by a brace.
fn heads(list: &str) -> Vec<String> {
    let (mut depth, mut begins, mut found) = (0, true, Vec::new());
    for (at, character) in list.char_indices() {
        match character {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => begins = true,
            _ if begins && !character.is_whitespace() => {
                found.push(head(&list[at..]));
                begins = false;
            }
            _ => {}
        }
    }
    found
}

fn head(path: &str) -> String {
    let in_a_name = |character: &char| character.is_alphanumeric() || *character == '_';
    path.chars().take_while(in_a_name).collect()
}

#[test]
fn no_file_needs_one_that_needs_it() {
    let mut arrows = arrows();
    assert!(!arrows["attempt"].is_empty() && arrows["session"].contains("rules"));
    // What needs nothing that is left is taken away, until nothing is left but circles.
    loop {
        let left: BTreeSet<_> = arrows.keys().cloned().collect();
        arrows.retain(|_, needs| needs.iter().any(|need| left.contains(need)));
        if arrows.len() == left.len() {
            break;
        }
    }
    assert!(arrows.is_empty(), "in a circle, or above one: {arrows:#?}");
}
