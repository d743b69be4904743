//! A store in Redis 7 or newer, or Valkey, for any number of servers: one node, one that sentinels watch, or a cluster.
//!
//! Each call is one script, by which Redis decides everything. What may never be lost is acknowledged when it is on disk
//! and at as many replicas as the URL says; what is accepted by a spent set goes with that set.

mod about;
mod connection;
mod contents;
mod keys;
mod layout;
mod node;
mod pages;
mod place;
mod reach;
mod said;
mod scripts;
mod signing_keys;
mod steps;

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicU16, AtomicU64, Ordering},
};

use async_trait::async_trait;
use redis::{Cmd, Value};
use twofapi_crypto_core::{
    ClientId, Error, Record, Transition,
    ceremony::{At, Committed, Epoch, PendingLink, Step},
};

use super::{
    api::{Invitation, InvitationKey, InvitationKind, Store, StoreError, failed},
    changes::RecordChange,
    known::Known,
    sealed::SealedKey,
    session::{Session, SessionId},
    signing_key::SigningKeyRecord,
};
use crate::operator_keys::OperatorKeys;
use about::About;
use connection::Connections;
use layout::{Bucket, kept, record};
use place::Place;
use said::{Answer, Said, elsewhere, unexpected};
use scripts::Name;
use signing_keys::to_bytes;
use steps::{Capacity, SaidStep, of_set, outcome};

pub use contents::RedisContents;

/// So often a change is tried whose record somebody else changes meanwhile.
const TRIES: usize = 16;
/// The buckets whose nodes a check looks at; the next one goes on where it ended.
const CHECKED_AT_ONCE: u16 = 4;

/// The store in Redis that servers share.
///
/// Its URL is `redis://` or, where it leaves the machine, `rediss://`, with `user:password@`, hosts, and then
///
/// | | |
/// |---|---|
/// | `host:port/database` | one node |
/// | `redis+sentinel://host,host/service/database` | the master that sentinels name |
/// | `redis+cluster://host,host` | a cluster |
///
/// | behind `?` | |
/// |---|---|
/// | `replicas=N` | how many replicas have to have a change before it is acknowledged: say all that there are. Unless it is said, none has to, and **a failover can lose an enrolment or a revocation that was acknowledged**; a number less than all is no better, for another replica may be promoted. |
/// | `durability=none` | a change need not be on disk: a crash can lose it. Otherwise the node needs `appendonly yes`, and a Redis before 7.2 `appendfsync always`. |
/// | `prefix`, `buckets` | for the making of a store: what its keys begin with (to be said later as well), and over how many places of a cluster its clients are spread |
/// | `connections` | at most so many changes wait at a time |
/// | `sslrootcert`, `sslcert`, `sslkey` | files for TLS: whom to trust, and by what to be known |
/// | `tls=disable` | what leaves the machine is not encrypted |
/// | `sentinel_user`, `sentinel_password` | for sentinels that ask for them |
///
/// Nodes must not throw keys away (`maxmemory-policy noeviction`), and whoever can write to them decides who is let in. Its
/// user needs `+@read +@write +@scripting +select +info +time +role +wait +waitaof`, on keys that begin with `{prefix:`; in a
/// cluster `+cluster` as well, and before Redis 7.2 `+config|get`.
pub struct RedisStore {
    connections: Connections,
    keys: OperatorKeys,
    about: About,
    capacity: Capacity,
    /// Of each bucket.
    known: Vec<Known>,
    /// Of whichever node has answered last.
    clock: Known,
    /// Over which connection that was learnt: what is behind another one may be another master.
    learnt_over: Mutex<Option<u64>>,
    checked: AtomicU16,
    signing_keys_number: AtomicU64,
}

impl RedisStore {
    /// Connects to the store that is there, of this version and under these keys.
    ///
    /// # Errors
    /// [`StoreError`], saying what the operator can do.
    pub async fn open(
        url: &str,
        keys: OperatorKeys,
        spent_capacity: u32,
    ) -> Result<Self, StoreError> {
        let connections = Connections::to(Place::parse(url).map_err(StoreError)?);
        let about = about::check_store(&connections, &keys).await?;
        let count = about.buckets.count;
        Ok(Self {
            connections,
            keys,
            capacity: Capacity::of(spent_capacity, count),
            known: (0..count).map(|_| Known::default()).collect(),
            clock: Known::default(),
            learnt_over: Mutex::new(None),
            checked: AtomicU16::new(0),
            signing_keys_number: AtomicU64::new(0),
            about,
        })
    }

    /// Makes a store, or goes on where making one was cut off. Gives the version that was there, 0 for none, and the one
    /// that is.
    ///
    /// # Errors
    /// [`StoreError`]; to be tried again then.
    pub async fn migrate(url: &str, keys: &OperatorKeys) -> Result<(i32, i32), StoreError> {
        let connections = Connections::to(Place::parse(url).map_err(StoreError)?);
        about::migrate(&connections, keys).await
    }

    /// Seals under the current key what is sealed under another one, and says how many seeds that were.
    ///
    /// # Errors
    /// [`StoreError`]; what was not sealed anew stays under its key.
    pub async fn rewrap(&self) -> Result<usize, StoreError> {
        let mut rewrapped = 0;
        for kept in self.kept_signing_keys().await? {
            let Some(again) = kept.rewrapped(&self.keys, &self.about.id)? else {
                continue;
            };
            let first = self.about.buckets.first();
            let keys = first.signing_keys();
            let said = self
                .said(Name::SealKey, first)
                .key(keys)
                .with(kept.kid.as_bytes())
                .with(to_bytes(&kept))
                .with(to_bytes(&again));
            if self.safely(&said).await?.is_done()? {
                rewrapped += 1;
            }
        }
        about::seal_check(&self.connections, &self.keys, &self.about).await?;
        Ok(rewrapped)
    }

    fn bucket(&self, id: &ClientId) -> Bucket {
        self.about.buckets.of(id)
    }

    fn said(&self, script: Name, bucket: Bucket) -> Said {
        Said::new(script, &self.about.id, bucket)
    }

    /// What may never be lost.
    async fn safely(&self, said: &Said) -> Result<Answer, StoreError> {
        self.connections.ask_safely(said, self.about.safety).await
    }

    /// What a client has under a key of its own, asked of a master of this store. The answer says as well of which number
    /// the signing keys are.
    async fn value(&self, bucket: &Bucket, key: String) -> Result<Option<Vec<u8>>, StoreError> {
        let mut get = redis::cmd("MGET");
        get.arg(bucket.about())
            .arg(key)
            .arg(bucket.signing_keys_number());
        let commands: Vec<Cmd> = vec![get, redis::cmd("ROLE")];
        let answers: [Value; 2] = self
            .connections
            .read(commands)
            .await?
            .try_into()
            .map_err(|_| unexpected())?;
        let [Value::Array(values), Value::Array(role)] = answers else {
            return Err(unexpected());
        };
        if !matches!(role.first(), Some(Value::BulkString(role)) if role == b"master") {
            // What a replica has may be old.
            self.connections.give_up();
            return Err(StoreError("Redis is no master any longer".into()));
        }
        let [about, value, number]: [Value; 3] = values.try_into().map_err(|_| unexpected())?;
        match about {
            Value::BulkString(about) if about == self.about.id => {}
            Value::BulkString(about) => return Err(elsewhere(&about)),
            _ => return Err(elsewhere(b"")),
        }
        // There is none before the first change that this version has made.
        if let Value::BulkString(number) = number {
            let number = str::from_utf8(&number)
                .ok()
                .and_then(|number| number.parse().ok());
            self.learn_number(number.ok_or_else(unexpected)?);
        }
        match value {
            Value::BulkString(value) => Ok(Some(value)),
            Value::Nil => Ok(None),
            _ => Err(unexpected()),
        }
    }

    /// The sessions of a client, or the one of this id.
    async fn listed(&self, client: &ClientId, id: &[u8]) -> Result<Vec<Session>, StoreError> {
        let bucket = self.bucket(client);
        let sessions = bucket.sessions(client);
        let said = of_set(Name::Session, &self.about.id, bucket)
            .key(sessions)
            .with(id);
        let answer = self.connections.ask(&said).await?;
        let now = answer.number(0)?;
        self.clock.learn_clock(now);
        let read = |bytes: Result<&[u8], StoreError>| Session::from_bytes(client, bytes?);
        let listed: Vec<_> = answer.all_bytes(1).map(read).collect::<Result<_, _>>()?;
        let live = listed.into_iter().filter(|one| now < one.expires_at);
        Ok(live.collect())
    }

    /// It has no mark, and is this one. A mark comes to the first bucket first.
    async fn see_that_it_is_there(&self) -> Result<(), StoreError> {
        let first = self.about.buckets.first();
        self.value(&first, first.fence()).await.map(drop)
    }

    async fn kept_signing_keys(&self) -> Result<Vec<SealedKey>, StoreError> {
        signing_keys::kept(&self.connections, &self.about.buckets).await
    }

    fn learn_number(&self, number: u64) {
        self.signing_keys_number.fetch_max(number, Ordering::AcqRel);
    }

    /// Says the new number of the list of signing keys in every bucket. Were one to lose it in a failover, servers would
    /// learn of the change when they read the keys again the next time.
    async fn number_keys(&self, number: u64) -> Result<(), StoreError> {
        for bucket in self.about.buckets.all().skip(1) {
            let key = bucket.signing_keys_number();
            let said = self.said(Name::NumberKeys, bucket).key(key).number(number);
            self.connections.ask(&said).await?.is_done()?;
        }
        self.learn_number(number);
        Ok(())
    }

    /// What is known of a bucket's spent set, if the connection is the one over which it was learnt.
    fn known(&self, bucket: &Bucket) -> &Known {
        let current = self.connections.current();
        let mut over = self
            .learnt_over
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if *over != current {
            *over = current;
            self.forget_epochs();
        }
        &self.known[usize::from(bucket.number)]
    }

    fn forget_epochs(&self) {
        self.known.iter().for_each(Known::forget);
    }
}

/// Says an invitation.
fn invite(said: Said, invitation: &Invitation) -> Said {
    let kind = match invitation.kind {
        InvitationKind::Enrol => "e",
        InvitationKind::Reset => "r",
    };
    let invitations = said.bucket.invitations(&invitation.client_id);
    said.key(invitations)
        .with(kind)
        .with(invitation.key)
        .number(invitation.expires_at)
}

fn last_millisecond(pending: &PendingLink) -> i64 {
    let until = i64::try_from(pending.until()).unwrap_or(i64::MAX);
    until.saturating_mul(1000).saturating_sub(1)
}

#[async_trait]
impl Store for RedisStore {
    fn is_shared(&self) -> bool {
        true
    }

    /// By the node that has said last what time it is: the clocks of a cluster are taken for one.
    fn time(&self, now: u64) -> u64 {
        self.clock.time(now)
    }

    async fn look_up(&self, id: &ClientId) -> Result<Option<Record>, StoreError> {
        let bucket = self.bucket(id);
        let kept = self.value(&bucket, bucket.client(id)).await?;
        kept.map(|kept| record(&kept)).transpose()
    }

    async fn clients_after(
        &self,
        after: Option<&ClientId>,
        limit: usize,
    ) -> Result<Vec<(ClientId, Record)>, StoreError> {
        let buckets = &self.about.buckets;
        let clients = pages::clients_after(&self.connections, buckets, after, limit).await?;
        self.see_that_it_is_there().await?;
        Ok(clients)
    }

    async fn change_record(
        &self,
        id: &ClientId,
        change: &RecordChange,
    ) -> Result<Result<(Transition, Record), Error>, StoreError> {
        let bucket = self.bucket(id);
        for _ in 0..TRIES {
            let Some(before) = self.value(&bucket, bucket.client(id)).await? else {
                return Ok(Err(Error::NotEnrolled));
            };
            let mut record = record(&before)?;
            let transition = match change.apply(&mut record) {
                Ok(transition) => transition,
                Err(error) => return Ok(Err(error)),
            };
            // Where nothing changes, what was changed before may not be safe yet: it is waited for as well.
            let client = bucket.client(id);
            let said = self
                .said(Name::Replace, bucket.clone())
                .key(client)
                .with(before)
                .with(kept(&record));
            if self.safely(&said).await?.is_done()? {
                return Ok(Ok((transition, record)));
            }
        }
        Err(StoreError(
            "the record of a client is being changed all the time".into(),
        ))
    }

    async fn invite(&self, invitation: &Invitation, _now: u64) -> Result<(), StoreError> {
        let bucket = self.bucket(&invitation.client_id);
        let said = invite(self.said(Name::Invite, bucket), invitation);
        self.safely(&said).await.map(drop)
    }

    async fn invited_to(
        &self,
        key: &InvitationKey,
        id: &ClientId,
        _now: u64,
    ) -> Result<Option<InvitationKind>, StoreError> {
        let bucket = self.bucket(id);
        let invitations = bucket.invitations(id);
        let said = self.said(Name::Invited, bucket).key(invitations).with(*key);
        match self.connections.ask(&said).await?.bytes(0)? {
            b"" => Ok(None),
            b"e" => Ok(Some(InvitationKind::Enrol)),
            b"r" => Ok(Some(InvitationKind::Reset)),
            _ => Err(unexpected()),
        }
    }

    async fn cancel_invitations(&self, id: &ClientId) -> Result<u64, StoreError> {
        let bucket = self.bucket(id);
        let invitations = bucket.invitations(id);
        let said = self.said(Name::Cancel, bucket).key(invitations);
        self.safely(&said).await?.number(0)
    }

    async fn pending_link(
        &self,
        id: &ClientId,
        _now: u64,
    ) -> Result<Option<PendingLink>, StoreError> {
        let bucket = self.bucket(id);
        let pending = self.value(&bucket, bucket.link(id)).await?;
        let read = |bytes: Vec<u8>| PendingLink::from_bytes(&bytes).map_err(failed);
        pending.map(read).transpose()
    }

    async fn offer_link(
        &self,
        id: &ClientId,
        offer: &PendingLink,
        _now: u64,
    ) -> Result<(), StoreError> {
        let bucket = self.bucket(id);
        let link = bucket.link(id);
        let said = self
            .said(Name::Offer, bucket)
            .key(link)
            .with(offer.to_bytes())
            .number(last_millisecond(offer));
        self.connections.ask(&said).await.map(drop)
    }

    async fn replace_pending_link(
        &self,
        id: &ClientId,
        before: &PendingLink,
        after: &PendingLink,
        _now: u64,
    ) -> Result<bool, StoreError> {
        let bucket = self.bucket(id);
        let link = bucket.link(id);
        let said = self
            .said(Name::Join, bucket)
            .key(link)
            .with(before.to_bytes())
            .with(after.to_bytes())
            .number(last_millisecond(after));
        self.connections.ask(&said).await?.is_done()
    }

    fn signing_keys_number(&self) -> u64 {
        self.signing_keys_number.load(Ordering::Acquire)
    }

    async fn signing_keys(&self) -> Result<Vec<SigningKeyRecord>, StoreError> {
        let kept = self.kept_signing_keys().await?;
        self.see_that_it_is_there().await?;
        let unsealed = kept
            .into_iter()
            .map(|kept| kept.unsealed(&self.keys, &self.about.id));
        unsealed.collect()
    }

    async fn add_signing_key(
        &self,
        key: &SigningKeyRecord,
        others: &[String],
    ) -> Result<bool, StoreError> {
        let kept = SealedKey::sealed(key, &self.keys, &self.about.id)?;
        let first = self.about.buckets.first();
        let (keys, number) = (first.signing_keys(), first.signing_keys_number());
        let mut said = self
            .said(Name::AddKey, first)
            .key(keys)
            .key(number)
            .with(kept.kid.as_bytes())
            .with(to_bytes(&kept));
        for other in others {
            said = said.with(other.as_bytes());
        }
        let answer = self.safely(&said).await?;
        let added = answer.is_done()?;
        if added {
            self.number_keys(answer.number(0)?).await?;
        }
        Ok(added)
    }

    async fn remove_signing_key(&self, kid: &str) -> Result<(), StoreError> {
        let first = self.about.buckets.first();
        let (keys, number) = (first.signing_keys(), first.signing_keys_number());
        let said = self
            .said(Name::RemoveKey, first)
            .key(keys)
            .key(number)
            .with(kid);
        let number = self.safely(&said).await?.number(0)?;
        self.number_keys(number).await
    }

    async fn epoch(&self, id: &ClientId, _now: u64) -> Result<At, StoreError> {
        let bucket = self.bucket(id);
        if let Some(at) = self.known(&bucket).at() {
            return Ok(at);
        }
        let drawn = Epoch::generate(&mut getrandom::SysRng).map_err(failed)?;
        let said =
            of_set(Name::Epoch, &self.about.id, bucket.clone()).with(drawn.as_bytes().as_slice());
        let answer = self.connections.ask(&said).await?;
        let epoch = answer.bytes(0)?.try_into().map_err(|_| unexpected())?;
        let at = At {
            epoch: Epoch::from_bytes(epoch),
            now: answer.number(1)?,
        };
        self.clock.learn_clock(at.now);
        self.known(&bucket).learn(at);
        Ok(at)
    }

    async fn commit(
        &self,
        step: &Step,
        session: Option<&Session>,
        _now: u64,
    ) -> Result<Committed, StoreError> {
        Session::check_opens(step, session)?;
        let bucket = self.bucket(&step.client_id);
        let epoch = step.spend.as_ref().map(|spend| spend.epoch);
        let step = SaidStep::of(step, session, &self.about.id, bucket.clone(), self.capacity)
            .ok_or_else(|| StoreError("no ceremony makes such a step".into()))?;
        let answer = match step.lasts {
            true => self.safely(&step.said).await?,
            false => self.connections.ask(&step.said).await?,
        };
        let (committed, clock) = outcome(&answer)?;
        if let Some(now) = clock {
            self.clock.learn_clock(now);
        }
        match (committed, clock, epoch) {
            // One node has lost its sets, and so may others have.
            (Committed::StaleEpoch, ..) => self.forget_epochs(),
            (Committed::Changed, Some(now), _) => self.known(&bucket).learn_clock(now),
            // Of every other answer the epoch was the set's.
            (_, Some(now), Some(epoch)) => self.known(&bucket).learn(At { epoch, now }),
            _ => {}
        }
        Ok(committed)
    }

    async fn session(
        &self,
        client: &ClientId,
        id: &SessionId,
        _now: u64,
    ) -> Result<Option<Session>, StoreError> {
        Ok(self.listed(client, id.as_bytes()).await?.pop())
    }

    async fn sessions(&self, client: &ClientId, _now: u64) -> Result<Vec<Session>, StoreError> {
        self.listed(client, b"").await
    }

    async fn end_sessions(&self, client: &ClientId, ids: &[SessionId]) -> Result<u64, StoreError> {
        let bucket = self.bucket(client);
        let (sessions, ends) = (bucket.sessions(client), bucket.session_ends(client));
        let mut said = self.said(Name::End, bucket).key(sessions).key(ends);
        for id in ids {
            said = said.with(id.as_bytes().as_slice());
        }
        // Whatever would take this back takes the epoch, and with it every session.
        self.connections.ask(&said).await?.number(0)
    }

    async fn check(&self) -> Result<(), StoreError> {
        let buckets = &self.about.buckets;
        let few = CHECKED_AT_ONCE.min(buckets.count);
        let from = self.checked.fetch_add(few, Ordering::Relaxed);
        // Where one node of a cluster is away, the others go on.
        let mut answered = Err(StoreError("no node answers".into()));
        for ahead in 0..few {
            let bucket = buckets.number(from.wrapping_add(ahead) % buckets.count);
            let asked = async {
                // It says whether the store is there, whatever it has under that name.
                self.value(&bucket, bucket.fence()).await?;
                node::check_node(&self.connections, &bucket).await
            };
            match asked.await {
                Ok(fit) => {
                    if fit? != self.about.safety {
                        return Err(StoreError(
                            "Redis is of another version than when the store was opened; start again"
                                .into(),
                        ));
                    }
                    answered = Ok(());
                }
                Err(error) if answered.is_err() => answered = Err(error),
                Err(error) => tracing::warn!(reason = error.0, "a node does not answer"),
            }
        }
        answered
    }
}
