//! An attempt that a proof decides: what was asked, what came of it, and what follows from it on the
//! main thread.

use std::{
    cell::RefCell,
    ffi::CString,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use getrandom::SysRng;
use twofapi_crypto_core::{
    Authentication, AuthenticationBinding, BatchEntry, Challenge, ClientId, Commitment, Denied,
    Enrolment, Error, Proof, Rotation, verify, verify_batch, verify_rotation,
};

use crate::{
    counters, decoys,
    host::{Ctx, acl, block::Settle, ending::By, writes},
    rules::{acl_user::AclUser, key_name::KeyName, record::Record},
    session, settings,
    store::{challenges, clients},
    surface::Failure,
    workers,
};

/// What a proof is to achieve.
pub(crate) enum Purpose {
    Enrol {
        commitment: Box<Commitment>,
        user: Option<AclUser>,
    },
    Authenticate(Challenged),
    Rotate {
        challenged: Challenged,
        new_commitment: Box<Commitment>,
        proof_new: Proof,
    },
}

/// A challenge that is spent, and the client as it was then; none when there is no such client, or
/// when the challenge was used before. The proof is looked at all the same, in vain.
pub(crate) struct Challenged {
    pub(crate) challenge: Challenge,
    pub(crate) binding: Arc<AuthenticationBinding>,
    pub(crate) client: Option<clients::Active>,
}

/// An attempt on its way.
pub(crate) struct Attempt {
    pub(crate) client_id: ClientId,
    pub(crate) proof: Proof,
    pub(crate) purpose: Purpose,
    /// What looking at the proof has shown, once that is done.
    verdict: Option<Result<(), Denied>>,
    settled: bool,
    /// The connection has to become an ACL user, because it may be nobody yet: left as it is, it would
    /// be the default user without that one's password.
    must_be_mapped: bool,
    /// It gave way to others, and nobody looked at the proof.
    displaced: bool,
}

impl Attempt {
    pub(crate) fn new(client_id: ClientId, proof: Proof, purpose: Purpose) -> Self {
        Self {
            client_id,
            proof,
            purpose,
            verdict: None,
            settled: false,
            must_be_mapped: settings::before_auth(),
            displaced: false,
        }
    }

    /// For a connection that may be nobody yet.
    pub(crate) fn must_be_mapped(mut self) -> Self {
        self.must_be_mapped = true;
        self
    }

    /// It gives way to others, without an answer to whether the proof is good.
    pub(crate) fn displace(&mut self) {
        self.displaced = true;
    }

    fn challenged(&self) -> Option<&Challenged> {
        match &self.purpose {
            Purpose::Enrol { .. } => None,
            Purpose::Authenticate(challenged) | Purpose::Rotate { challenged, .. } => {
                Some(challenged)
            }
        }
    }

    /// Looks at the proof.
    pub(crate) fn check(&mut self) {
        let verdict = match &self.purpose {
            Purpose::Enrol { commitment, .. } => {
                let client_id = &self.client_id;
                verify(commitment, &Enrolment { client_id }, &self.proof)
            }
            Purpose::Authenticate(challenged) => {
                let statement = authentication(&self.client_id, challenged);
                let commitment = known(&challenged.commitment(&self.client_id));
                let equation = commitment.map(|old| verify(&old, &statement, &self.proof));
                challenged.verdict(equation)
            }
            Purpose::Rotate {
                challenged,
                new_commitment,
                proof_new,
            } => {
                let nonce = &challenged.challenge.nonce;
                match Rotation::new(&self.client_id, nonce, new_commitment, &challenged.binding) {
                    Err(_) => Err(Denied),
                    Ok(rotation) => {
                        let commitment = known(&challenged.commitment(&self.client_id));
                        let equations = commitment
                            .map(|old| verify_rotation(&old, &rotation, &self.proof, proof_new));
                        challenged.verdict(equations)
                    }
                }
            }
        };
        self.verdict = Some(verdict);
    }

    /// Draws the consequences, on the main thread.
    pub(crate) fn conclude(&mut self, ctx: Ctx<'_>) -> Result<(), Failure> {
        self.settled = true;
        if self.displaced {
            self.give_back();
            return Err(workers::throttled());
        }
        match self.verdict {
            Some(Ok(())) => {}
            Some(Err(Denied)) => {
                self.give_back();
                return Err(denied(ctx, &self.client_id));
            }
            None => {
                self.give_back();
                return Err(Failure::Internal);
            }
        }
        let client_id = &self.client_id;
        // The command was asked for at a time when the server took writes. That was before the proof
        // was looked at.
        let takes_write = || {
            let key = KeyName::of(client_id);
            let refused = ctx.in_database_zero(|| writes::refused(ctx, key.as_bytes(), true));
            refused.map_or(Ok(()), |line| Err(Failure::Said(line)))
        };
        match &mut self.purpose {
            Purpose::Enrol { commitment, user } => {
                if ctx.is_answer() {
                    takes_write()?;
                }
                let record = Record::enrolled(client_id.clone(), commitment, user.take());
                clients::create(ctx, record)?;
                counters::ENROLLED.add();
            }
            Purpose::Authenticate(challenged) => {
                // Between then and now the client may have been suspended, revoked or rotated.
                let record = still_as_it_was(ctx, client_id, challenged)?;
                let becomes = record.user.as_ref();
                let is_mapped = settings::acl_mapping() && becomes.is_some();
                if (self.must_be_mapped && !is_mapped) || !session::open(ctx, client_id, becomes) {
                    return Err(denied(ctx, client_id));
                }
                counters::ACCEPTED.add();
            }
            Purpose::Rotate {
                challenged,
                new_commitment,
                ..
            } => {
                if ctx.is_answer() {
                    takes_write()?;
                }
                still_as_it_was(ctx, client_id, challenged)?;
                clients::update(ctx, client_id, c"2fapi.rotate", |record| {
                    record.transition(|life| life.rotate(**new_commitment))
                })?;
                session::end_client(client_id, By::Command(ctx));
                counters::ROTATED.add();
            }
        }
        Ok(())
    }

    /// A refused attempt may have to give its place in the set of spent challenges back.
    fn give_back(&self) {
        if let Some(challenged) = self.challenged().filter(|c| c.client.is_some()) {
            challenges::refused(&challenged.challenge.spent_key);
        }
    }
}

impl Settle for Attempt {
    fn settle(&mut self, ctx: Ctx<'_>) -> Result<(), CString> {
        self.conclude(ctx).map_err(|failure| match failure {
            Failure::Internal => c"ERR the verification was given up; try again".into(),
            failure => failure.line(),
        })
    }

    fn abandoned(ticket: u64) {
        workers::abandon(ticket);
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        // The client went away before it was answered.
        if !self.settled && self.verdict != Some(Ok(())) {
            self.give_back();
        }
    }
}

impl Challenged {
    /// The commitment that the proof is held against: the client's, or one that nobody can open.
    fn commitment(&self, client_id: &ClientId) -> [u8; Commitment::LEN] {
        match &self.client {
            Some(client) => client.commitment,
            None => decoys::of(client_id),
        }
    }

    /// What follows from the equations; whatever they say, nobody is let in as a client that is none.
    fn verdict(&self, equations: Option<Result<(), Denied>>) -> Result<(), Denied> {
        match (&self.client, std::hint::black_box(equations)) {
            (Some(_), Some(verdict)) => verdict,
            _ => Err(Denied),
        }
    }
}

fn authentication<'a>(client_id: &'a ClientId, challenged: &'a Challenged) -> Authentication<'a> {
    Authentication {
        client_id,
        nonce: &challenged.challenge.nonce,
        binding: &challenged.binding,
    }
}

fn still_as_it_was(
    ctx: Ctx<'_>,
    client_id: &ClientId,
    challenged: &Challenged,
) -> Result<Record, Failure> {
    let was = challenged.client.as_ref();
    clients::find(ctx, client_id)?
        .filter(|record| {
            record.is_active()
                && was.is_some_and(|was| {
                    was.commitment_version == record.commitment_version
                        && was.commitment == record.commitment
                })
        })
        .ok_or_else(|| denied(ctx, client_id))
}

/// An attempt is refused, and shows in the figures and in `ACL LOG`.
pub(crate) fn denied(ctx: Ctx<'_>, client_id: &ClientId) -> Failure {
    counters::DENIED.add();
    acl::log_refusal(ctx, client_id.as_str());
    Error::Denied.into()
}

/// Looks at the proofs of several attempts, those that authenticate together: a batch of valid
/// proofs costs half of what they cost one by one, and an invalid one is found by going through them.
pub(crate) fn check_all(attempts: &mut [&mut Attempt]) {
    if attempts.len() > 1 && batches_pay() {
        check_together(attempts);
    }
    for attempt in attempts
        .iter_mut()
        .filter(|attempt| attempt.verdict.is_none())
    {
        attempt.check();
    }
}

/// After a batch that failed, so many proofs are looked at one by one: a flood of bad proofs is not
/// to cost more than they cost singly.
const SINGLY_AFTER_A_FAILURE: u32 = 256;

static SINGLY: AtomicU32 = AtomicU32::new(0);

fn batches_pay() -> bool {
    let left = SINGLY.load(Ordering::Relaxed);
    SINGLY.store(left.saturating_sub(1), Ordering::Relaxed);
    left == 0
}

fn check_together(attempts: &mut [&mut Attempt]) {
    let mut places = Vec::with_capacity(attempts.len());
    let mut parts = Vec::with_capacity(attempts.len());
    for (place, attempt) in attempts.iter().enumerate() {
        if let Purpose::Authenticate(challenged) = &attempt.purpose
            && let Some(commitment) = known(&challenged.commitment(&attempt.client_id))
        {
            places.push(place);
            let statement = authentication(&attempt.client_id, challenged);
            parts.push((commitment, statement, &attempt.proof));
        }
    }
    let entries: Vec<_> = parts
        .iter()
        .map(|(commitment, statement, proof)| BatchEntry {
            commitment,
            statement,
            proof,
        })
        .collect();
    let Ok(verdicts) = verify_batch(&entries, &mut SysRng) else {
        return;
    };
    if verdicts.iter().any(Result::is_err) {
        SINGLY.store(SINGLY_AFTER_A_FAILURE, Ordering::Relaxed);
    }
    for (place, verdict) in places.into_iter().zip(verdicts) {
        if let Some(attempt) = attempts.get_mut(place)
            && let Some(challenged) = attempt.challenged()
        {
            attempt.verdict = Some(challenged.verdict(Some(verdict)));
        }
    }
}

/// Commitments are decoded once and kept, by their bytes, in each thread's own table of this size:
/// 800 KB a thread.
const DECODED: usize = 4096;

thread_local! {
    static KNOWN: RefCell<Vec<Option<Commitment>>> = const { RefCell::new(Vec::new()) };
}

/// A commitment, decoded; none for bytes that are no commitment.
fn known(bytes: &[u8; Commitment::LEN]) -> Option<Commitment> {
    KNOWN.with_borrow_mut(|known| {
        if known.is_empty() {
            known.resize(DECODED, None);
        }
        let [first, second, ..] = *bytes;
        let place = usize::from(u16::from_le_bytes([first, second])) % DECODED;
        let slot = known.get_mut(place)?;
        if slot.is_none_or(|present| present.as_bytes() != bytes) {
            *slot = Commitment::from_bytes(bytes).ok();
        }
        *slot
    })
}
