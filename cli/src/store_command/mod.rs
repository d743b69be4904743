//! `2fapi store`: what becomes of a store as a whole. It is made, moved, backed up and restored.

mod backup;
mod copy;
mod restored;

use std::{
    fmt,
    time::{Duration, Instant},
};

use clap::{Args, Subcommand};
use serde::Serialize;
use twofapi_client::Failure;
use twofapi_server::StoreError;

use super::{Output, runtime::block_on, store::StoreArgs};

/// Options of `2fapi store`.
#[derive(Args, Debug)]
pub(crate) struct StoreCommandArgs {
    #[command(subcommand)]
    action: StoreAction,
}

#[derive(Debug, Subcommand)]
enum StoreAction {
    /// Make a store that servers share, or bring one of an older version up to date
    Migrate {
        #[command(flatten)]
        store: StoreArgs,
    },
    /// Copy a store into an empty one, which is served in its place from then on
    Copy(copy::CopyArgs),
    /// Write the clients of a store to a file, also while it is served
    Backup(backup::BackupArgs),
    /// Put a backup into an empty store
    Restore(backup::RestoreArgs),
    /// Look at what was done since the backup that a store came back from, and have it served again
    Restored(restored::RestoredArgs),
}

#[derive(Serialize)]
struct Migrated {
    version_before: i32,
    version: i32,
}

impl fmt::Display for Migrated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.version_before {
            0 => write!(f, "a store was made, of version {}", self.version),
            before if before == self.version => {
                write!(f, "the store has version {before}, as it should")
            }
            before => write!(f, "the store had version {before} and has {}", self.version),
        }
    }
}

pub(crate) fn run(args: &StoreCommandArgs, out: Output) -> Result<(), Failure> {
    match &args.action {
        StoreAction::Migrate { store } => migrate(store, out),
        StoreAction::Copy(args) => block_on(copy::run(args, out))?,
        StoreAction::Backup(args) => block_on(backup::back_up(args, out))?,
        StoreAction::Restore(args) => block_on(backup::restore(args, out))?,
        StoreAction::Restored(args) => block_on(restored::run(args, out))?,
    }
}

fn migrate(store: &StoreArgs, out: Output) -> Result<(), Failure> {
    let (shared, keys) = store.shared()?;
    let (version_before, version) = block_on(shared.migrate(&keys))??;
    out.answer(&Migrated {
        version_before,
        version,
    })
}

fn unavailable(error: StoreError) -> Failure {
    Failure::unavailable(error.0)
}

/// Says once a second how far something is that takes long.
fn progress(out: Output) -> impl FnMut(u64) + Send {
    let mut said = Instant::now();
    move |clients| {
        if said.elapsed() >= Duration::from_secs(1) {
            said = Instant::now();
            out.note(format!("{clients} clients"));
        }
    }
}
