//! `2fapi vectors check`: runs a vector file of the specification against this program.

use std::{
    fmt,
    fs::File,
    io::{self, Read},
    path::PathBuf,
};

use clap::{Args, Subcommand};
use serde::Serialize;
use twofapi_spec::Report;

use super::Output;
use twofapi_client::{Failure, FailureKind, printable, private_file::read_bounded};

/// The longest vector file in bytes.
const MAX_FILE: usize = 64 << 20;

#[derive(Args)]
pub(super) struct VectorsArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Run every case of a vector file
    Check(CheckArgs),
}

#[derive(Args)]
#[command(after_help = "\
Each case that does not come out as the file says has a line of its own; the last line is
`accepted N, rejected N, disagree N`. Exit code 0: none disagrees. 1: some do. 2: no such file, or
not a vector file.

Example:
  2fapi vectors check spec/vectors/sigma-v2.json")]
struct CheckArgs {
    /// The vector file, or - for standard input
    file: PathBuf,
}

#[derive(Serialize)]
struct Checked {
    accepted: usize,
    rejected: usize,
    disagree: usize,
    disagreements: Vec<Disagreement>,
}

#[derive(Serialize)]
struct Disagreement {
    name: String,
    what: String,
}

pub(super) fn run(args: &VectorsArgs, out: Output) -> Result<(), Failure> {
    let Action::Check(CheckArgs { file }) = &args.action;
    let name = file.display();
    let bad = |problem: String| Failure::bad_input(format!("{name}: {problem}"));
    let source: io::Result<Box<dyn Read>> = if file.as_os_str() == "-" {
        Ok(Box::new(io::stdin()))
    } else {
        File::open(file).map(|file| Box::new(file) as Box<dyn Read>)
    };
    let contents = source
        .and_then(|source| read_bounded(source, MAX_FILE))
        .map_err(|error| bad(error.to_string()))?
        .ok_or_else(|| bad(format!("longer than {MAX_FILE} bytes")))?;
    let text = std::str::from_utf8(&contents)
        .map_err(|error| bad(format!("not a vector file: not UTF-8 ({error})")))?;
    let report = twofapi_spec::check(text).map_err(|error| bad(printable(&error.to_string())))?;
    let checked = Checked::from(&report);
    if checked.accepted + checked.rejected + checked.disagree == 0 {
        return Err(bad("it has no cases, so nothing was checked".into()));
    }
    out.answer(&checked)?;
    if checked.disagree == 0 {
        return Ok(());
    }
    Err(Failure::new(
        FailureKind::Denied,
        "disagreement",
        format!(
            "{name}: {} cases do not come out as the file says",
            checked.disagree
        ),
    ))
}

impl From<&Report> for Checked {
    fn from(report: &Report) -> Self {
        let disagreements: Vec<_> = report
            .disagreements
            .iter()
            .map(|disagreement| Disagreement {
                name: disagreement.name.clone(),
                what: disagreement.what.clone(),
            })
            .collect();
        Self {
            accepted: report.accepted,
            rejected: report.rejected,
            disagree: disagreements.len(),
            disagreements,
        }
    }
}

impl fmt::Display for Checked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Disagreement { name, what } in &self.disagreements {
            writeln!(f, "{}: {}", printable(name), printable(what))?;
        }
        write!(
            f,
            "accepted {}, rejected {}, disagree {}",
            self.accepted, self.rejected, self.disagree
        )
    }
}
