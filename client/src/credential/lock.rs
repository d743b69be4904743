//! One rotation at a time: a lock on the credential file itself, so that it leaves nothing behind.

use std::{
    fs::{self, File, TryLockError},
    io,
    os::unix::fs::MetadataExt,
    path::Path,
};

use crate::Failure;

/// Held until dropped, or until the process ends, however it ends.
pub struct Lock {
    _file: Option<File>,
}

impl Lock {
    /// Waits for whoever rotates this credential now. The file under `path` may have been replaced
    /// meanwhile, so it is to be read after this.
    pub(super) fn wait(path: &Path, note: &dyn Fn(&str)) -> Result<Self, Failure> {
        loop {
            let file = match File::open(path) {
                Ok(file) => file,
                // Reading it will say what is wrong with it.
                Err(_) => return Ok(Self { _file: None }),
            };
            let locked = match file.try_lock() {
                Err(TryLockError::WouldBlock) => {
                    note("waiting for another rotation of this credential");
                    file.lock()
                }
                Err(TryLockError::Error(error)) => Err(error),
                Ok(()) => Ok(()),
            };
            match locked {
                Ok(()) if is_at(&file, path) => return Ok(Self { _file: Some(file) }),
                // It was replaced while we waited: its successor is the one to lock.
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::Unsupported => {
                    return Ok(Self { _file: None });
                }
                Err(error) => {
                    return Err(Failure::unavailable(format!(
                        "cannot lock {}: {error}",
                        path.display()
                    )));
                }
            }
        }
    }
}

fn is_at(file: &File, path: &Path) -> bool {
    match (file.metadata(), fs::metadata(path)) {
        (Ok(held), Ok(there)) => (held.dev(), held.ino()) == (there.dev(), there.ino()),
        _ => false,
    }
}
