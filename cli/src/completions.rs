//! `2fapi completions`: what a shell needs to complete this command line.

use std::io::{self, Write};

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::Cli;
use twofapi_client::Failure;

#[derive(Args)]
#[command(after_help = "\
Example:
  2fapi completions bash > ~/.local/share/bash-completion/completions/2fapi")]
pub(super) struct CompletionsArgs {
    /// The shell
    shell: Shell,
}

pub(super) fn run(args: &CompletionsArgs) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "2fapi", &mut script);
    match io::stdout().lock().write_all(&script) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::unavailable(
            format!("cannot write to standard output: {error}"),
        )),
        _ => Ok(()),
    }
}
