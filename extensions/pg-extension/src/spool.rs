//! Keeps the events that no writer took before the server stopped, in a file of the data directory,
//! and brings them back when it starts again. The postmaster does it, when every other process has
//! gone and none has come yet; a crash leaves nothing.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use crate::rules::spool::Spool;

/// Relative to the data directory, where the server's processes are.
const FILE: &str = "pg_stat/pg_2fapi.events";
const UNFINISHED: &str = "pg_stat/pg_2fapi.events.tmp";

/// Whether an earlier run left something.
pub(crate) fn is_there() -> bool {
    Path::new(FILE).exists()
}

/// Writes what is left, or says in the server log that it is lost.
pub(crate) fn save(spool: &Spool) {
    if spool.events.is_empty() && spool.dropped == 0 {
        return;
    }
    if let Err(error) = write(&spool.to_bytes()) {
        pgrx::log!(
            "2fapi: {} events on their way to twofapi.audit_log are lost: {FILE}: {error}",
            spool.events.len()
        );
    }
}

fn write(bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(UNFINISHED)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(UNFINISHED, FILE)?;
    File::open("pg_stat")?.sync_all()
}

/// Reads what was left, and removes it: it is not to be found again after a crash, nor in a backup.
pub(crate) fn load() -> Option<Spool> {
    let read = match fs::read(FILE) {
        Ok(bytes) => Spool::from_bytes(&bytes).ok_or_else(|| "it is damaged".to_owned()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
        Err(error) => Err(error.to_string()),
    };
    let removed = fs::remove_file(FILE);
    match (read, removed) {
        (Ok(spool), Ok(())) => Some(spool),
        (Err(problem), _) => {
            pgrx::log!("2fapi: events of before the last stop are lost: {FILE}: {problem}");
            None
        }
        // Better none than the same ones at every start.
        (Ok(spool), Err(error)) => {
            pgrx::log!(
                "2fapi: {} events of before the last stop are not written: {FILE}: {error}",
                spool.events.len()
            );
            None
        }
    }
}
