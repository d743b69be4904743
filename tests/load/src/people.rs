//! Clients, each with a credential of its own, and how they get into a store.

use std::{
    sync::Arc,
    thread,
    time::{SystemTime, UNIX_EPOCH},
};

use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
use twofapi_crypto_core::{
    ClientId, Credential, CredentialName, Record,
    ceremony::{Change, Committed, Expect, Permission, Step},
};
use twofapi_server::Store;

/// So many are enrolled at once: what waits for the disk waits together.
const AT_ONCE: usize = 256;

/// Who may log in.
pub struct People {
    credentials: Vec<Credential>,
}

impl People {
    /// So many, the same ones each time.
    ///
    /// # Panics
    /// When a thread does.
    #[must_use]
    pub fn new(count: usize) -> Arc<Self> {
        let threads = thread::available_parallelism().map_or(1, usize::from);
        let share = count.div_ceil(threads).max(1);
        let credentials = thread::scope(|scope| {
            let made: Vec<_> = (0..count)
                .step_by(share)
                .map(|from| scope.spawn(move || made(from, (from + share).min(count))))
                .collect();
            let made = made.into_iter().map(|one| one.join().expect("no panic"));
            made.flatten().collect()
        });
        Arc::new(Self { credentials })
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.credentials.len()
    }

    /// One of them.
    ///
    /// # Panics
    /// When there are not so many.
    #[must_use]
    pub fn credential(&self, number: usize) -> &Credential {
        &self.credentials[number]
    }

    /// Enrols the first so many, by the library: what a million requests would do, without them.
    ///
    /// # Panics
    /// When the store does not work.
    pub async fn enrol(self: &Arc<Self>, count: usize, store: &Arc<dyn Store>) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.expect("a clock").as_secs();
        let tasks: Vec<_> = (0..AT_ONCE.min(count))
            .map(|first| {
                let (people, store) = (Arc::clone(self), Arc::clone(store));
                tokio::spawn(async move {
                    for number in (first..count).step_by(AT_ONCE) {
                        let step = people.enrolment(number, now);
                        let done = store
                            .commit(&step, None, now)
                            .await
                            .expect("the store works");
                        assert_eq!(done, Committed::Done);
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.expect("no panic");
        }
    }

    fn enrolment(&self, number: usize, now: u64) -> Step {
        let commitment = self.credentials[number].commitment();
        let record = Record::enrolled(commitment, CredentialName::unnamed(), now);
        Step {
            client_id: id(number),
            expect: Expect::Absent(Permission::Host),
            spend: None,
            change: Change::Insert(record),
        }
    }
}

/// What a client is called.
pub(crate) fn id(number: usize) -> ClientId {
    ClientId::parse(&format!("client-{number:08}")).expect("well-formed")
}

fn made(from: usize, to: usize) -> Vec<Credential> {
    let one = |number: usize| {
        let mut rng = ChaCha20Rng::seed_from_u64(number as u64);
        Credential::generate(&mut rng).expect("randomness")
    };
    (from..to).map(one).collect()
}
