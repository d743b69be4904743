//! `2fapi man`: a manual page for each command.

use std::{fs, io, path::PathBuf};

use clap::{Args, CommandFactory};

use super::{Cli, Output};
use twofapi_client::Failure;

#[derive(Args)]
#[command(after_help = "\
Example:
  2fapi man /usr/local/share/man/man1 && man 2fapi-serve")]
pub(super) struct ManArgs {
    /// Where the pages go: 2fapi.1, 2fapi-serve.1 and so on; made if it is not there
    directory: PathBuf,
}

pub(super) fn run(args: &ManArgs, out: Output) -> Result<(), Failure> {
    let cannot = |error: io::Error| {
        Failure::unavailable(format!(
            "cannot write to {}: {error}",
            args.directory.display()
        ))
    };
    fs::create_dir_all(&args.directory).map_err(cannot)?;
    clap_mangen::generate_to(Cli::command(), &args.directory).map_err(cannot)?;
    out.note(format_args!(
        "manual pages are in {}",
        args.directory.display()
    ));
    Ok(())
}
