//! Every setting with its value and where that comes from.

use std::{collections::BTreeMap, fmt};

use clap::Command;
use serde::Serialize;

use super::{
    Sources,
    layer::{Source, innermost, is_list, is_secret, is_switch, key, settings},
};
use crate::store::without_password;

#[derive(Serialize)]
pub(super) struct Shown {
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    settings: BTreeMap<String, Setting>,
}

#[derive(Serialize)]
struct Setting {
    value: Option<Value>,
    #[serde(flatten)]
    source: Source,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Value {
    One(String),
    List(Vec<String>),
}

pub(super) fn shown(program: &Command, sources: &Sources) -> Shown {
    let matches = innermost(&sources.matches);
    let setting = |arg| {
        let raw = matches.get_raw(key(arg)).into_iter().flatten();
        let mut values = raw.map(|value| {
            let value = value.to_string_lossy();
            match is_secret(arg) {
                true => without_password(&value),
                false => value.into_owned(),
            }
        });
        let value = match is_list(arg) {
            // However it was said.
            _ if is_switch(arg) => Some(Value::One(matches.get_flag(key(arg)).to_string())),
            true => Some(values.collect::<Vec<_>>())
                .filter(|values| !values.is_empty())
                .map(Value::List),
            false => values.next().map(Value::One),
        };
        let source = sources.layer.source(arg, matches);
        (key(arg).to_owned(), Setting { value, source })
    };
    let file = sources.layer.file.as_ref();
    Shown {
        file: file.map(|path| path.display().to_string()),
        settings: settings(program).map(setting).collect(),
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = |setting: &Setting| match &setting.value {
            None => "-".to_owned(),
            Some(Value::One(value)) => value.clone(),
            Some(Value::List(values)) => values.join(", "),
        };
        let width = |texts: &mut dyn Iterator<Item = usize>| texts.max().unwrap_or(0);
        let names = width(&mut self.settings.keys().map(String::len));
        let values = width(&mut self.settings.values().map(|s| value(s).chars().count()));
        if let Some(file) = &self.file {
            writeln!(f, "file: {file}\n")?;
        }
        write!(f, "{:names$}  {:values$}  FROM", "SETTING", "VALUE")?;
        for (name, setting) in &self.settings {
            let (value, source) = (value(setting), &setting.source);
            write!(f, "\n{name:names$}  {value:values$}  {source}")?;
        }
        Ok(())
    }
}
