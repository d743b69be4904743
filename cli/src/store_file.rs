//! Which store's file a command works on.

use std::{io, path::PathBuf};

use clap::Args;

use twofapi_client::Failure;
use twofapi_server::StorePlace;

/// Which store a command works on.
#[derive(Args, Clone, Debug)]
pub(crate) struct StoreArgs {
    /// The store's file [default: 2fapi/2fapi.redb in your data directory]
    #[arg(long = "store", value_name = "FILE", env = "TWOFAPI_STORE")]
    path: Option<PathBuf>,
}

impl StoreArgs {
    fn path(&self) -> Result<PathBuf, Failure> {
        if let Some(path) = &self.path {
            return Ok(path.clone());
        }
        let directories = directories::BaseDirs::new().ok_or_else(|| {
            Failure::bad_input("this user has no home directory; say where with --store FILE")
        })?;
        Ok(directories.data_dir().join("2fapi").join("2fapi.redb"))
    }

    /// The place of a store that may have to be made.
    pub(super) fn make(&self) -> Result<StorePlace, Failure> {
        let path = self.path()?;
        StorePlace::make(&path).map_err(|error| failed(&path, &error))
    }

    /// The place of a store that is there; commands that only look do not make one.
    pub(super) fn find(&self) -> Result<StorePlace, Failure> {
        let path = self.path()?;
        match StorePlace::find(&path) {
            Ok(place) if place.exists() => Ok(place),
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(&path, &error)),
            _ => Err(Failure::unavailable(format!(
                "there is no store at {}; start a server with 2fapi serve, or say where with \
                 --store FILE",
                path.display()
            ))),
        }
    }
}

fn failed(path: &std::path::Path, error: &io::Error) -> Failure {
    let message = format!("cannot use the store {}: {error}", path.display());
    match error.kind() {
        io::ErrorKind::InvalidInput => Failure::bad_input(message),
        _ => Failure::unavailable(message),
    }
}
