//! The sessions of a server that shares its store with no other: in memory, and in the file from an orderly end to the
//! next start.
//!
//! Whoever opens the file takes them out of it, so that none is there that was ended since. A crash loses them, as it
//! loses challenges.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
};

use redb::{ReadableTable, TableDefinition, TableError, WriteTransaction};
use twofapi_crypto_core::ClientId;

use crate::store::{
    api::{StoreError, failed},
    session::{Session, SessionId},
};

/// Client id and session id → the session.
pub(super) const SESSIONS: TableDefinition<'_, (&str, [u8; SessionId::LEN]), &[u8]> =
    TableDefinition::new("sessions");

/// So many that are over are forgotten for one that comes, and none below so many: a clock that is ahead for a moment
/// must not log everybody out.
const FORGOTTEN_AT_ONCE: usize = 4;
const KEPT: usize = 1000;

/// All of them, by client and by when they are over.
#[derive(Default)]
pub(super) struct Sessions {
    of: HashMap<ClientId, Vec<Session>>,
    by_expiry: BTreeSet<(u64, SessionId, ClientId)>,
}

impl Sessions {
    pub(super) fn open(&mut self, session: Session, now: u64) {
        for _ in 0..FORGOTTEN_AT_ONCE {
            let first = self.by_expiry.first();
            let is_over = first.is_some_and(|(expires_at, ..)| *expires_at <= now);
            if !is_over || self.by_expiry.len() < KEPT {
                break;
            }
            self.forget_first(None);
        }
        let id = session.client_id.clone();
        let key = (session.expires_at, session.id, id.clone());
        self.by_expiry.insert(key);
        let own = self.of.entry(id.clone()).or_default();
        own.push(session);
        if own.len() > Session::MOST_OF_ONE {
            self.forget_first(Some(&id));
        }
    }

    /// Forgets the session that is over first, of all or of one client.
    fn forget_first(&mut self, of: Option<&ClientId>) {
        let first = match of {
            None => self.by_expiry.first().cloned(),
            Some(id) => self.of.get(id).and_then(|own| {
                let first = own.iter().min_by_key(|one| one.expires_at)?;
                Some((first.expires_at, first.id, id.clone()))
            }),
        };
        if let Some((_, session, client)) = first {
            self.end(&client, &session);
        }
    }

    pub(super) fn one(&self, client: &ClientId, id: &SessionId, now: u64) -> Option<&Session> {
        let own = self.of.get(client)?;
        own.iter().find(|one| one.id == *id && now < one.expires_at)
    }

    pub(super) fn all_of(&self, client: &ClientId, now: u64) -> Vec<Session> {
        let own = self.of.get(client).map_or(&[][..], Vec::as_slice);
        let live = own.iter().filter(|one| now < one.expires_at);
        live.cloned().collect()
    }

    /// Whether it was there.
    pub(super) fn end(&mut self, client: &ClientId, id: &SessionId) -> bool {
        let Some(own) = self.of.get_mut(client) else {
            return false;
        };
        let Some(at) = own.iter().position(|one| one.id == *id) else {
            return false;
        };
        let ended = own.remove(at);
        if own.is_empty() {
            self.of.remove(client);
        }
        self.by_expiry
            .remove(&(ended.expires_at, ended.id, ended.client_id))
    }

    /// Writes them to the file, for whoever opens it next.
    pub(super) fn save(self, t: &WriteTransaction) -> Result<(), StoreError> {
        let mut table = t.open_table(SESSIONS).map_err(failed)?;
        for session in self.of.into_values().flatten() {
            let key = (session.client_id.as_str(), *session.id.as_bytes());
            table.insert(key, &session.to_bytes()[..]).map_err(failed)?;
        }
        Ok(())
    }

    /// Takes them out of the file.
    pub(super) fn take(t: &WriteTransaction) -> Result<Self, StoreError> {
        let mut sessions = Self::default();
        let table = match t.open_table(SESSIONS) {
            Err(TableError::TableDoesNotExist(_)) => return Ok(sessions),
            table => table.map_err(failed)?,
        };
        for entry in table.iter().map_err(failed)? {
            let (key, bytes) = entry.map_err(failed)?;
            let client = ClientId::parse(key.value().0).map_err(failed)?;
            // One that is damaged is lost.
            if let Ok(session) = Session::from_bytes(&client, bytes.value()) {
                sessions.open(session, 0);
            }
        }
        drop(table);
        t.delete_table(SESSIONS).map_err(failed)?;
        Ok(sessions)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.of.is_empty()
    }
}

pub(super) fn locked(sessions: &Mutex<Sessions>) -> MutexGuard<'_, Sessions> {
    sessions.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use twofapi_crypto_core::CredentialId;

    use super::*;

    fn session(client: &str, number: u64, expires_at: u64) -> Session {
        let mut id = [0; SessionId::LEN];
        id[..8].copy_from_slice(&number.to_be_bytes());
        Session {
            id: SessionId::from_bytes(id),
            client_id: client.parse().unwrap(),
            credential: CredentialId::from_bytes([1; 16]),
            since: 1,
            generation: 0,
            amr: vec!["zkp".into()],
            source: None,
            issued_at: 1,
            expires_at,
            jkt: None,
        }
    }

    #[test]
    fn those_that_are_over_leave_nothing_behind() {
        let mut sessions = Sessions::default();
        for number in 0..3000 {
            let of = format!("client-{}", number % 50);
            sessions.open(session(&of, number, 100 + number % 7), 50);
        }
        assert_eq!(sessions.by_expiry.len(), 3000, "a live one was forgotten");
        for number in 0..3000 {
            let of = format!("other-{}", number % 50);
            sessions.open(session(&of, 10_000 + number, 2000), 1000);
        }
        assert_eq!(sessions.of.len(), 50);
        assert_eq!(sessions.by_expiry.len(), 3000);
        assert_eq!(sessions.of.values().flatten().count(), 3000);
        for number in 0..1000 {
            sessions.open(session("one", 20_000 + number, 2000), 1000);
        }
        assert_eq!(sessions.by_expiry.len(), 3000 + Session::MOST_OF_ONE);
        // A clock that is ahead for a moment takes a few with it, and where there are few none.
        let mut few = Sessions::default();
        few.open(session("alice", 1, 100), 50);
        few.open(session("bob", 2, 1_000_900), 1_000_000);
        assert_eq!(few.by_expiry.len(), 2);
    }
}
