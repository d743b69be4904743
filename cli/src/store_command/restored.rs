//! `2fapi store restored`: what was done since a backup is looked at, done again or left, and the store is served again.

use std::{fmt, fs::File, io::BufReader, path::PathBuf, time::UNIX_EPOCH};

use clap::Args;
use serde::Serialize;
use twofapi_client::Failure;
use twofapi_server::moving::{self, Audit, Found};

use super::{Output, progress, unavailable};
use crate::store::StoreArgs;

/// Options of `2fapi store restored`.
#[derive(Args, Debug)]
pub(super) struct RestoredArgs {
    /// When the backup of PostgreSQL or Redis was begun that the store came back from, such as 2026-11-28T08:30:00Z;
    /// earlier does no harm. A backup of 2fapi says it itself
    #[arg(long, value_name = "TIME", value_parser = time)]
    since: Option<u64>,
    /// What servers have logged since then, with --json-logs; may be given often
    #[arg(long, value_name = "FILE")]
    audit: Vec<PathBuf>,
    /// Do again what it says, or shut out whom it cannot be done for, and have the store served
    #[arg(long, requires = "audit")]
    apply: bool,
    /// Have the store served as it is: whoever was revoked, suspended, rotated or unlinked since is let in as before
    #[arg(long, conflicts_with = "apply")]
    waive: bool,
    /// With --apply: lines of the log are missing, and that is known
    #[arg(long, requires = "apply")]
    incomplete: bool,
    #[command(flatten)]
    store: StoreArgs,
}

#[derive(Serialize)]
struct Answer {
    since: u64,
    found: Vec<Line>,
    gaps: Vec<String>,
    served: bool,
}

#[derive(Serialize)]
struct Line {
    at: u64,
    client_id: String,
    what: String,
    then: String,
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.found {
            let at = UNIX_EPOCH + std::time::Duration::from_secs(line.at);
            let at = humantime::format_rfc3339_seconds(at);
            let Line {
                client_id,
                what,
                then,
                ..
            } = line;
            writeln!(f, "{at}  {client_id}  {what}: {then}")?;
        }
        for gap in &self.gaps {
            writeln!(f, "not known: {gap}")?;
        }
        match self.served {
            true => f.write_str("servers start on the store now"),
            false => f.write_str(
                "nothing of this is done yet, and the store is not served: give the same with --apply, or with --waive to \
                 leave it as it is",
            ),
        }
    }
}

pub(super) async fn run(args: &RestoredArgs, out: Output) -> Result<(), Failure> {
    let mut audit = Audit::default();
    for path in &args.audit {
        let wrong = |error: std::io::Error| {
            Failure::bad_input(format!("cannot read {}: {error}", path.display()))
        };
        let file = File::open(path).map_err(wrong)?;
        audit.read(BufReader::new(file)).map_err(wrong)?;
    }
    if audit.begins.is_none() && !args.audit.is_empty() {
        return Err(Failure::bad_input(
            "there is no line of a log in what --audit names; servers log as JSON with --json-logs",
        ));
    }
    let store = args.store.find()?.contents().await?;
    let store = store.named();
    let since = moving::revive(store, args.since, &mut progress(out)).await;
    let since = since.map_err(unavailable)?;
    if args.audit.is_empty() && !args.waive {
        return Err(Failure::bad_input(
            "say what was logged since the backup, with --audit FILE for each log; or that it is to be left as it is, with \
             --waive",
        ));
    }
    let gaps = match args.waive {
        true => Vec::new(),
        false => gaps(&audit, since),
    };
    let found = match args.apply {
        true if !gaps.is_empty() && !args.incomplete => {
            return Err(Failure::bad_input(format!(
                "not all is known that was done since the backup: {}. Add the logs that are missing, or say --incomplete",
                gaps.join("; ")
            )));
        }
        true => moving::apply(store, &audit).await,
        false => moving::look(store, &audit).await,
    };
    let found = found.map_err(unavailable)?.into_iter().map(line).collect();
    let served = args.apply || args.waive;
    if served {
        moving::serve_again(store).await.map_err(unavailable)?;
    }
    out.answer(&Answer {
        since,
        found,
        gaps,
        served,
    })
}

fn line(found: Found) -> Line {
    Line {
        at: found.at,
        client_id: found.client_id.as_str().into(),
        what: found.what,
        then: found.then,
    }
}

/// What the logs do not say that was perhaps done.
fn gaps(audit: &Audit, since: u64) -> Vec<String> {
    let mut gaps = Vec::new();
    if audit.begins.is_none_or(|begins| begins > since) {
        gaps.push("they begin later than the backup was made".into());
    }
    if audit.unread > 0 {
        gaps.push(format!("{} lines cannot be read", audit.unread));
    }
    if audit.dropped > 0 {
        gaps.push(format!(
            "{} lines were not written, as the log says",
            audit.dropped
        ));
    }
    gaps
}

fn time(text: &str) -> Result<u64, String> {
    let at = humantime::parse_rfc3339_weak(text)
        .map_err(|_| "a time is such as 2026-11-28T08:30:00Z".to_owned())?;
    let at = at.duration_since(UNIX_EPOCH);
    at.map(|at| at.as_secs()).map_err(|error| error.to_string())
}
