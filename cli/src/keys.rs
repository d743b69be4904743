//! `2fapi keys`: the operator's keys, from which the servers of a shared store compute their challenges, and under which
//! that store keeps the keys that sign tokens.

use std::{fmt, path::PathBuf};

use clap::{Args, Subcommand};
use serde::Serialize;
use twofapi_client::{Failure, private_file};
use twofapi_server::OperatorKeys;

use super::{Output, runtime::block_on, store::StoreArgs};

/// Options of `2fapi keys`.
#[derive(Args, Debug)]
pub(crate) struct KeysArgs {
    #[command(subcommand)]
    action: KeysAction,
}

#[derive(Debug, Subcommand)]
enum KeysAction {
    /// Make a key file with one key; every server of a shared store gets a copy
    New {
        /// A file that is not there yet; it is made with mode 0600
        file: PathBuf,
        /// The number of the key: one that no key of the store has had
        #[arg(long, default_value_t = 0)]
        number: u8,
    },
    /// Seal what the store keeps under the first key of the key file, so that the others can be taken out
    Rewrap {
        #[command(flatten)]
        store: StoreArgs,
    },
}

#[derive(Serialize)]
struct Made {
    file: String,
}

impl fmt::Display for Made {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)
    }
}

#[derive(Serialize)]
struct Rewrapped {
    signing_keys: usize,
}

impl fmt::Display for Rewrapped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "signing keys sealed anew: {}", self.signing_keys)
    }
}

pub(crate) fn run(args: &KeysArgs, out: Output) -> Result<(), Failure> {
    match &args.action {
        KeysAction::New { file, number } => {
            let keys = OperatorKeys::generate(*number)?;
            private_file::create(file, keys.to_text().as_bytes(), None)?;
            out.note(
                "Whoever has this file can foresee challenges and read the store's signing keys: \
                 copy it to the store's servers and to a safe place, and nowhere else.",
            );
            out.answer(&Made {
                file: file.display().to_string(),
            })
        }
        KeysAction::Rewrap { store } => {
            let (shared, keys) = store.shared()?;
            let signing_keys = block_on(shared.rewrap(keys))??;
            out.answer(&Rewrapped { signing_keys })
        }
    }
}
