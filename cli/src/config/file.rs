//! The configuration file: TOML, whose keys are the settings, each with the line that it is on.

use std::{
    fs::File as Opened,
    io::Read,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use toml::de::{DeTable, DeValue};
use twofapi_client::Failure;
use zeroize::Zeroizing;

/// More than any configuration has.
const MAX: u64 = 1 << 20;

pub(super) struct File {
    pub(super) path: PathBuf,
    /// Whether users of this machine can read it who are neither its owner's nor its group's.
    pub(super) is_open: bool,
    pub(super) entries: Vec<Entry>,
}

/// A key of the file, and what it is set to.
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) line: usize,
    pub(super) value: Value,
}

/// A value by how it is written. Numbers are text: what reads a flag reads them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    Text(String),
    Switch(bool),
    List(Vec<String>),
}

impl File {
    pub(super) fn read(path: &Path) -> Result<Self, Failure> {
        let wrong = |reason: String| {
            Failure::bad_input(format!(
                "cannot use the configuration file {}: {reason}",
                path.display()
            ))
        };
        let file = Opened::open(path).map_err(|error| wrong(error.to_string()))?;
        let about = file.metadata().map_err(|error| wrong(error.to_string()))?;
        if about.is_dir() {
            return Err(wrong("it is a directory".into()));
        }
        // Whoever writes it says whom this server trusts.
        if about.is_file() && about.mode() & 0o002 != 0 {
            return Err(wrong(
                "everybody can write to it; chmod o-w makes it its owner's".into(),
            ));
        }
        let mut text = Zeroizing::new(String::new());
        file.take(MAX + 1)
            .read_to_string(&mut text)
            .map_err(|error| wrong(error.to_string()))?;
        if text.len() as u64 > MAX {
            return Err(wrong("it is longer than a configuration can be".into()));
        }
        Ok(Self {
            path: path.into(),
            is_open: about.mode() & 0o004 != 0,
            entries: parse(&text).map_err(|(line, reason)| {
                Failure::bad_input(format!("{}:{line}: {reason}", path.display()))
            })?,
        })
    }
}

/// What a text in TOML says; or on which line it is wrong, and how, with nothing of it quoted but keys.
fn parse(text: &str) -> Result<Vec<Entry>, (usize, String)> {
    let line = |at: usize| {
        text.as_bytes()[..at]
            .iter()
            .filter(|b| **b == b'\n')
            .count()
            + 1
    };
    let table = DeTable::parse(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        (line(at.min(text.len())), error.message().to_owned())
    })?;
    let mut entries = Vec::new();
    for (key, value) in table.get_ref() {
        let (name, line) = (key.get_ref(), line(key.span().start));
        let value = read(value.get_ref()).ok_or_else(|| {
            (
                line,
                match value.get_ref() {
                    DeValue::Table(_) => {
                        format!("[{name}] is not known here: every key is at the top, in no table")
                    }
                    _ => format!(
                        "{name} is a text, a whole number, true or false, or a list of texts"
                    ),
                },
            )
        })?;
        entries.push(Entry {
            key: name.to_string(),
            line,
            value,
        });
    }
    Ok(entries)
}

fn read(value: &DeValue<'_>) -> Option<Value> {
    match value {
        DeValue::Array(list) => list
            .iter()
            .map(|element| one(element.get_ref()))
            .collect::<Option<_>>()
            .map(Value::List),
        DeValue::Boolean(is_on) => Some(Value::Switch(*is_on)),
        _ => one(value).map(Value::Text),
    }
}

fn one(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .ok()
            .map(|number| number.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_their_values_and_their_lines() {
        let entries = parse(
            "# a comment\nlisten = \"127.0.0.1:1\"\nrate_limit = 1_000\njson_logs = true\n\n\
             allow_origin = [\n  \"https://a\",\n  'https://b',\n]\nhops = 0x10\n",
        )
        .unwrap();
        let mut found: Vec<_> = entries
            .into_iter()
            .map(|entry| (entry.line, entry.key, entry.value))
            .collect();
        found.sort_by_key(|(line, ..)| *line);
        let text = |text: &str| Value::Text(text.into());
        assert_eq!(
            found,
            [
                (2, "listen".into(), text("127.0.0.1:1")),
                (3, "rate_limit".into(), text("1000")),
                (4, "json_logs".into(), Value::Switch(true)),
                (
                    6,
                    "allow_origin".into(),
                    Value::List(vec!["https://a".into(), "https://b".into()])
                ),
                (10, "hops".into(), text("16")),
            ]
        );
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line_and_without_its_value() {
        for (text, line) in [
            ("a = 1\nlisten \"s3cret\"\n", 2),
            ("a = 1\na = 2\n", 2),
            ("x = 1\n[store]\nurl = \"s3cret\"\n", 2),
            ("a.b = 1\n", 1),
            ("a = 1.5\n", 1),
            ("a = 99999999999999999999\n", 1),
            ("a = 2026-11-28\n", 1),
            ("a = [[1]]\n", 1),
            ("a = [true]\n", 1),
        ] {
            let (at, said) = parse(text).err().unwrap();
            assert_eq!(at, line, "{text}: {said}");
            assert!(!said.contains("s3cret"), "{said}");
        }
    }

    proptest::proptest! {
        #[test]
        fn arbitrary_text_never_panics(text in "(\\PC|\n){0,80}") {
            let _ = parse(&text);
        }
    }
}
