//! The options that are set in the environment: a variable that is empty is not set.

use std::env;

use clap::Command;

/// The command line without the variables that are empty, on all levels.
pub(super) fn without_empty_variables(command: Command) -> Command {
    command
        .mut_args(|arg| match arg.get_env() {
            Some(name) if env::var_os(name).is_some_and(|value| value.is_empty()) => arg.env(None),
            _ => arg,
        })
        .mut_subcommands(without_empty_variables)
}
