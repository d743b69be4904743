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
    ceremony::{Accepted, Change, Check, Commit, Refused, Wanted, verify_batch},
};

use crate::{
    counters::{self, Counter},
    host::{Ctx, acl, writes},
    rules::{acl_user::AclUser, client::Seen, failure::Failure, key_name::KeyName},
    session, settings,
    store::step::{self, Taken},
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
    /// What the store has to do, or why it has nothing to do.
    Settled(Result<Commit, Refused>),
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
}

impl Purpose {
    /// What those are told who listen to the keyspace.
    const fn event(&self) -> &'static CStr {
        match self {
            Self::LogIn { .. } => c"",
            Self::Enrol(_) => c"2fapi.enroll",
            Self::Rotate => c"2fapi.rotate",
        }
    }

    /// What counts it.
    const fn counter(&self) -> &'static Counter {
        match self {
            Self::LogIn { .. } => &counters::ACCEPTED,
            Self::Enrol(_) => &counters::ENROLLED,
            Self::Rotate => &counters::ROTATED,
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
        }
    }

    /// Draws the consequences, on the main thread.
    pub(crate) fn conclude(&mut self, ctx: Ctx<'_>) -> Result<(), Failure> {
        match mem::replace(&mut self.stage, Stage::Away) {
            Stage::Settled(settled) => self.take_the_step(ctx, settled),
            Stage::Displaced => Err(throttled(1)),
            Stage::Wanted(..) | Stage::Check(_) | Stage::Away => Err(Failure::GIVEN_UP),
        }
    }

    /// Between the command and now the client may have been suspended, revoked or rotated, and its
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
            takes_write(ctx, client_id)?;
        }
        let enrolled_as = match &mut self.purpose {
            Purpose::Enrol(user) => user.take(),
            _ => None,
        };
        let Taken { committed, user } =
            step::take(ctx, commit.step(), enrolled_as, self.purpose.event())?;
        let accepted = commit.done(committed).map_err(refused)?;
        if let Purpose::LogIn { must_be_mapped } = self.purpose {
            open_session(ctx, accepted, user.as_ref(), must_be_mapped)?;
        }
        self.purpose.counter().add();
        Ok(())
    }
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

fn takes_write(ctx: Ctx<'_>, client_id: &ClientId) -> Result<(), Failure> {
    let key = KeyName::of(client_id);
    let refused = ctx.in_database_zero(|| writes::refused(ctx, key.as_bytes(), true));
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
