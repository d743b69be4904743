//! The files of the extension need one another in one direction only: none needs one that needs it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

/// Which files each file of `src` names by `crate::`, in a list of imports or elsewhere.
fn arrows() -> BTreeMap<String, BTreeSet<String>> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let files = fs::read_dir(src)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    files
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .map(|path| {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            let text = fs::read_to_string(&path).unwrap();
            let code: Vec<_> = text
                .lines()
                .filter(|line| !line.trim_start().starts_with("//"))
                .collect();
            (name, named(&code.join("\n")))
        })
        .collect()
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
    assert!(arrows["attempt"].contains("shmem") && arrows["shmem"].contains("rules"));
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
