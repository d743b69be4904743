//! The embedded store passes the battery, in memory, in a file, and on a disk that loses power; and does
//! what only it does.

mod disk;

use std::{fs, os::unix::fs::PermissionsExt, path::Path, sync::Arc, thread, time::Duration};

use async_trait::async_trait;
use redb::{Database, ReadableTableMetadata, TableDefinition};
use tempfile::TempDir;
use twofapi_crypto_core::{
    ClientId, CredentialId, CredentialName, Record,
    ceremony::{Committed, Permission},
};

use super::{
    ClientsAtRest, EmbeddedStore, StorePlace,
    clients::CLIENTS,
    invitations::{BY_EXPIRY, INVITATIONS, KEPT},
    sessions::{self, SESSIONS},
    writer::REOPEN_AFTER,
};
use crate::{
    store::{
        api::{Invitation, InvitationKey, InvitationKind, Store, failed},
        conformance::{DurableStoreUnderTest, Person, StoreUnderTest},
        session::{Session, SessionId},
    },
    store_conformance,
};
use disk::Disk;

const NOW: u64 = 1_795_000_000;

/// A store by a clock that is set by hand.
struct Subject<On> {
    store: Arc<EmbeddedStore>,
    now: u64,
    capacity: u32,
    /// What the store is on.
    on: On,
}

#[async_trait]
impl<On: Send + Sync> StoreUnderTest for Subject<On> {
    fn store(&self) -> Arc<dyn Store> {
        self.store.clone()
    }

    fn now(&self) -> u64 {
        self.now
    }

    async fn wait(&mut self, seconds: u64) {
        self.now += seconds;
    }

    /// A clock that is set back is what takes the set away while the process runs.
    async fn lose_spent_set(&mut self) {
        self.now -= 1000;
    }
}

mod in_memory {
    use super::*;

    async fn open(capacity: u32) -> Subject<()> {
        Subject {
            store: Arc::new(EmbeddedStore::in_memory(capacity).unwrap()),
            now: NOW,
            capacity,
            on: (),
        }
    }

    store_conformance!(open);
}

mod in_a_file {
    use super::*;

    async fn open(capacity: u32) -> Subject<TempDir> {
        let on = tempfile::tempdir().unwrap();
        let store = EmbeddedStore::open(&on.path().join("2fapi.redb"), capacity).unwrap();
        Subject {
            store: Arc::new(store),
            now: NOW,
            capacity,
            on,
        }
    }

    store_conformance!(open);
}

fn on_disk(disk: &Disk, capacity: u32) -> EmbeddedStore {
    let disk = disk.clone();
    let open = move || {
        Database::builder()
            .create_with_backend(disk.clone())
            .map_err(failed)
    };
    EmbeddedStore::over(open, capacity).unwrap()
}

/// What a crash takes with it.
enum Crash {
    /// The process alone: everything that was written is there.
    Killed,
    /// The machine: of what was written and not flushed, some is there and some is not.
    PowerLost,
}

fn subject_to(crash: Crash, capacity: u32) -> Subject<(Disk, Crash)> {
    let disk = Disk::default();
    Subject {
        store: Arc::new(on_disk(&disk, capacity)),
        now: NOW,
        capacity,
        on: (disk, crash),
    }
}

#[async_trait]
impl DurableStoreUnderTest for Subject<(Disk, Crash)> {
    /// The store before goes on with the disk before, and nobody sees what it does.
    async fn crash(&mut self) {
        let (disk, crash) = &self.on;
        let after = match crash {
            Crash::Killed => disk.as_written(),
            Crash::PowerLost => disk.as_flushed_and_perhaps_more(),
        };
        self.store = Arc::new(on_disk(&after, self.capacity));
        self.on.0 = after;
    }
}

mod on_a_disk_when_the_process_is_killed {
    use super::*;

    async fn open(capacity: u32) -> Subject<(Disk, Crash)> {
        subject_to(Crash::Killed, capacity)
    }

    store_conformance!(durable open);
}

mod on_a_disk_that_loses_power {
    use super::*;

    async fn open(capacity: u32) -> Subject<(Disk, Crash)> {
        subject_to(Crash::PowerLost, capacity)
    }

    store_conformance!(durable open);
}

fn id(text: &str) -> ClientId {
    ClientId::parse(text).unwrap()
}

fn store() -> EmbeddedStore {
    EmbeddedStore::in_memory(100).unwrap()
}

async fn invite(store: &EmbeddedStore, key: InvitationKey, name: &str, seconds: u64, now: u64) {
    let invitation = Invitation {
        key,
        client_id: id(name),
        kind: InvitationKind::Enrol,
        expires_at: now + seconds,
    };
    store.invite(&invitation, now).await.unwrap();
}

async fn is_invited(store: &EmbeddedStore, key: InvitationKey, name: &str, now: u64) -> bool {
    let invited = store.invited_to(&key, &id(name), now).await;
    invited.unwrap().is_some()
}

#[tokio::test]
async fn expired_invitations_are_forgotten_where_there_are_many() {
    let store = store();
    let key = |n: u64| {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&n.to_be_bytes());
        key
    };
    let count = || {
        store.read(|t| {
            let live = t.open_table(INVITATIONS).map_err(failed)?;
            let by_expiry = t.open_table(BY_EXPIRY).map_err(failed)?;
            let len = live.len().map_err(failed)?;
            Ok((len, by_expiry.len().map_err(failed)?))
        })
    };
    let many = KEPT + 50;
    for n in 0..many {
        invite(&store, key(n), "alice", 10, NOW).await;
    }
    assert_eq!(count().unwrap(), (many, many), "a live one was forgotten");
    for n in many..many + 100 {
        invite(&store, key(n), "alice", 850, NOW + 50).await;
    }
    assert_eq!(count().unwrap(), (KEPT, KEPT));
    assert!(is_invited(&store, key(many + 99), "alice", NOW + 50).await);
}

#[tokio::test]
async fn a_clock_that_was_ahead_for_a_moment_forgets_no_invitation() {
    let store = store();
    invite(&store, [1; 32], "bob", 600, NOW).await;
    let ahead = NOW + 10 * 365 * 86_400;
    invite(&store, [2; 32], "carl", 600, ahead).await;
    assert!(!is_invited(&store, [1; 32], "bob", ahead).await);
    assert!(is_invited(&store, [1; 32], "bob", NOW + 1).await);
}

#[tokio::test]
async fn a_file_is_its_owners_alone_and_one_process_has_it_open() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("made/for/it/2fapi.redb");
    let alice = Person::new("alice");
    {
        let store = EmbeddedStore::open(&path, 10).unwrap();
        let enrolment = alice.enrolment(Permission::Host);
        let enrolled = store.commit(&enrolment, None, NOW).await.unwrap();
        assert_eq!(enrolled, Committed::Done);
    }
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&path), 0o600);
    assert_eq!(mode(path.parent().unwrap()), 0o700);
    let store = EmbeddedStore::open(&path, 10).unwrap();
    let record = store.look_up(&alice.id).await.unwrap().unwrap();
    let expected = Record::enrolled(&alice.commitment(), CredentialName::unnamed(), 0);
    assert_eq!(record, expected);

    let busy = EmbeddedStore::open(&path, 10).err().unwrap().to_string();
    assert!(busy.contains("another process has it open"), "{busy}");
    drop(store);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let open = EmbeddedStore::open(&path, 10).err().unwrap().to_string();
    assert!(open.contains("chmod 600"), "{open}");
}

#[tokio::test]
async fn sessions_outlive_an_orderly_restart_and_are_not_in_the_file_meanwhile() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("2fapi.redb");
    let open = || EmbeddedStore::open(&path, 10).unwrap();
    let session = |number| Session {
        id: SessionId::from_bytes([number; 16]),
        client_id: id("alice"),
        credential: CredentialId::from_bytes([1; 16]),
        since: 1,
        generation: 0,
        amr: vec!["zkp".into()],
        source: None,
        issued_at: NOW,
        expires_at: NOW + 900,
        jkt: None,
    };
    let in_file = |store: &EmbeddedStore| {
        let there = store.read(|t| Ok(t.open_table(SESSIONS).is_ok()));
        there.unwrap()
    };
    let store = open();
    for number in [1, 2] {
        sessions::locked(&store.memory.sessions).open(session(number), NOW);
    }
    assert!(!in_file(&store));
    drop(store);
    let store = open();
    assert_eq!(store.sessions(&id("alice"), NOW).await.unwrap().len(), 2);
    // A crash from here on finds none of them, ended or not.
    assert!(!in_file(&store));
    let ended = store.end_sessions(&id("alice"), &[session(1).id]).await;
    assert_eq!(ended.unwrap(), 1);
    drop(store);
    let store = open();
    assert_eq!(
        store.sessions(&id("alice"), NOW).await.unwrap(),
        [session(2)]
    );
    assert!(
        store
            .sessions(&id("alice"), NOW + 900)
            .await
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
async fn what_the_disk_refuses_is_not_acknowledged_and_is_taken_again_when_there_is_room() {
    let disk = Disk::default();
    let store = on_disk(&disk, 10);
    let enrol = async |name: &str| {
        let step = Person::new(name).enrolment(Permission::Host);
        store.commit(&step, None, NOW).await
    };
    assert!(enrol("alice").await.is_ok());
    assert!(store.check().await.is_ok());
    disk.fill(true);
    assert!(enrol("bob").await.is_err());
    assert!(store.check().await.is_err());

    disk.fill(false);
    thread::sleep(REOPEN_AFTER + Duration::from_millis(500));
    assert!(store.check().await.is_ok(), "it stays shut");
    assert!(store.look_up(&id("alice")).await.unwrap().is_some());
    assert_eq!(enrol("carl").await.unwrap(), Committed::Done);
}

/// A file as the version before wrote it: its number, a client's 37 bytes, and no table of what came later.
fn write_format_1(path: &Path, alice: &Person, format: u64) {
    let file = Database::create(path).unwrap();
    let t = file.begin_write().unwrap();
    let about: TableDefinition<'_, &str, u64> = TableDefinition::new("about");
    t.open_table(about)
        .unwrap()
        .insert("format", format)
        .unwrap();
    let mut old = vec![0, 0, 0, 0, 7];
    old.extend(alice.commitment().as_bytes());
    t.open_table(CLIENTS)
        .unwrap()
        .insert(alice.id.as_str(), &old[..])
        .unwrap();
    t.commit().unwrap();
    drop(file);
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

#[tokio::test]
async fn a_file_of_before_is_served_and_has_another_number_then() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("2fapi.redb");
    let alice = Person::new("alice");
    write_format_1(&path, &alice, 1);
    // It can be looked at, and is left as it was.
    let place = StorePlace::find(&path).unwrap();
    for _ in 0..2 {
        let at_rest = ClientsAtRest::open(&place).unwrap();
        let seen = at_rest.client(&alice.id).unwrap().unwrap();
        assert_eq!(seen.first().commitment(), alice.commitment().as_bytes());
    }
    for _ in 0..2 {
        let store = EmbeddedStore::open(&path, 10).unwrap();
        let record = store.look_up(&alice.id).await.unwrap().unwrap();
        assert_eq!((record.version(), record.first().since()), (7, 7));
        let number = store.read(|t| {
            let about: TableDefinition<'_, &str, u64> = TableDefinition::new("about");
            let about = t.open_table(about).map_err(failed)?;
            Ok(about.get("format").map_err(failed)?.map(|n| n.value()))
        });
        // A version before opens files of smaller numbers and no others.
        assert_eq!(number.unwrap(), Some(3));
    }
    assert!(ClientsAtRest::open(&place).is_ok());
}

#[test]
fn a_file_of_a_later_version_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("2fapi.redb");
    write_format_1(&path, &Person::new("alice"), 4);
    let refused = EmbeddedStore::open(&path, 10).err().unwrap().to_string();
    assert!(refused.contains("it has format 4"), "{refused}");
    let place = StorePlace::find(&path).unwrap();
    let refused = ClientsAtRest::open(&place).err().unwrap().to_string();
    assert!(refused.contains("it has format 4"), "{refused}");
}
