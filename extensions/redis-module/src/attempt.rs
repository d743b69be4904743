//! An attempt of the core's on its way through this host: begun and ended on the main thread, verified on
//! another. Until its step is taken nothing is spent, so that one that is dropped leaves nothing behind.

use std::{
    cell::RefCell,
    ffi::CStr,
    mem,
    sync::atomic::{AtomicU32, Ordering},
};

use getrandom::SysRng;
use twofapi_crypto_core::{
    ClientId, Commitment, Error,
    ceremony::{
        Accepted, Change, Check, Commit, Join, Joiner, LinkState, PendingLink, Refused, Wanted,
        verify_batch,
    },
};

use crate::{
    clock,
    counters::{self, Counter},
    host::{Ctx, Level, acl, writes},
    rules::{acl_user::AclUser, client::Seen, failure::Failure, key_name::KeyName, reply::Answer},
    session, settings,
    store::{
        clients, pending,
        step::{self, Taken},
    },
};

/// How far an attempt has come.
#[allow(
    clippy::large_enum_variant,
    reason = "the large one is the usual one, and an attempt is in a box"
)]
enum Stage {
    /// The client was looked up; its record is still to be read.
    Wanted(Wanted, Seen),
    /// Permitted by who gave the command.
    Check(Box<Check>),
    /// A second device that asks to be linked, and what its client had pending.
    Joiner(Box<Joiner>, Option<PendingLink>),
    /// What the store has to do, or why it has nothing to do.
    Settled(Result<Commit, Refused>),
    /// The same of a second device.
    Joined(Result<Join, Refused>),
    /// It gave way to others, and nobody looked at the proof.
    Displaced,
    /// A thread has it, or had it and panicked.
    Away,
}

/// What an attempt is to achieve.
pub(crate) enum Purpose {
    /// A session.
    LogIn {
        /// The connection has to become an ACL user, because it may be nobody yet: left as it is, it would
        /// be the default user without that one's password.
        must_be_mapped: bool,
    },
    /// A client whose connections become this ACL user.
    Enrol(Option<AclUser>),
    Rotate,
    Link,
    Unlink,
    /// A credential in the place of all that the client has.
    Reset,
    /// A place among what the client has pending.
    Join,
}

impl Purpose {
    /// What those are told who listen to the keyspace.
    const fn event(&self) -> &'static CStr {
        match self {
            Self::LogIn { .. } => c"",
            Self::Enrol(_) => c"2fapi.enroll",
            Self::Rotate => c"2fapi.rotate",
            Self::Link => c"2fapi.link",
            Self::Unlink => c"2fapi.unlink",
            Self::Reset => c"2fapi.reset",
            Self::Join => c"2fapi.join",
        }
    }

    /// What counts it.
    const fn counter(&self) -> &'static Counter {
        match self {
            Self::LogIn { .. } => &counters::ACCEPTED,
            Self::Enrol(_) => &counters::ENROLLED,
            Self::Rotate => &counters::ROTATED,
            Self::Link => &counters::LINKED,
            Self::Unlink => &counters::UNLINKED,
            Self::Reset => &counters::RESET,
            Self::Join => &counters::JOINED,
        }
    }
}

/// An attempt on its way.
pub(crate) struct Attempt {
    client_id: ClientId,
    purpose: Purpose,
    stage: Stage,
}

impl Attempt {
    /// One that a credential proves, by what was found under this id.
    pub(crate) fn of(client_id: ClientId, wanted: Wanted, seen: Seen, purpose: Purpose) -> Self {
        Self {
            client_id,
            purpose,
            stage: Stage::Wanted(wanted, seen),
        }
    }

    /// One that who gave the command has permitted.
    pub(crate) fn of_permitted(client_id: ClientId, check: Check, purpose: Purpose) -> Self {
        Self {
            client_id,
            purpose,
            stage: Stage::Check(Box::new(check)),
        }
    }

    /// A second device that asks to be linked, by what was pending.
    pub(crate) fn of_joiner(joiner: Joiner, pending: Option<PendingLink>) -> Self {
        Self {
            client_id: joiner.client_id().clone(),
            purpose: Purpose::Join,
            stage: Stage::Joiner(Box::new(joiner), pending),
        }
    }

    /// It gives way to others, without an answer to whether the proof is good.
    pub(crate) fn displace(&mut self) {
        self.stage = Stage::Displaced;
    }

    /// What there is to verify: of the client's commitment or a decoy, read and decoded alike.
    fn take_check(&mut self) -> Option<Check> {
        match mem::replace(&mut self.stage, Stage::Away) {
            Stage::Wanted(wanted, seen) => wanted.found(seen.record().ok()?, known).ok(),
            Stage::Check(check) => Some(*check),
            other => {
                self.stage = other;
                None
            }
        }
    }

    /// Verifies the proof.
    pub(crate) fn check(&mut self) {
        if let Some(check) = self.take_check() {
            self.stage = Stage::Settled(check.verify().settle());
        } else {
            self.check_joiner();
        }
    }

    fn check_joiner(&mut self) {
        self.stage = match mem::replace(&mut self.stage, Stage::Away) {
            Stage::Joiner(joiner, pending) => Stage::Joined(joiner.found(pending)),
            other => other,
        };
    }

    /// Draws the consequences, on the main thread.
    pub(crate) fn conclude(&mut self, ctx: Ctx<'_>) -> Result<Answer, Failure> {
        match mem::replace(&mut self.stage, Stage::Away) {
            Stage::Settled(settled) => self.take_the_step(ctx, settled).map(|()| Answer::Ok),
            Stage::Joined(joined) => self.join(ctx, joined).map(Answer::Number),
            Stage::Displaced => Err(throttled(1)),
            Stage::Wanted(..) | Stage::Check(_) | Stage::Joiner(..) | Stage::Away => {
                Err(Failure::GIVEN_UP)
            }
        }
    }

    /// Between the command and now another device may have joined, or the offer been withdrawn. Answers until
    /// when the first device may link this one.
    fn join(&self, ctx: Ctx<'_>, joined: Result<Join, Refused>) -> Result<u64, Failure> {
        let client_id = &self.client_id;
        let refused = |refused| refuse(ctx, client_id, refused);
        let join = joined.map_err(refused)?;
        let now = clock::unix_seconds();
        let is_clashed = |link: &PendingLink| link.state(now) == Some(&LinkState::Clashed);
        let clashes = is_clashed(join.after()) && !is_clashed(join.before());
        let until = join.after().until();
        let replaced = pending::join(&join);
        if replaced && clashes {
            clients::tell(ctx, client_id, c"2fapi.clash");
            let what = "a second device joined an offer that another had joined: neither is linked";
            ctx.log(
                Level::Warning,
                &format!("2fapi: client {client_id}: {what}"),
            );
        }
        // The number is worked out by both devices, and not told.
        let _ = join.done(replaced).map_err(refused)?;
        clients::tell(ctx, client_id, self.purpose.event());
        self.purpose.counter().add();
        Ok(until)
    }

    /// Between the command and now the client may have been suspended, revoked or changed, and its
    /// challenge may have been accepted or have expired: the step decides.
    fn take_the_step(
        &mut self,
        ctx: Ctx<'_>,
        settled: Result<Commit, Refused>,
    ) -> Result<(), Failure> {
        let client_id = &self.client_id;
        let refused = |refused| refuse(ctx, client_id, refused);
        let commit = settled.map_err(refused)?;
        // The command was asked for at a time when the server took writes, before the proof was looked at.
        if ctx.is_answer() && !matches!(commit.step().change, Change::None) {
            takes_write(ctx, client_id, !matches!(self.purpose, Purpose::Unlink))?;
        }
        let enrolled_as = match &mut self.purpose {
            Purpose::Enrol(user) => user.take(),
            _ => None,
        };
        let Taken { committed, user } =
            step::take(ctx, commit.step(), enrolled_as, self.purpose.event())?;
        let accepted = commit.done(committed).map_err(refused)?;
        put_on_record(ctx, &self.purpose, &accepted);
        if let Purpose::LogIn { must_be_mapped } = self.purpose {
            open_session(ctx, accepted, user.as_ref(), must_be_mapped)?;
        }
        self.purpose.counter().add();
        Ok(())
    }
}

/// What credentials a client has is in the server log, whoever listens.
fn put_on_record(ctx: Ctx<'_>, purpose: &Purpose, accepted: &Accepted) {
    let (client_id, by) = (accepted.client_id(), accepted.credential_id());
    let what = match (purpose, accepted.record().credentials()) {
        (Purpose::Link, [.., new]) => {
            format!(
                "credential {} is linked as {:?}, by {by}",
                new.id(),
                new.name().as_str()
            )
        }
        (Purpose::Unlink, left) => {
            format!(
                "a credential is unlinked, by {by}; it has {} left",
                left.len()
            )
        }
        (Purpose::Reset, _) => format!("it was reset: its one credential is {by}"),
        _ => return,
    };
    ctx.log(Level::Notice, &format!("2fapi: client {client_id}: {what}"));
}

fn open_session(
    ctx: Ctx<'_>,
    accepted: Accepted,
    user: Option<&AclUser>,
    must_be_mapped: bool,
) -> Result<(), Failure> {
    let is_mapped = settings::acl_mapping() && user.is_some();
    let client_id = accepted.client_id().clone();
    if (must_be_mapped && !is_mapped) || !session::open(ctx, accepted, user) {
        return Err(denied(ctx, &client_id));
    }
    Ok(())
}

fn takes_write(ctx: Ctx<'_>, client_id: &ClientId, adds: bool) -> Result<(), Failure> {
    let key = KeyName::of(client_id);
    let refused = ctx.in_database_zero(|| writes::refused(ctx, key.as_bytes(), adds));
    refused.map_or(Ok(()), |line| Err(Failure::Said(line)))
}

/// An attempt is not accepted. One that is denied shows in the figures and in `ACL LOG`.
pub(crate) fn refuse(ctx: Ctx<'_>, client_id: &ClientId, refused: Refused) -> Failure {
    match refused {
        Refused::Denied(_) => denied(ctx, client_id),
        Refused::Throttled {
            retry_after_seconds,
        } => throttled(retry_after_seconds),
        Refused::Failed(_) | Refused::AlreadyEnrolled => Error::from(refused).into(),
    }
}

fn denied(ctx: Ctx<'_>, client_id: &ClientId) -> Failure {
    counters::DENIED.add();
    acl::log_refusal(ctx, client_id.as_str());
    Error::Denied.into()
}

/// What an attempt is told that finds no place.
pub(crate) fn throttled(retry_after_seconds: u32) -> Failure {
    counters::THROTTLED.add();
    Error::Throttled {
        retry_after_seconds,
    }
    .into()
}

/// Verifies several attempts, together where that pays: a batch of valid proofs costs half of what they
/// cost one by one.
pub(crate) fn check_all(attempts: &mut [&mut Attempt]) {
    if attempts.len() < 2 || !batches_pay() {
        for attempt in attempts {
            attempt.check();
        }
        return;
    }
    let mut together = Vec::with_capacity(attempts.len());
    let mut checks = Vec::with_capacity(attempts.len());
    for attempt in attempts {
        if let Some(check) = attempt.take_check() {
            together.push(attempt);
            checks.push(check);
        } else {
            attempt.check_joiner();
        }
    }
    for (attempt, checked) in together.into_iter().zip(verify_batch(checks, &mut SysRng)) {
        let settled = checked.settle();
        if settled.is_err() {
            SINGLY.store(SINGLY_AFTER_A_FAILURE, Ordering::Relaxed);
        }
        attempt.stage = Stage::Settled(settled);
    }
}

/// After a batch that failed, proofs are looked at one by one so many times: a flood of bad proofs is not
/// to cost more than they cost singly.
const SINGLY_AFTER_A_FAILURE: u32 = 256;

static SINGLY: AtomicU32 = AtomicU32::new(0);

fn batches_pay() -> bool {
    let left = SINGLY.load(Ordering::Relaxed);
    SINGLY.store(left.saturating_sub(1), Ordering::Relaxed);
    left == 0
}

/// Commitments are decoded once and kept, by their bytes, in each thread's own table of this size:
/// 800 KB a thread.
const DECODED: usize = 4096;

thread_local! {
    static KNOWN: RefCell<Vec<Option<Commitment>>> = const { RefCell::new(Vec::new()) };
}

/// A commitment, decoded.
fn known(bytes: &[u8; Commitment::LEN]) -> Result<Commitment, Error> {
    KNOWN.with_borrow_mut(|known| {
        if known.is_empty() {
            known.resize(DECODED, None);
        }
        let [first, second, ..] = *bytes;
        let place = usize::from(u16::from_le_bytes([first, second])) % DECODED;
        match known.get_mut(place) {
            Some(Some(present)) if present.as_bytes() == bytes => Ok(*present),
            Some(slot) => Ok(*slot.insert(Commitment::from_bytes(bytes)?)),
            None => Commitment::from_bytes(bytes),
        }
    })
}
