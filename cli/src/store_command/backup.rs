//! `2fapi store backup` and `restore`: the clients of a store in a file of their own, and a store from that.

use std::{fmt, fs, path::PathBuf};

use clap::Args;
use serde::Serialize;
use twofapi_client::Failure;
use twofapi_crypto_core::ClientId;
use twofapi_server::{ClientsAtRest, Clock, EmbeddedContents, StorePlace, SystemClock, moving};

use super::{Output, progress, unavailable};
use crate::store::StoreArgs;

/// Options of `2fapi store backup`.
#[derive(Args, Debug)]
pub(super) struct BackupArgs {
    /// A file that is not there yet; it is made with mode 0600
    file: PathBuf,
    #[command(flatten)]
    store: StoreArgs,
}

/// Options of `2fapi store restore`.
#[derive(Args, Debug)]
pub(super) struct RestoreArgs {
    /// What `2fapi store backup` has made
    file: PathBuf,
    #[command(flatten)]
    store: StoreArgs,
}

#[derive(Serialize)]
struct BackedUp {
    file: String,
    clients: u64,
}

impl fmt::Display for BackedUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} clients are in {}", self.clients, self.file)
    }
}

#[derive(Serialize)]
struct Restored {
    store: String,
    clients: u64,
    since: u64,
}

impl fmt::Display for Restored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} clients are in {}, which is not served yet: 2fapi store restored --audit LOG says what was done since the \
             backup",
            self.clients, self.store
        )
    }
}

pub(super) async fn back_up(args: &BackupArgs, out: Output) -> Result<(), Failure> {
    let store = args.store.find()?;
    let place = place(&args.file)?;
    if place.exists() {
        return Err(Failure::bad_input(format!(
            "{} is there already, and is not written over; name another file",
            args.file.display()
        )));
    }
    // Whatever is done from here on may be missing in it.
    let made_at = SystemClock::new().wall();
    let clients = store.clients().await?;
    let into = EmbeddedContents::open(&place)?;
    let next = async |after: Option<&ClientId>| clients.after(after).await;
    let backed_up = moving::back_up(next, &into, made_at, &mut progress(out)).await;
    drop(into);
    match backed_up {
        Ok(clients) => out.answer(&BackedUp {
            file: args.file.display().to_string(),
            clients,
        }),
        Err(error) => {
            // What is left of it is refused as well.
            let _ = fs::remove_file(place.path());
            Err(unavailable(error))
        }
    }
}

pub(super) async fn restore(args: &RestoreArgs, out: Output) -> Result<(), Failure> {
    let place = place(&args.file)?;
    if !place.exists() {
        return Err(Failure::bad_input(format!(
            "there is no file {}",
            args.file.display()
        )));
    }
    let (backup, since) = ClientsAtRest::open_backup(&place)?;
    let store = args.store.make()?;
    let into = store.contents().await?;
    let name = place.path().display().to_string();
    let mut progress = progress(out);
    let restored = moving::restore(&backup, since, &name, into.named(), &mut progress);
    let clients = restored.await.map_err(unavailable)?;
    out.answer(&Restored {
        store: store.name(),
        clients,
        since,
    })
}

fn place(file: &std::path::Path) -> Result<StorePlace, Failure> {
    StorePlace::find(file).map_err(|error| {
        Failure::unavailable(format!("cannot use the file {}: {error}", file.display()))
    })
}
