//! `2fapi store migrate`: makes a store that servers share, or brings one up to date.

use std::fmt;

use clap::{Args, Subcommand};
use serde::Serialize;
use twofapi_client::Failure;

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
    let StoreAction::Migrate { store } = &args.action;
    let (shared, keys) = store.shared()?;
    let (version_before, version) = block_on(shared.migrate(&keys))??;
    out.answer(&Migrated {
        version_before,
        version,
    })
}
