//! The configuration: one file, with the environment and flags over it. A setting is defined once, as an
//! option of `2fapi serve`.
//!
//! An option never goes by another one's being there (`requires`, `conflicts_with`): what comes from the file
//! is a default to clap, and those look at none. What has to fit together is checked by `ServeArgs::checked`.

mod example;
mod file;
mod layer;
mod show;

use std::fmt;

use clap::{ArgMatches, Args, Command, CommandFactory, Subcommand};
use serde::Serialize;
use twofapi_client::Failure;

use super::{Cli, Output, serve::ServeArgs};

pub(crate) use layer::{Layer, with_its_variable};

#[derive(Args, Debug)]
#[command(after_help = "\
A setting is taken from the flag, else from its variable, else from systemd's credential 2fapi.NAME, else from \
the file, else it is the default.

Example:
  2fapi config example > /etc/2fapi/2fapi.toml
  2fapi config check --config /etc/2fapi/2fapi.toml
  2fapi serve --config /etc/2fapi/2fapi.toml")]
pub(crate) struct ConfigArgs {
    #[command(subcommand)]
    action: ConfigAction,
}

#[derive(Debug, Subcommand)]
enum ConfigAction {
    /// Look whether `2fapi serve` would start with these settings; it takes the options of `2fapi serve`
    Check(Box<ServeArgs>),
    /// Show every setting, its value and where that comes from; never a secret
    Show(Box<ServeArgs>),
    /// Print a file with every setting, what it is for, and its default
    Example,
}

/// What was said, and by whom.
pub(crate) struct Sources {
    pub(crate) layer: Layer,
    pub(crate) matches: ArgMatches,
}

#[derive(Serialize)]
struct Checked {
    good: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    settings_of_file: usize,
}

impl fmt::Display for Checked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.file {
            Some(file) => write!(f, "good: {file} says {} settings", self.settings_of_file),
            None => f.write_str("good: there is no file"),
        }
    }
}

pub(crate) fn run(args: ConfigArgs, sources: &Sources, out: Output) -> Result<(), Failure> {
    match args.action {
        ConfigAction::Check(args) => {
            args.checked()?;
            let file = sources.layer.file.as_ref();
            out.answer(&Checked {
                good: true,
                file: file.map(|path| path.display().to_string()),
                settings_of_file: sources.layer.of_file(),
            })
        }
        ConfigAction::Show(_) => out.answer(&show::shown(&program(), sources)),
        ConfigAction::Example => out.text(&example::example(&program())),
    }
}

fn program() -> Command {
    Cli::command()
}
