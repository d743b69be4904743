//! Variables of the environment, read in one way everywhere: one that is empty is not set, as compose
//! files and units write what they leave out.

use std::{
    env,
    ffi::{OsStr, OsString},
};

use clap::Command;

use super::Failure;

/// The value of a variable that is set and not empty.
pub(super) fn value(name: impl AsRef<OsStr>) -> Option<OsString> {
    env::var_os(name).filter(|value| !value.is_empty())
}

/// The same as text.
pub(super) fn text(name: &str) -> Result<Option<String>, Failure> {
    value(name)
        .map(OsString::into_string)
        .transpose()
        .map_err(|_| Failure::bad_input(format!("{name} is not a text in UTF-8")))
}

/// The command line without the variables that are empty, on all levels.
pub(super) fn without_empty_variables(command: Command) -> Command {
    command
        .mut_args(|arg| match arg.get_env() {
            Some(name) if env::var_os(name).is_some_and(|value| value.is_empty()) => arg.env(None),
            _ => arg,
        })
        .mut_subcommands(without_empty_variables)
}
