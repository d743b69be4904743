//! `2fapi store copy`: a store is moved.

use std::{fmt, path::PathBuf};

use clap::Args;
use serde::Serialize;
use twofapi_client::Failure;
use twofapi_server::moving;

use super::{Output, progress, unavailable};
use crate::store::StoreArgs;

/// Options of `2fapi store copy`.
#[derive(Args, Debug)]
pub(super) struct CopyArgs {
    /// The store that is left: a file, a URL, or @FILE whose first line says which. It takes nothing any longer once the
    /// copy has begun
    #[arg(value_name = "FROM")]
    from: String,
    /// The one that is served in its place: an empty one, such as `2fapi store migrate` makes, or a file that is not there
    #[arg(value_name = "TO")]
    to: String,
    /// Have the first one served again, as long as the other is not whole
    #[arg(long)]
    abort: bool,
    /// With --abort: what was copied to cannot be reached, and no server will ever start on it
    #[arg(long, requires = "abort")]
    target_is_lost: bool,
    /// The operator's keys of the stores that servers share
    #[arg(long, value_name = "FILE", env = "TWOFAPI_KEY_FILE")]
    key_file: Option<PathBuf>,
    /// The operator's keys of the second one, if they are others
    #[arg(long, value_name = "FILE", env = "TWOFAPI_TO_KEY_FILE")]
    to_key_file: Option<PathBuf>,
}

#[derive(Serialize)]
struct Copied {
    to: String,
    clients: u64,
    invitations: u64,
    signing_keys: u64,
}

impl fmt::Display for Copied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "copied {} clients, {} invitations and {} signing keys; servers start on {} now",
            self.clients, self.invitations, self.signing_keys, self.to
        )
    }
}

#[derive(Serialize)]
struct Aborted {
    from: String,
}

impl fmt::Display for Aborted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "servers start on {} again", self.from)
    }
}

pub(super) async fn run(args: &CopyArgs, out: Output) -> Result<(), Failure> {
    let to_keys = args.to_key_file.as_ref().or(args.key_file.as_ref());
    let from = StoreArgs::called(&args.from, args.key_file.clone())?.find()?;
    let to = StoreArgs::called(&args.to, to_keys.cloned())?.make()?;
    let (from_name, to_name) = (from.name(), to.name());
    if args.abort {
        let target = match args.target_is_lost || !to.exists() {
            true => None,
            false => Some(to.contents().await?),
        };
        let from = from.contents().await?;
        let target = target.as_ref().map(|target| target.named());
        moving::abort(from.named(), target, &to_name)
            .await
            .map_err(unavailable)?;
        return out.answer(&Aborted { from: from_name });
    }
    // In this order: a file is not made for a store that cannot be read.
    let from = from.contents().await?;
    let to = to.contents().await?;
    let mut progress = progress(out);
    let copied = moving::copy(from.named(), to.named(), &mut progress);
    let copied = copied.await.map_err(unavailable)?;
    out.answer(&Copied {
        to: to_name,
        clients: copied.clients,
        invitations: copied.invitations,
        signing_keys: copied.signing_keys,
    })
}
