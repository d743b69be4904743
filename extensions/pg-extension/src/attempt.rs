//! An attempt to authenticate, in the order that makes a challenge good for one: parse, compute the
//! challenge again, find the client, spend, and only then look at the equation.

use core::sync::atomic::Ordering;

use getrandom::SysRng;
use twofapi_crypto_core::{
    Authentication, AuthenticationBinding, Challenge, ChallengeId, ClientId, ClientRecord,
    Commitment, Denied, Enrolment, Error, Proof, Rotation, ShareTag, Spend, SpentSet,
    deny_unknown_client, verify, verify_rotation,
};

use crate::{
    audit, clients, clock, gucs, known,
    rules::{ClientKey, Row, binding, board::Seen, event::Outcome},
    shmem::{Moment, Shared},
};

/// A challenge that a proof was accepted for, and what a session needs to know.
pub(crate) struct Accepted {
    pub(crate) client: ClientKey,
    pub(crate) row: Row,
    pub(crate) seen: Seen,
}

/// Accepted, or denied with the reason for the operator's eyes; errors are the caller's to mend.
pub(crate) type Attempt = Result<Result<Accepted, Outcome>, Error>;

/// The binding that clients of this host are told of.
pub(crate) fn expected_binding() -> Result<AuthenticationBinding, Error> {
    binding::expected(&gucs::audience())
}

/// Issues a challenge to whoever asks. Nothing is stored.
pub(crate) fn issue(shared: Shared, client_id: &ClientId) -> Result<Challenge, Error> {
    let challenge = shared.with_challenge_key(|key, _| {
        key.issue(
            client_id,
            clock::unix_seconds(),
            gucs::challenge_ttl(),
            &mut SysRng,
        )
    })?;
    let issued = &shared.counters().challenges_issued;
    issued.fetch_add(1, Ordering::Relaxed);
    Ok(challenge)
}

/// Computes a challenge again from its id, and says by which key, and by what its client's share of the spent
/// set is counted under that one.
pub(crate) fn recompute(
    shared: Shared,
    client_id: &ClientId,
    challenge_id: &[u8],
) -> Result<(Challenge, u64, ShareTag), Denied> {
    let id = ChallengeId::from_text_bytes(challenge_id)?;
    shared.with_challenge_key(|key, epoch| {
        let challenge =
            key.recompute(client_id, id, clock::unix_seconds(), gucs::challenge_ttl())?;
        Ok((challenge, epoch, key.share_tag(client_id)))
    })
}

/// A proof that the client stands behind its commitment.
pub(crate) fn authentication(
    shared: Shared,
    client_id: &ClientId,
    challenge_id: &[u8],
    named_binding: Option<AuthenticationBinding>,
    proof: &Proof,
) -> Attempt {
    let expected = expected_binding()?;
    let attempt = |challenge: &Challenge, record: Option<&ClientRecord>| {
        let binding = binding::of_attempt(expected.clone(), named_binding.clone());
        let statement = |binding| Authentication {
            client_id,
            nonce: &challenge.nonce,
            binding,
        };
        match (record, &binding) {
            (Some(record), Ok(binding)) => verify(&record.commitment, &statement(binding), proof)
                .map_err(|Denied| Outcome::DeniedProof),
            (Some(record), Err(Denied)) => {
                let in_vain = verify(&record.commitment, &statement(&expected), proof);
                let _ = core::hint::black_box(in_vain);
                Err(Outcome::DeniedBinding)
            }
            (None, binding) => {
                let binding = binding.as_ref().unwrap_or(&expected);
                deny_unknown_client(&statement(binding), proof);
                Err(Outcome::DeniedClient)
            }
        }
    };
    spend_then(shared, client_id, challenge_id, attempt)
}

/// Proofs that the client stands behind its commitment and the one that is to replace it.
pub(crate) fn rotation(
    shared: Shared,
    client_id: &ClientId,
    challenge_id: &[u8],
    proof_old: &Proof,
    new_commitment: &Commitment,
    proof_new: &Proof,
) -> Attempt {
    let binding = expected_binding()?;
    let attempt = |challenge: &Challenge, record: Option<&ClientRecord>| {
        let denied = |_| Outcome::DeniedProof;
        let statement = Rotation::new(client_id, &challenge.nonce, new_commitment, &binding)
            .map_err(|_| Outcome::DeniedBinding)?;
        match record {
            Some(record) => verify_rotation(&record.commitment, &statement, proof_old, proof_new)
                .map_err(denied),
            None => {
                deny_unknown_client(&statement, proof_old);
                Err(Outcome::DeniedClient)
            }
        }
    };
    spend_then(shared, client_id, challenge_id, attempt)
}

/// A proof of possession for a client that is to be enrolled.
pub(crate) fn enrolment(
    client_id: &ClientId,
    commitment: &Commitment,
    proof: &Proof,
) -> Result<(), Denied> {
    verify(commitment, &Enrolment { client_id }, proof)
}

/// Spends the challenge of an active client, then lets `check` look at the proof. A client that is
/// not active costs the same work and spends nothing, and so does a challenge that was used before:
/// neither the time of the answer nor a full set tells who is enrolled.
fn spend_then(
    shared: Shared,
    client_id: &ClientId,
    challenge_id: &[u8],
    check: impl Fn(&Challenge, Option<&ClientRecord>) -> Result<(), Outcome>,
) -> Attempt {
    let Ok((challenge, epoch, share)) = recompute(shared, client_id, challenge_id) else {
        return Ok(Err(Outcome::DeniedChallenge));
    };
    let client = ClientKey::new(audit::database(), client_id);
    let seen = known::seen(shared, &client);
    let known = known::find(seen, &client);
    let row = match known {
        Some(row) => Some(row),
        None => clients::find(client_id)?.filter(|row| row.record.is_active()),
    };
    let record = row.map(|row| row.record);
    // What knowing the client saved is made up for: only an accepted proof is quicker.
    let refused = |outcome| {
        if known.is_some() {
            let _ = clients::find(client_id);
        }
        Ok(Err(outcome))
    };
    let in_vain = |outcome| {
        let _ = core::hint::black_box(check(&challenge, record.as_ref()));
        refused(outcome)
    };
    let throttled = |retry_after_seconds| {
        Err(Error::Throttled {
            retry_after_seconds,
        })
    };
    let expires_at = challenge.id.expires_at();
    let Some(row) = row else {
        return match shared.with_spent(|set, moment| set.full(moment.now)) {
            Some(retry_after) => throttled(retry_after),
            None => in_vain(Outcome::DeniedClient),
        };
    };
    let spend = |set: &mut SpentSet<'_>, moment: Moment| {
        // A challenge of a key that is no longer the key cannot be looked up in what is spent now.
        if moment.epoch == epoch {
            set.spend_within_share(share, &challenge.spent_key, expires_at, moment.now)
        } else {
            Spend::Expired
        }
    };
    match shared.with_spent(spend) {
        Spend::Fresh => {}
        Spend::Spent => return in_vain(Outcome::DeniedSpent),
        Spend::Expired => return in_vain(Outcome::DeniedChallenge),
        Spend::Full { retry_after } => return throttled(retry_after),
    }
    match check(&challenge, Some(&row.record)) {
        Ok(()) => {
            if known.is_none() {
                known::keep(client, row, seen);
            }
            Ok(Ok(Accepted { client, row, seen }))
        }
        Err(outcome) => {
            shared.with_spent(|set, moment| {
                if moment.epoch == epoch {
                    set.refused(&challenge.spent_key);
                }
            });
            refused(outcome)
        }
    }
}
