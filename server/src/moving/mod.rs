//! What becomes of a store as a whole: it is copied to another one, backed up, and restored.
//!
//! At each moment one store at most can be served. The one that is left is marked before anything is copied, and the one
//! that is filled has a mark until it is whole; so whatever dies in between, no acknowledged change is lost, and nothing
//! that was refused, used up or taken away comes back.

mod audit;
mod backup;
mod copy;
mod restore;
mod since;
#[cfg(test)]
mod tests;

pub use audit::{Audit, Event, What};
pub use backup::{back_up, restore};
pub use copy::{Copied, abort, copy};
pub use restore::{revive, serve_again};
pub use since::{Found, apply, look};

use crate::store::{Contents, StoreError};

/// How many clients are read or written at once.
const PAGE: usize = 1000;

/// A store, and what it is called in marks and messages.
#[derive(Clone, Copy)]
pub struct Named<'a> {
    /// What of it lasts.
    pub contents: &'a dyn Contents,
    /// What it is called: nothing secret.
    pub name: &'a str,
}

impl Named<'_> {
    fn says(&self, reason: impl std::fmt::Display) -> StoreError {
        StoreError(format!("{}: {reason}", self.name))
    }

    /// Whether there is nothing in it.
    async fn is_empty(&self) -> Result<bool, StoreError> {
        let clients = self.contents.clients_after(None, 1).await?;
        if !clients.is_empty() || !self.contents.signing_keys().await?.is_empty() {
            return Ok(false);
        }
        let mut from = Some(Vec::new());
        while let Some(cursor) = from {
            let (invitations, next) = self.contents.invitations(cursor).await?;
            if !invitations.is_empty() {
                return Ok(false);
            }
            from = next;
        }
        Ok(true)
    }

    async fn see_that_it_is_empty(&self) -> Result<(), StoreError> {
        match self.is_empty().await? {
            true => Ok(()),
            false => Err(self.says(
                "it is not empty, and nothing is put among what it keeps: name a store that was just made, or a file that \
                 is not there",
            )),
        }
    }
}
