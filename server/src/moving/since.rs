//! What was done since a backup, and what becomes of it in the store that came back: each change is done again, or made so
//! that nobody is let in whom it has shut out.

use std::collections::BTreeMap;

use twofapi_crypto_core::{
    ClientId, ClientStatus, Credential, CredentialId, CredentialName, Error, Record, Transition,
};

use super::{
    Named,
    audit::{Audit, Event, What},
};
use crate::store::{Mark, StoreError};

/// What was given up expires then: in the past.
const LONG_AGO: u64 = 1;

/// Something that was done since the backup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// When, in Unix seconds.
    pub at: u64,
    /// To whom.
    pub client_id: ClientId,
    /// What.
    pub what: String,
    /// What applying it does, and what is left to do.
    pub then: String,
}

/// What the audit says was done since the backup that a store came back from, by client and time.
///
/// # Errors
/// [`StoreError`]; also where the store did not come back from one.
pub async fn look(store: Named<'_>, audit: &Audit) -> Result<Vec<Found>, StoreError> {
    let mut all = Vec::new();
    for (id, events) in by_client(audit, restored(store).await?.1) {
        let record = store.contents.client(&id).await?;
        all.extend(Replay::of(&id, record, &events)?.found);
    }
    Ok(all)
}

/// Does all of that to the store. It stays marked. Doing it twice does what doing it once does.
///
/// # Errors
/// [`StoreError`]; to be given once more then.
pub async fn apply(store: Named<'_>, audit: &Audit) -> Result<Vec<Found>, StoreError> {
    let (mark, since) = restored(store).await?;
    let mut all = Vec::new();
    for (id, events) in by_client(audit, since) {
        let before = store.contents.client(&id).await?;
        let replay = Replay::of(&id, before.clone(), &events)?;
        if let Some(record) = replay.record.filter(|after| Some(after) != before.as_ref()) {
            store.contents.put_clients(&mark, &[(id, record)]).await?;
        }
        all.extend(replay.found);
    }
    Ok(all)
}

async fn restored(store: Named<'_>) -> Result<(Mark, u64), StoreError> {
    match store.contents.mark().await? {
        Some(Mark::Restored { since }) => Ok((Mark::Restored { since }, since)),
        Some(mark) => Err(store.says(mark.refusal())),
        None => Err(store.says("it was not restored, and is served as ever")),
    }
}

fn by_client(audit: &Audit, since: u64) -> BTreeMap<ClientId, Vec<&Event>> {
    let mut by_client: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for event in audit.events.iter().filter(|event| event.at >= since) {
        by_client
            .entry(event.client_id.clone())
            .or_default()
            .push(event);
    }
    by_client
}

/// A client, to which is done again what was done since.
struct Replay {
    record: Option<Record>,
    /// The version in the backup: what is said of it or of an earlier one is in there.
    version: u32,
    /// Somebody has to look at it before it is let in.
    held: bool,
    found: Vec<Found>,
}

impl Replay {
    fn of(id: &ClientId, record: Option<Record>, events: &[&Event]) -> Result<Self, StoreError> {
        let mut replay = Self {
            version: record.as_ref().map_or(0, Record::version),
            record,
            held: false,
            found: Vec::new(),
        };
        for event in events {
            let done = replay
                .again(&event.what)
                .map_err(|error| StoreError(error.to_string()))?;
            if let Some((what, then)) = done {
                replay.found.push(Found {
                    at: event.at,
                    client_id: id.clone(),
                    what,
                    then,
                });
            }
        }
        if replay.held
            && let Some(record) = &mut replay.record
            && record.is_active()
        {
            record
                .suspend()
                .map_err(|error| StoreError(error.to_string()))?;
        }
        Ok(replay)
    }

    /// What was done, and what becomes of it; nothing where the backup has it.
    fn again(&mut self, what: &What) -> Result<Option<(String, String)>, Error> {
        if what
            .version()
            .is_some_and(|version| version <= self.version)
        {
            return Ok(None);
        }
        let then = match (&mut self.record, what) {
            (nobody @ None, What::Revoked) => {
                *nobody = Some(revoked_for_ever()?);
                "it is not there, and its id cannot be enrolled".into()
            }
            (None, What::Enrolled) => "it is not there: invite it again".into(),
            (None, _) => "it is not there".into(),
            // What is there was enrolled before.
            (Some(_), What::Enrolled) => return Ok(None),
            (Some(record), What::Reset { .. }) => {
                let all = ids(record);
                self.held |= !shut_out(record, &all);
                "what it had before has expired: reset it again (2fapi invite --reset)".into()
            }
            (Some(record), What::Rotated { was, .. }) => {
                // A log of before does not say which: any of them may be the one that was given up.
                let gone = was.map_or_else(|| ids(record), |was| vec![was]);
                let there = gone.iter().any(|one| has(record, one));
                self.held |= !shut_out(record, &gone);
                match there {
                    true => {
                        let gone: Vec<_> = gone.iter().map(ToString::to_string).collect();
                        format!(
                            "{} has expired, as the new one is not there: reset it (2fapi invite --reset)",
                            gone.join(", ")
                        )
                    }
                    false => "neither the old nor the new one is there".into(),
                }
            }
            (Some(_), What::Linked { credential, .. }) => {
                format!("{credential} is not there: link it again")
            }
            (Some(record), What::Unlinked { credential, .. }) => {
                if !has(record, credential) {
                    format!("{credential} is not there")
                } else if record.unlink(credential).is_ok() {
                    "unlinked again".into()
                } else {
                    self.held |= !shut_out(record, &[*credential]);
                    format!("{credential} has expired, for it has no other")
                }
            }
            (
                Some(record),
                What::ExpirySet {
                    credential,
                    expires_at,
                    ..
                },
            ) => match has(record, credential) {
                true => {
                    self.held |= record.set_expiry(credential, *expires_at).is_err();
                    "set again".into()
                }
                false => format!("{credential} is not there"),
            },
            (Some(_), What::Said { .. }) => {
                self.held = true;
                "suspended, for the log does not say what was said of it: say it again (2fapi clients set), and resume it"
                    .into()
            }
            (Some(record), What::Suspended) => match record.suspend() {
                Ok(_) => "suspended again".into(),
                Err(_) => "it is revoked".into(),
            },
            (Some(record), What::Resumed) => match record.resume() {
                Ok(_) => "resumed again".into(),
                Err(_) => "it stays out".into(),
            },
            (Some(record), What::Revoked) => {
                let _: Transition = record.revoke();
                "revoked again".into()
            }
            (Some(_), What::SessionsEnded) => "all sessions and tokens have ended".into(),
        };
        Ok(Some((what.to_string(), then)))
    }
}

fn ids(record: &Record) -> Vec<CredentialId> {
    let credentials = record.credentials().iter();
    credentials.map(|one| one.id()).collect()
}

fn has(record: &Record, id: &CredentialId) -> bool {
    record.credential(Some(id)).is_some()
}

/// Lets these expire, of those that are there; false if that could not be done.
fn shut_out(record: &mut Record, gone: &[CredentialId]) -> bool {
    let mut all = true;
    for id in gone {
        // Each of them, also where one could not be.
        all &= match record.credential(Some(id)) {
            Some(there) if there.expires_at() != Some(LONG_AGO) => {
                record.set_expiry(id, Some(LONG_AGO)).is_ok()
            }
            _ => true,
        };
    }
    all
}

/// In the place of a client whose record is lost: an id that was revoked is never enrolled again. Nobody has what it would
/// be let in by.
fn revoked_for_ever() -> Result<Record, Error> {
    let nobodys = Credential::generate(&mut getrandom::SysRng)?;
    let mut record = Record::enrolled(nobodys.commitment(), CredentialName::unnamed(), 0);
    let _: Transition = record.revoke();
    debug_assert_eq!(record.status(), ClientStatus::Revoked);
    Ok(record)
}
