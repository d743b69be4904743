//! What is said below the environment: in the configuration file, and by systemd's credentials. It comes
//! to a setting as its default, so that the environment and flags go over it.

use std::{
    collections::BTreeMap,
    fmt, fs, iter,
    path::{Path, PathBuf},
};

use clap::{
    Arg, ArgAction, ArgMatches, Command,
    error::{ContextKind, ContextValue, ErrorKind},
    parser::ValueSource,
};
use serde::Serialize;
use twofapi_client::{Failure, environment, private_file};

use super::file::{Entry, File, Value};
use crate::store::has_password;

/// The argument that names the file. A command that has it takes settings.
const CONFIG: &str = "config";
/// What the names of our credentials begin with.
const CREDENTIAL: &str = "2fapi.";
const CREDENTIAL_MAX: usize = 16 * 1024;

/// What is said below the environment.
#[derive(Default)]
pub(crate) struct Layer {
    pub(super) file: Option<PathBuf>,
    said: BTreeMap<String, Said>,
}

struct Said {
    values: Vec<String>,
    by: Source,
}

/// Where the value of a setting comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "source")]
pub(crate) enum Source {
    Flag,
    Environment { variable: String },
    Credential { name: String },
    File { line: usize },
    Default,
    Unset,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag => f.write_str("flag"),
            Self::Environment { variable } => f.write_str(variable),
            Self::Credential { name } => write!(f, "credential {name}"),
            Self::File { line } => write!(f, "file, line {line}"),
            Self::Default => f.write_str("default"),
            Self::Unset => f.write_str("-"),
        }
    }
}

/// What can be set: the options of `2fapi serve` that have a variable, but for what is only for trying it
/// out. The key of each is its name in the file.
pub(super) fn settings(program: &Command) -> impl Iterator<Item = &Arg> {
    program
        .find_subcommand("serve")
        .into_iter()
        .flat_map(Command::get_arguments)
        .filter(|arg| arg.get_env().is_some() && !matches!(key(arg), CONFIG | "demo_sdk"))
}

pub(super) fn key(arg: &Arg) -> &str {
    arg.get_id().as_str()
}

pub(super) fn is_switch(arg: &Arg) -> bool {
    matches!(arg.get_action(), ArgAction::SetTrue)
}

pub(super) fn is_list(arg: &Arg) -> bool {
    matches!(arg.get_action(), ArgAction::Append)
}

/// Whether its value is one that nobody is to see.
pub(super) fn is_secret(arg: &Arg) -> bool {
    arg.is_hide_env_values_set()
}

pub(super) fn names_a_file(arg: &Arg) -> bool {
    arg.get_value_names()
        .is_some_and(|names| names.iter().any(|name| name.as_str() == "FILE"))
}

/// The matches of the command that was meant, in the tree of commands.
pub(super) fn innermost(matches: &ArgMatches) -> &ArgMatches {
    iter::successors(Some(matches), |matches| Some(matches.subcommand()?.1))
        .last()
        .unwrap_or(matches)
}

impl Layer {
    /// What there is for the command that was meant: nothing, unless it takes settings.
    ///
    /// # Errors
    /// Bad input for a file that cannot be used, a key that is not known, and a value that is wrong.
    pub(crate) fn read(program: &Command, matches: &ArgMatches) -> Result<Self, Failure> {
        let Ok(named) = innermost(matches).try_get_one::<PathBuf>(CONFIG) else {
            return Ok(Self::default());
        };
        let known: BTreeMap<_, _> = settings(program).map(|arg| (key(arg), arg)).collect();
        let mut layer = Self::default();
        if let Some(path) = named {
            let file = File::read(path)?;
            for entry in &file.entries {
                let values = from_file(program, &known, &file, entry).map_err(|reason| {
                    let at = format!("{}:{}", file.path.display(), entry.line);
                    Failure::bad_input(format!("{at}: {reason}"))
                })?;
                let by = Source::File { line: entry.line };
                layer.said.insert(entry.key.clone(), Said { values, by });
            }
            layer.file = Some(file.path);
        }
        if let Some(directory) = environment::value("CREDENTIALS_DIRECTORY") {
            for (setting, said) in credentials(program, &known, Path::new(&directory))? {
                layer.said.insert(setting, said);
            }
        }
        Ok(layer)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.said.is_empty()
    }

    /// The command line with what is said as its defaults, wherever settings are taken.
    pub(crate) fn under(&self, command: Command) -> Command {
        let takes_settings = command.get_arguments().any(|arg| key(arg) == CONFIG);
        let command = command.mut_subcommands(|command| self.under(command));
        if !takes_settings {
            return command;
        }
        command.mut_args(|arg| match self.said.get(key(&arg)) {
            Some(said) if arg.get_env().is_some() => arg.default_values(said.values.clone()),
            _ => arg,
        })
    }

    /// Where a setting has its value from.
    pub(super) fn source(&self, arg: &Arg, matches: &ArgMatches) -> Source {
        let said = self.said.get(key(arg)).map(|said| said.by.clone());
        match matches.value_source(key(arg)) {
            Some(ValueSource::CommandLine) => Source::Flag,
            Some(ValueSource::EnvVariable) => Source::Environment {
                variable: arg
                    .get_env()
                    .map(|name| name.to_string_lossy().into_owned())
                    .unwrap_or_default(),
            },
            Some(_) => said.unwrap_or(Source::Default),
            None => Source::Unset,
        }
    }

    /// How many settings the file has.
    pub(super) fn of_file(&self) -> usize {
        let of_file = |said: &&Said| matches!(said.by, Source::File { .. });
        self.said.values().filter(of_file).count()
    }
}

fn from_file(
    program: &Command,
    known: &BTreeMap<&str, &Arg>,
    file: &File,
    entry: &Entry,
) -> Result<Vec<String>, String> {
    let key = &entry.key;
    let Some(arg) = known.get(key.as_str()) else {
        let meant = key.replace('-', "_").to_lowercase();
        return Err(match known.contains_key(meant.as_str()) {
            true => format!("{key} is not known; is {meant} meant?"),
            false => format!("{key} is not known; `2fapi config example` shows every key"),
        });
    };
    let values = match &entry.value {
        Value::Switch(is_on) if is_switch(arg) => vec![is_on.to_string()],
        Value::List(values) if is_list(arg) => values.clone(),
        Value::Text(text) if !is_switch(arg) => vec![text.clone()],
        _ if is_switch(arg) => return Err(format!("{key} is true or false")),
        _ => return Err(format!("{key} is one value")),
    };
    if is_secret(arg) && file.is_open && values.iter().any(|value| has_password(value)) {
        return Err(format!(
            "{key} has a password in it, and every user of this machine can read this file: chmod o= \
             makes it private; or put the value in a file of its own, and that file's name into \
             {key}_file"
        ));
    }
    check(program, arg, &values)?;
    Ok(values)
}

/// Each credential that is ours by its name: the file itself where a setting names one, else its first
/// line.
fn credentials(
    program: &Command,
    known: &BTreeMap<&str, &Arg>,
    directory: &Path,
) -> Result<Vec<(String, Said)>, Failure> {
    let wrong = |reason: String| {
        Failure::bad_input(format!(
            "cannot use the credentials in {}: {reason}",
            directory.display()
        ))
    };
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).map_err(|error| wrong(error.to_string()))? {
        let entry = entry.map_err(|error| wrong(error.to_string()))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let Some(setting) = name.strip_prefix(CREDENTIAL) else {
            continue;
        };
        let Some(arg) = known.get(setting) else {
            return Err(wrong(format!("{name} is for no setting that is known")));
        };
        let value = if names_a_file(arg) {
            entry.path().into_os_string().into_string().ok()
        } else {
            let contents = private_file::read(&entry.path(), CREDENTIAL_MAX)?;
            let line = contents.split(|byte| *byte == b'\n').next();
            line.and_then(|line| String::from_utf8(line.into()).ok())
        };
        let values = vec![value.ok_or_else(|| wrong(format!("{name} is not text")))?];
        check(program, arg, &values).map_err(wrong)?;
        let by = Source::Credential { name: name.clone() };
        found.push((setting.to_owned(), Said { values, by }));
    }
    Ok(found)
}

/// Has what reads the flag read the values.
fn check(program: &Command, arg: &Arg, values: &[String]) -> Result<(), String> {
    if values.iter().any(|value| value.trim().is_empty()) {
        return Err(format!("{} is empty: leave it out", key(arg)));
    }
    if is_switch(arg) {
        return Ok(());
    }
    let (Some(serve), Some(long)) = (program.find_subcommand("serve"), arg.get_long()) else {
        return Ok(());
    };
    let flags = values.iter().map(|value| format!("--{long}={value}"));
    let line = iter::once("serve".to_owned()).chain(flags);
    let read = serve
        .clone()
        .mut_args(|arg| arg.env(None))
        .try_get_matches_from(line);
    match read {
        Err(error) if !is_of_others(error.kind()) => Err(reason(error, arg)),
        _ => Ok(()),
    }
}

/// What is wrong only because of what else there is, or is not.
const fn is_of_others(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::MissingRequiredArgument | ErrorKind::ArgumentConflict
    )
}

fn reason(mut error: clap::Error, arg: &Arg) -> String {
    error.insert(
        ContextKind::InvalidArg,
        ContextValue::String(key(arg).into()),
    );
    if is_secret(arg) {
        let unsaid = ContextValue::String("a value, not repeated here".into());
        error.insert(ContextKind::InvalidValue, unsaid);
    }
    let text = error.render().to_string();
    let first = text.split("\n\n").next().unwrap_or_default();
    first.trim().trim_start_matches("error: ").to_owned()
}

/// Says which variable a value came from that was refused: the flag that clap names was not given.
pub(crate) fn with_its_variable(mut error: clap::Error, program: &Command) -> clap::Error {
    let Some(ContextValue::String(shown)) = error.get(ContextKind::InvalidArg) else {
        return error;
    };
    // How an argument is shown is settled when the tree is built.
    let mut program = program.clone();
    program.build();
    if let Some(variable) = variable(&program, shown) {
        let shown = ContextValue::String(format!("{shown} [{variable}]"));
        error.insert(ContextKind::InvalidArg, shown);
    }
    error
}

/// The variable of the argument that is shown so, if it is set and the argument was not given.
fn variable(command: &Command, shown: &str) -> Option<String> {
    let of_this = command.get_arguments().find_map(|arg| {
        let name = arg.get_env().filter(|_| arg.to_string() == shown)?;
        let given = format!("--{}", arg.get_long()?);
        let is_given = std::env::args().any(|text| text.split('=').next() == Some(&given));
        let is_set = environment::value(name).is_some();
        (is_set && !is_given).then(|| name.to_string_lossy().into_owned())
    });
    of_this.or_else(|| {
        command
            .get_subcommands()
            .find_map(|command| variable(command, shown))
    })
}
