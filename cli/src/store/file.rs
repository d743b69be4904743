//! The store of one server, in a file.

use std::{io, path::PathBuf};

use twofapi_client::Failure;
use twofapi_server::StorePlace;

/// How many challenges a store has to be able to hold as spent that an operator's command opens: none are spent.
pub(crate) const NOTHING_SPENT: u32 = 2;

fn path(named: Option<&PathBuf>) -> Result<PathBuf, Failure> {
    if let Some(path) = named {
        return Ok(path.clone());
    }
    let directories = directories::BaseDirs::new().ok_or_else(|| {
        Failure::bad_input("this user has no home directory; say where with --store FILE")
    })?;
    Ok(directories.data_dir().join("2fapi").join("2fapi.redb"))
}

/// The place of a store that may have to be made.
pub(super) fn make(named: Option<&PathBuf>) -> Result<StorePlace, Failure> {
    let path = path(named)?;
    StorePlace::make(&path).map_err(|error| failed(&path, &error))
}

/// The place of a store that is there; commands that only look do not make one.
pub(super) fn find(named: Option<&PathBuf>) -> Result<StorePlace, Failure> {
    let path = path(named)?;
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

fn failed(path: &std::path::Path, error: &io::Error) -> Failure {
    let message = format!("cannot use the store {}: {error}", path.display());
    match error.kind() {
        io::ErrorKind::InvalidInput => Failure::bad_input(message),
        _ => Failure::unavailable(message),
    }
}
