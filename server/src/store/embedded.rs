//! The embedded store: one `redb` file for what must last, process memory for what must not.
//!
//! Clients, invitations and signing keys are in the file and durable before a call returns. The
//! challenge key and the set of spent challenges are in memory: after a crash both are gone together,
//! and every challenge from before is dead.

use std::{
    path::Path,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        mpsc::{self, RecvTimeoutError},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use async_trait::async_trait;
use redb::{
    Database, DatabaseError, ReadableDatabase, ReadableTable, ReadableTableMetadata,
    TableDefinition, WriteTransaction,
};
use tokio::sync::oneshot;
use twofapi_crypto_core::{
    ClientId, ClientRecord, Error, Transition,
    ceremony::{At, Change, Committed, Expect, Permission, Step},
};

use super::{
    InvitationKey, LifecycleChange, SigningKeyRecord, Store, StoreError, StorePlace,
    challenges::Challenges, client_table, database::Reopened, failed, signing_keys,
};

/// SHA-256 of the token → client id and expiry (Unix seconds).
const INVITATIONS: TableDefinition<'_, [u8; 32], (&str, u64)> = TableDefinition::new("invitations");
/// Expiry (Unix seconds) and SHA-256 of the token, so that forgetting takes as long as there is to
/// forget. One that was used up stays here until then.
const INVITATIONS_BY_EXPIRY: TableDefinition<'_, (u64, [u8; 32]), ()> =
    TableDefinition::new("invitations_by_expiry");
/// What the file says about itself.
const ABOUT: TableDefinition<'_, &str, u64> = TableDefinition::new("about");
const FORMAT: u64 = 1;

/// Whether the disk has room is tried out here.
const ROOM: TableDefinition<'_, (), &[u8]> = TableDefinition::new("room");
const ROOM_LEN: usize = 64 * 1024;

/// Memory for pages of the file, in bytes: those of a few hundred thousand clients.
const CACHE: usize = 64 << 20;

/// Below so many invitations none is forgotten, expired or not.
const INVITATIONS_KEPT: u64 = 1000;

/// The most changes that share one commit.
const BATCH: usize = 256;

/// The store of a single server.
pub struct EmbeddedStore {
    database: Arc<Reopened>,
    /// `None` only while it is being dropped.
    jobs: Option<mpsc::Sender<Job>>,
    writer: Option<JoinHandle<()>>,
    challenges: Arc<Mutex<Challenges>>,
}

impl EmbeddedStore {
    /// Opens the file, or makes it (mode 0600, in a directory of mode 0700 if that has to be made).
    /// Draws a new challenge key; at most `spent_capacity` challenges can be spent at a time.
    ///
    /// # Errors
    /// [`Error::Unavailable`], saying what the operator can do: the file is in use, can be read by
    /// others, is of another format, or cannot be opened.
    pub fn open(path: &Path, spent_capacity: u32) -> Result<Self, Error> {
        let place = StorePlace::make(path).map_err(|error| unavailable(path)(error.to_string()))?;
        Self::open_at(&place, spent_capacity)
    }

    /// As [`EmbeddedStore::open`], at a place that was found before.
    ///
    /// # Errors
    /// As [`EmbeddedStore::open`].
    pub fn open_at(place: &StorePlace, spent_capacity: u32) -> Result<Self, Error> {
        let unavailable = unavailable(place.path());
        let file = place
            .open()
            .map_err(|error| unavailable(error.to_string()))?;
        let open = move || {
            // The same file under the same lock, whatever has its name by now.
            let file = file.try_clone().map_err(failed)?;
            Database::builder()
                .set_cache_size(CACHE)
                .create_file(file)
                .map_err(|error| match error {
                    DatabaseError::DatabaseAlreadyOpen => StoreError(
                        "another process has it open; is a server running on it already?".into(),
                    ),
                    error => failed(error),
                })
        };
        Self::over(open, spent_capacity).map_err(|error| unavailable(error.0))
    }

    /// A store that is gone with the process, for trying things out and for tests.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the random source fails.
    pub fn in_memory(spent_capacity: u32) -> Result<Self, Error> {
        let open = || {
            let backend = redb::backends::InMemoryBackend::new();
            Database::builder()
                .create_with_backend(backend)
                .map_err(failed)
        };
        Ok(Self::over(open, spent_capacity)?)
    }

    fn over(
        open: impl Fn() -> Result<Database, StoreError> + Send + Sync + 'static,
        spent_capacity: u32,
    ) -> Result<Self, StoreError> {
        let database = open()?;
        let setup = database.begin_write().map_err(failed)?;
        {
            setup.open_table(client_table::CLIENTS).map_err(failed)?;
            setup.open_table(INVITATIONS).map_err(failed)?;
            setup.open_table(INVITATIONS_BY_EXPIRY).map_err(failed)?;
            signing_keys::set_up(&setup)?;
            let mut about = setup.open_table(ABOUT).map_err(failed)?;
            let format = about.get("format").map_err(failed)?.map(|f| f.value());
            match format {
                None => drop(about.insert("format", FORMAT).map_err(failed)?),
                Some(format) => check_format(format)?,
            }
        }
        setup.commit().map_err(failed)?;

        let database = Arc::new(Reopened::new(database, open));
        let (jobs, queue) = mpsc::channel();
        let writer = thread::Builder::new()
            .name("2fapi-store".into())
            .spawn({
                let database = database.clone();
                move || write_all(&database, &queue)
            })
            .map_err(failed)?;
        Ok(Self {
            database,
            jobs: Some(jobs),
            writer: Some(writer),
            challenges: Arc::new(Mutex::new(Challenges::new(spent_capacity)?)),
        })
    }

    /// Runs a change in the writer's next transaction and waits until it is durable. A change either
    /// writes all it has to or, by returning early, nothing.
    async fn write<T: Send + 'static>(
        &self,
        change: impl FnOnce(&WriteTransaction) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        let job: Job = Box::new(move |transaction| {
            let outcome = change(transaction);
            Done {
                sound: outcome.is_ok(),
                answer: Box::new(move |committed| {
                    let _ = reply.send(outcome.and_then(|value| committed.map(|()| value)));
                }),
            }
        });
        let gone = || StoreError("the change could not be begun".into());
        self.jobs
            .as_ref()
            .ok_or_else(gone)?
            .send(job)
            .map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }

    fn read<T>(
        &self,
        look: impl FnOnce(&redb::ReadTransaction) -> Result<T, redb::Error>,
    ) -> Result<T, StoreError> {
        // A few microseconds from the page cache: not worth handing to another thread.
        let looked = self.database.read(look);
        if looked.is_err() && self.database.fails() {
            // The writer finds the same, and opens the file again.
            let nothing: Job = Box::new(|_| Done {
                sound: true,
                answer: Box::new(drop),
            });
            let _ = self.jobs.as_ref().map(|jobs| jobs.send(nothing));
        }
        looked
    }
}

impl Drop for EmbeddedStore {
    fn drop(&mut self) {
        drop(self.jobs.take());
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
    }
}

type Job = Box<dyn FnOnce(&WriteTransaction) -> Done + Send>;

struct Done {
    /// False when the change failed midway, so that the transaction must not be committed.
    sound: bool,
    answer: Box<dyn FnOnce(Result<(), StoreError>) + Send>,
}

/// How long the writer waits before it tries again to open a file that could not be opened.
const REOPEN_AFTER: Duration = Duration::from_secs(1);

/// The writer: takes all changes that wait and commits them together, so that many concurrent
/// enrolments share the wait for the disk. After an error it opens the file again, until it can.
fn write_all(database: &Reopened, queue: &mpsc::Receiver<Job>) {
    let mut open = true;
    loop {
        let first = if open {
            queue.recv().map_err(Into::into)
        } else {
            queue.recv_timeout(REOPEN_AFTER)
        };
        if !open {
            open = reopen(database);
        }
        let first = match first {
            Ok(first) => first,
            Err(RecvTimeoutError::Timeout) => continue,
            Err(RecvTimeoutError::Disconnected) => return,
        };
        let jobs = std::iter::once(first).chain(queue.try_iter().take(BATCH - 1));
        let mut done = Vec::new();
        let committed = database.write(|transaction| {
            for job in jobs {
                done.push(job(transaction));
            }
            if done.iter().all(|done| done.sound) {
                Ok(())
            } else {
                Err(StoreError("a change in the same commit failed".into()))
            }
        });
        if committed.is_err() {
            open = reopen(database);
        }
        for Done { answer, .. } in done {
            answer(match &committed {
                Ok(()) => Ok(()),
                Err(StoreError(reason)) => Err(StoreError(reason.clone())),
            });
        }
    }
}

fn reopen(database: &Reopened) -> bool {
    match database.reopen() {
        Ok(()) => {
            tracing::info!("the store was opened again after an error");
            true
        }
        Err(StoreError(reason)) => {
            tracing::warn!(reason, "the store could not be opened again");
            false
        }
    }
}

fn check_format(format: u64) -> Result<(), StoreError> {
    if format == FORMAT {
        return Ok(());
    }
    Err(StoreError(format!(
        "it has format {format}, and this version reads format {FORMAT}"
    )))
}

/// Whether a file that is only looked at is one of this version.
pub(super) fn check_file(database: &Database) -> Result<(), StoreError> {
    let transaction = database.begin_read().map_err(failed)?;
    let about = transaction.open_table(ABOUT).map_err(failed)?;
    let format = about.get("format").map_err(failed)?.map(|f| f.value());
    check_format(format.unwrap_or_default())
}

fn unavailable(path: &Path) -> impl Fn(String) -> Error {
    move |reason| Error::Unavailable {
        reason: format!("cannot open the store {}: {reason}", path.display()),
    }
}

fn locked(challenges: &Mutex<Challenges>) -> MutexGuard<'_, Challenges> {
    challenges.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Spends the challenge of a step; an enrolment has none.
fn accept(challenges: &Mutex<Challenges>, step: &Step, now: u64) -> Committed {
    step.spend.as_ref().map_or(Committed::Done, |spend| {
        locked(challenges).accept(spend, now)
    })
}

/// Takes a step that changes a record, or says why not and changes nothing.
fn take(
    t: &WriteTransaction,
    step: &Step,
    now: u64,
    spend: impl FnOnce() -> Committed,
) -> Result<Committed, StoreError> {
    let mut clients = t.open_table(client_table::CLIENTS).map_err(failed)?;
    let mut invitations = t.open_table(INVITATIONS).map_err(failed)?;
    let id = step.client_id.as_str();
    let invited = |key: &InvitationKey| -> Result<bool, StoreError> {
        let entry = invitations.get(key).map_err(failed)?;
        Ok(entry.is_some_and(|entry| {
            let (invited, expires_at) = entry.value();
            invited == id && now < expires_at
        }))
    };
    let as_expected = match &step.expect {
        Expect::Unchanged { version, .. } => {
            client_table::unchanged(&clients, &step.client_id, *version)?
        }
        Expect::Absent(Permission::Invitation(key)) if !invited(key)? => Committed::NotInvited,
        Expect::Absent(_) if clients.get(id).map_err(failed)?.is_some() => Committed::Exists,
        Expect::Absent(_) => Committed::Done,
        // This store keeps no permissions to reset a client.
        Expect::Unrevoked { .. } => Committed::NotInvited,
    };
    let possible = match as_expected {
        Committed::Done => spend(),
        refused => refused,
    };
    if possible != Committed::Done {
        return Ok(possible);
    }
    if let Change::Insert(record) | Change::Replace(record) = &step.change {
        let record = ClientRecord::try_from(record).map_err(failed)?;
        clients
            .insert(id, &client_table::encode(&record)[..])
            .map_err(failed)?;
    }
    if let Expect::Absent(Permission::Invitation(key)) = &step.expect {
        invitations.remove(key).map_err(failed)?;
    }
    Ok(Committed::Done)
}

#[async_trait]
impl Store for EmbeddedStore {
    async fn client(&self, id: &ClientId) -> Result<Option<ClientRecord>, StoreError> {
        self.read(|t| Ok(client_table::client(t, id)))?
    }

    async fn clients_after(
        &self,
        after: Option<&ClientId>,
        limit: usize,
    ) -> Result<Vec<(ClientId, ClientRecord)>, StoreError> {
        self.read(|t| Ok(client_table::after(t, after, limit)))?
    }

    async fn invite(
        &self,
        invitation: &InvitationKey,
        id: &ClientId,
        expires_at: u64,
        now: u64,
    ) -> Result<(), StoreError> {
        let (invitation, id) = (*invitation, id.clone());
        self.write(move |t| {
            let mut table = t.open_table(INVITATIONS).map_err(failed)?;
            let mut by_expiry = t.open_table(INVITATIONS_BY_EXPIRY).map_err(failed)?;
            // A clock that is ahead for a moment must not take the invitations of all others with it:
            // expired ones are forgotten where there are many, and two for one that comes.
            for _ in 0..2 {
                if by_expiry.len().map_err(failed)? < INVITATIONS_KEPT {
                    break;
                }
                let first = by_expiry.first().map_err(failed)?;
                let Some(entry) = first.map(|(entry, _)| entry.value()) else {
                    break;
                };
                let (expired_at, key) = entry;
                if expired_at > now {
                    break;
                }
                by_expiry.remove(entry).map_err(failed)?;
                table.remove(key).map_err(failed)?;
            }
            by_expiry
                .insert((expires_at, invitation), ())
                .map_err(failed)?;
            table
                .insert(invitation, (id.as_str(), expires_at))
                .map_err(failed)?;
            Ok(())
        })
        .await
    }

    async fn is_invited(
        &self,
        invitation: &InvitationKey,
        id: &ClientId,
        now: u64,
    ) -> Result<bool, StoreError> {
        self.read(|t| {
            let table = t.open_table(INVITATIONS)?;
            let entry = table.get(invitation)?;
            Ok(entry.is_some_and(|entry| {
                let (invited, expires_at) = entry.value();
                invited == id.as_str() && now < expires_at
            }))
        })
    }

    async fn change_status(
        &self,
        id: &ClientId,
        change: LifecycleChange,
    ) -> Result<Result<(Transition, ClientRecord), Error>, StoreError> {
        let id = id.clone();
        self.write(move |t| {
            let mut clients = t.open_table(client_table::CLIENTS).map_err(failed)?;
            let Some(mut record) = client_table::stored(&clients, &id)? else {
                return Ok(Err(Error::NotEnrolled));
            };
            let transition = match change.apply(&mut record) {
                Ok(transition) => transition,
                Err(error) => return Ok(Err(error)),
            };
            clients
                .insert(id.as_str(), &client_table::encode(&record)[..])
                .map_err(failed)?;
            Ok(Ok((transition, record)))
        })
        .await
    }

    async fn epoch(&self, now: u64) -> Result<At, StoreError> {
        locked(&self.challenges).at(now)
    }

    async fn commit(&self, step: &Step, now: u64) -> Result<Committed, StoreError> {
        if let (Change::None, Expect::Unchanged { version, .. }) = (&step.change, &step.expect) {
            // Nothing that lasts, so nobody waits for the disk. Spent first and looked at after: a client
            // that was suspended before this moment is not let in.
            return match accept(&self.challenges, step, now) {
                Committed::Done => self.read(|t| {
                    let clients = t.open_table(client_table::CLIENTS)?;
                    Ok(client_table::unchanged(&clients, &step.client_id, *version))
                })?,
                refused => Ok(refused),
            };
        }
        let (step, challenges) = (step.clone(), Arc::clone(&self.challenges));
        self.write(move |t| take(t, &step, now, || accept(&challenges, &step, now)))
            .await
    }

    async fn signing_keys(&self) -> Result<Vec<SigningKeyRecord>, StoreError> {
        self.read(|t| Ok(signing_keys::all(t)))?
    }

    async fn add_signing_key(
        &self,
        key: &SigningKeyRecord,
        others: &[String],
    ) -> Result<bool, StoreError> {
        let (key, others) = (key.clone(), others.to_owned());
        self.write(move |t| signing_keys::add(t, &key, &others))
            .await
    }

    async fn remove_signing_key(&self, kid: &str) -> Result<(), StoreError> {
        let kid = kid.to_owned();
        self.write(move |t| signing_keys::remove(t, &kid)).await
    }

    async fn check(&self) -> Result<(), StoreError> {
        let gone = self.writer.as_ref().is_none_or(JoinHandle::is_finished);
        if gone || self.database.is_failing() {
            // Only then is it worth two commits to find out whether the disk has room again: for more
            // than what fits between the rest.
            self.write(|t| {
                let mut room = t.open_table(ROOM).map_err(failed)?;
                room.insert((), &[0; ROOM_LEN][..]).map_err(failed)?;
                Ok(())
            })
            .await?;
            return self
                .write(|t| t.delete_table(ROOM).map(drop).map_err(failed))
                .await;
        }
        self.read(|t| t.open_table(ABOUT).map(drop).map_err(Into::into))
    }
}

#[cfg(test)]
mod tests {
    use std::{
        fs, io,
        os::unix::fs::PermissionsExt,
        sync::atomic::{AtomicBool, Ordering},
    };

    use super::*;
    use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
    use redb::StorageBackend;
    use twofapi_crypto_core::{
        AuthenticationBinding, Commitment, Credential, CredentialId,
        ceremony::{Decoys, Keys, Root, Spend, Terms},
    };

    const NOW: u64 = 1_795_000_000;

    fn commitment() -> Commitment {
        *Credential::generate(&mut getrandom::SysRng)
            .unwrap()
            .commitment()
    }

    fn id(text: &str) -> ClientId {
        ClientId::parse(text).unwrap()
    }

    fn store() -> EmbeddedStore {
        EmbeddedStore::in_memory(100).unwrap()
    }

    async fn enrol(
        store: &EmbeddedStore,
        id: &ClientId,
        by: Permission,
        now: u64,
    ) -> Result<Committed, StoreError> {
        let mut step = step_of_enrolment(id, commitment());
        step.expect = Expect::Absent(by);
        store.commit(&step, now).await
    }

    fn step_of_enrolment(id: &ClientId, commitment: Commitment) -> Step {
        Step {
            client_id: id.clone(),
            expect: Expect::Absent(Permission::Host),
            spend: None,
            change: Change::Insert(ClientRecord::enrolled(commitment).into()),
        }
    }

    #[tokio::test]
    async fn an_invitation_enrols_its_client_once() {
        let store = store();
        let (alice, key) = (id("alice"), [7; 32]);
        store.invite(&key, &alice, NOW + 10, NOW).await.unwrap();
        let by = Permission::Invitation(key);
        let bob = enrol(&store, &id("bob"), by, NOW).await;
        assert_eq!(bob.unwrap(), Committed::NotInvited);
        let late = enrol(&store, &alice, by, NOW + 10).await;
        assert_eq!(late.unwrap(), Committed::NotInvited);
        let first = enrol(&store, &alice, by, NOW).await;
        assert_eq!(first.unwrap(), Committed::Done);
        let again = enrol(&store, &alice, by, NOW).await;
        assert_eq!(again.unwrap(), Committed::NotInvited);
        assert!(!store.is_invited(&key, &alice, NOW).await.unwrap());
    }

    #[tokio::test]
    async fn a_revoked_id_is_never_enrolled_again() {
        let store = store();
        let alice = id("alice");
        let first = enrol(&store, &alice, Permission::Host, NOW).await;
        assert_eq!(first.unwrap(), Committed::Done);
        let revoked = store.change_status(&alice, LifecycleChange::Revoke).await;
        assert_eq!(revoked.unwrap().unwrap().0, Transition::Changed);
        let again = enrol(&store, &alice, Permission::Host, NOW).await;
        assert_eq!(again.unwrap(), Committed::Exists);
        let resumed = store.change_status(&alice, LifecycleChange::Resume).await;
        assert!(matches!(resumed.unwrap(), Err(Error::NotActive { .. })));
    }

    /// A step of a client whose record is of this version.
    fn step(id: &ClientId, version: u32, change: Change, spend: Option<Spend>) -> Step {
        Step {
            client_id: id.clone(),
            expect: Expect::Unchanged {
                version,
                generation: 0,
                credential: CredentialId::from_bytes([0; 16]),
                expires_at: None,
                joined: None,
            },
            spend,
            change,
        }
    }

    #[tokio::test]
    async fn of_two_rotations_from_one_version_one_wins() {
        let store = store();
        let alice = id("alice");
        let first = enrol(&store, &alice, Permission::Host, NOW).await;
        assert_eq!(first.unwrap(), Committed::Done);
        let before = store.client(&alice).await.unwrap().unwrap();
        let rotated = || {
            let mut record = before;
            record.rotate(commitment()).unwrap();
            record
        };
        let (a, b) = (rotated(), rotated());
        let steps = [a, b].map(|record| step(&alice, 1, Change::Replace(record.into()), None));
        let (first, second) =
            tokio::join!(store.commit(&steps[0], NOW), store.commit(&steps[1], NOW));
        let outcomes = [first.unwrap(), second.unwrap()];
        let kept = store.client(&alice).await.unwrap().unwrap();
        let expected = if kept == a {
            [Committed::Done, Committed::Changed]
        } else {
            [Committed::Changed, Committed::Done]
        };
        assert_eq!(outcomes, expected);
        assert!(kept == a || kept == b);
    }

    #[tokio::test]
    async fn a_step_is_taken_whole_or_not_at_all() {
        let store = store();
        let alice = id("alice");
        let first = enrol(&store, &alice, Permission::Host, NOW).await;
        assert_eq!(first.unwrap(), Committed::Done);
        let at = store.epoch(NOW).await.unwrap();
        let keys = Keys::derive(&[Root::new(0, [1; 32])], at.epoch).unwrap();
        let terms = Terms::new(AuthenticationBinding::none(), Decoys::new([0; 16]));
        let spend = |seed: u8| {
            let mut rng = ChaCha20Rng::from_seed([seed; 32]);
            let challenge = terms.challenge(&keys, &alice, NOW, &mut rng).unwrap();
            Spend::of(&challenge, &keys, &alice)
        };
        let login = step(&alice, 1, Change::None, Some(spend(1)));
        assert_eq!(store.commit(&login, NOW).await.unwrap(), Committed::Done);
        assert_eq!(store.commit(&login, NOW).await.unwrap(), Committed::Spent);

        // A rotation whose challenge is spent changes nothing.
        let before = store.client(&alice).await.unwrap().unwrap();
        let mut rotated = before;
        rotated.rotate(commitment()).unwrap();
        let replayed = step(&alice, 1, Change::Replace(rotated.into()), Some(spend(1)));
        let again = store.commit(&replayed, NOW).await.unwrap();
        assert_eq!(again, Committed::Spent);
        assert_eq!(store.client(&alice).await.unwrap(), Some(before));

        // Nor is anybody let in, or a challenge spent by a rotation, once the client is suspended.
        let suspended = store.change_status(&alice, LifecycleChange::Suspend).await;
        assert!(suspended.unwrap().is_ok());
        let fresh = spend(3);
        let rotation = step(&alice, 1, Change::Replace(rotated.into()), Some(fresh));
        let refused = store.commit(&rotation, NOW).await.unwrap();
        assert_eq!(refused, Committed::Changed);
        let login = step(&alice, 1, Change::None, Some(spend(4)));
        assert_eq!(store.commit(&login, NOW).await.unwrap(), Committed::Changed);
        let resumed = store.change_status(&alice, LifecycleChange::Resume).await;
        assert!(resumed.unwrap().is_ok());
        let unspent = step(&alice, 1, Change::None, Some(fresh));
        assert_eq!(store.commit(&unspent, NOW).await.unwrap(), Committed::Done);

        let late = step(&alice, 1, Change::None, Some(spend(2)));
        let expired = store.commit(&late, NOW + 120).await.unwrap();
        assert_eq!(expired, Committed::Expired);
    }

    #[tokio::test]
    async fn expired_invitations_are_forgotten_where_there_are_many() {
        let store = store();
        let alice = id("alice");
        let key = |n: u64| {
            let mut key = [0; 32];
            key[..8].copy_from_slice(&n.to_be_bytes());
            key
        };
        let count = || {
            store.read(|t| {
                let live = t.open_table(INVITATIONS)?.len()?;
                Ok((live, t.open_table(INVITATIONS_BY_EXPIRY)?.len()?))
            })
        };
        let many = INVITATIONS_KEPT + 50;
        for n in 0..many {
            store.invite(&key(n), &alice, NOW + 10, NOW).await.unwrap();
        }
        assert_eq!(count().unwrap(), (many, many), "a live one was forgotten");
        for n in many..many + 100 {
            store
                .invite(&key(n), &alice, NOW + 900, NOW + 50)
                .await
                .unwrap();
        }
        let kept = INVITATIONS_KEPT;
        assert_eq!(count().unwrap(), (kept, kept));
        let newest = store.is_invited(&key(many + 99), &alice, NOW + 50).await;
        assert!(newest.unwrap());
    }

    #[tokio::test]
    async fn a_clock_that_was_ahead_for_a_moment_forgets_no_invitation() {
        let store = store();
        let bob = id("bob");
        store.invite(&[1; 32], &bob, NOW + 600, NOW).await.unwrap();
        let ahead = NOW + 10 * 365 * 86_400;
        let carl = id("carl");
        store
            .invite(&[2; 32], &carl, ahead + 600, ahead)
            .await
            .unwrap();
        assert!(!store.is_invited(&[1; 32], &bob, ahead).await.unwrap());
        assert!(store.is_invited(&[1; 32], &bob, NOW + 1).await.unwrap());
    }

    #[tokio::test]
    async fn what_was_acknowledged_is_there_after_opening_again() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("made/for/it/2fapi.redb");
        let (alice, committed) = (id("alice"), commitment());
        {
            let store = EmbeddedStore::open(&path, 10).unwrap();
            let first = step_of_enrolment(&alice, committed);
            assert_eq!(store.commit(&first, NOW).await.unwrap(), Committed::Done);
        }
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&path), 0o600);
        assert_eq!(mode(path.parent().unwrap()), 0o700);
        let store = EmbeddedStore::open(&path, 10).unwrap();
        let record = store.client(&alice).await.unwrap().unwrap();
        assert_eq!(record, ClientRecord::enrolled(committed));

        let busy = EmbeddedStore::open(&path, 10).err().unwrap().to_string();
        assert!(busy.contains("another process has it open"), "{busy}");
        drop(store);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let open = EmbeddedStore::open(&path, 10).err().unwrap().to_string();
        assert!(open.contains("chmod 600"), "{open}");
    }

    #[tokio::test]
    async fn pages_of_clients_are_in_order_and_complete() {
        let store = store();
        for n in 0..25 {
            let id = id(&format!("client-{n:02}"));
            let enrolled = enrol(&store, &id, Permission::Host, NOW).await;
            assert_eq!(enrolled.unwrap(), Committed::Done);
        }
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let page = store.clients_after(after.as_ref(), 10).await.unwrap();
            let Some((last, _)) = page.last() else { break };
            after = Some(last.clone());
            seen.extend(page.into_iter().map(|(id, _)| id));
        }
        assert_eq!(seen.len(), 25);
        assert!(seen.is_sorted());
    }

    /// Memory that refuses to be written on demand, as a full disk does.
    #[derive(Clone, Debug)]
    struct Disk {
        memory: Arc<redb::backends::InMemoryBackend>,
        full: Arc<AtomicBool>,
    }

    impl StorageBackend for Disk {
        fn len(&self) -> Result<u64, io::Error> {
            self.memory.len()
        }
        fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), io::Error> {
            self.memory.read(offset, out)
        }
        fn set_len(&self, len: u64) -> Result<(), io::Error> {
            self.memory.set_len(len)
        }
        fn sync_data(&self) -> Result<(), io::Error> {
            if self.full.load(Ordering::Relaxed) {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.memory.sync_data()
        }
        fn write(&self, offset: u64, data: &[u8]) -> Result<(), io::Error> {
            self.memory.write(offset, data)
        }
    }

    #[tokio::test]
    async fn what_the_disk_refuses_is_not_acknowledged_and_is_taken_again_when_there_is_room() {
        let full = Arc::new(AtomicBool::new(false));
        let disk = Disk {
            memory: Arc::new(redb::backends::InMemoryBackend::new()),
            full: full.clone(),
        };
        let open = move || {
            Database::builder()
                .create_with_backend(disk.clone())
                .map_err(failed)
        };
        let store = EmbeddedStore::over(open, 10).unwrap();
        let host = Permission::Host;
        assert!(enrol(&store, &id("alice"), host, NOW).await.is_ok());
        assert!(store.check().await.is_ok());
        full.store(true, Ordering::Relaxed);
        let refused = enrol(&store, &id("bob"), host, NOW).await;
        assert!(refused.is_err());
        assert!(store.check().await.is_err());

        full.store(false, Ordering::Relaxed);
        thread::sleep(REOPEN_AFTER + Duration::from_millis(500));
        assert!(store.check().await.is_ok(), "it stays shut");
        assert!(store.client(&id("alice")).await.unwrap().is_some());
        let enrolled = enrol(&store, &id("carl"), host, NOW).await;
        assert_eq!(enrolled.unwrap(), Committed::Done);
    }
}
