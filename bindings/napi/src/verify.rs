//! The host's side: whether a proof stands behind a statement. Malformed input is an error; of
//! well-formed input the answer is one of two.

use napi::bindgen_prelude::{AsyncTask, Uint8Array};
use napi_derive::napi;
use twofapi_crypto_core::{
    BatchEntry, ClientId, Commitment, Enrolment, Proof, deny_unknown_client, verify, verify_batch,
    verify_rotation,
};

use crate::{
    error::{Fault, fault},
    statement::{About, OwnedAuthentication, OwnedChange, OwnedRotation},
    task::{Verdict, Verdicts},
};

struct Possession {
    client_id: ClientId,
    commitment: Commitment,
    proof: Proof,
}

impl Possession {
    fn parse(client_id: &str, commitment: &[u8], proof: &[u8]) -> Result<Self, Fault> {
        Ok(Self {
            client_id: ClientId::parse(client_id).map_err(fault)?,
            commitment: Commitment::from_bytes(commitment).map_err(fault)?,
            proof: Proof::from_bytes(proof).map_err(fault)?,
        })
    }

    fn holds(&self) -> bool {
        let statement = Enrolment {
            client_id: &self.client_id,
        };
        verify(&self.commitment, &statement, &self.proof).is_ok()
    }
}

/// Whether a proof of possession is accepted.
#[napi(catch_unwind)]
pub fn check_enrollment(client_id: String, commitment: &[u8], proof: &[u8]) -> Result<bool, Fault> {
    Ok(Possession::parse(&client_id, commitment, proof)?.holds())
}

/// The same on the thread pool.
#[napi(catch_unwind, ts_return_type = "Promise<boolean>")]
pub fn check_enrollment_async(
    client_id: String,
    commitment: &[u8],
    proof: &[u8],
) -> Result<AsyncTask<Verdict>, Fault> {
    let possession = Possession::parse(&client_id, commitment, proof)?;
    Ok(AsyncTask::new(Verdict::of(move || possession.holds())))
}

struct Attempt {
    statement: OwnedAuthentication,
    commitment: Commitment,
    proof: Proof,
}

impl Attempt {
    fn parse(
        client_id: &str,
        commitment: &[u8],
        nonce: &[u8],
        channel_binding: &[u8],
        proof: &[u8],
    ) -> Result<Self, Fault> {
        Ok(Self {
            statement: OwnedAuthentication::parse(client_id, nonce, channel_binding)?,
            commitment: Commitment::from_bytes(commitment).map_err(fault)?,
            proof: Proof::from_bytes(proof).map_err(fault)?,
        })
    }

    fn holds(&self) -> bool {
        verify(&self.commitment, &self.statement.statement(), &self.proof).is_ok()
    }
}

/// Whether a proof for a challenge is accepted.
#[napi(catch_unwind)]
pub fn check_authentication(
    client_id: String,
    commitment: &[u8],
    nonce: &[u8],
    channel_binding: &[u8],
    proof: &[u8],
) -> Result<bool, Fault> {
    Ok(Attempt::parse(&client_id, commitment, nonce, channel_binding, proof)?.holds())
}

/// The same on the thread pool.
#[napi(catch_unwind, ts_return_type = "Promise<boolean>")]
pub fn check_authentication_async(
    client_id: String,
    commitment: &[u8],
    nonce: &[u8],
    channel_binding: &[u8],
    proof: &[u8],
) -> Result<AsyncTask<Verdict>, Fault> {
    let attempt = Attempt::parse(&client_id, commitment, nonce, channel_binding, proof)?;
    Ok(AsyncTask::new(Verdict::of(move || attempt.holds())))
}

/// Does the work of `checkAuthenticationAsync` for a client that is not enrolled; always false.
#[napi(catch_unwind, ts_return_type = "Promise<boolean>")]
pub fn deny_unknown_client_async(
    client_id: String,
    nonce: &[u8],
    channel_binding: &[u8],
    proof: &[u8],
) -> Result<AsyncTask<Verdict>, Fault> {
    let statement = OwnedAuthentication::parse(&client_id, nonce, channel_binding)?;
    let proof = Proof::from_bytes(proof).map_err(fault)?;
    Ok(AsyncTask::new(Verdict::of(move || {
        let _ = deny_unknown_client(&statement.statement(), &proof);
        false
    })))
}

struct Rotating {
    statement: OwnedRotation,
    commitment: Commitment,
    proof_old: Proof,
    proof_new: Proof,
}

impl Rotating {
    fn parse(
        client_id: &str,
        commitment: &[u8],
        nonce: &[u8],
        channel_binding: &[u8],
        new_commitment: &[u8],
        [proof_old, proof_new]: [&[u8]; 2],
    ) -> Result<Self, Fault> {
        Ok(Self {
            statement: OwnedRotation::parse(client_id, nonce, channel_binding, new_commitment)?,
            commitment: Commitment::from_bytes(commitment).map_err(fault)?,
            proof_old: Proof::from_bytes(proof_old).map_err(fault)?,
            proof_new: Proof::from_bytes(proof_new).map_err(fault)?,
        })
    }

    fn holds(&self) -> bool {
        self.statement.statement().is_ok_and(|statement| {
            verify_rotation(
                &self.commitment,
                &statement,
                &self.proof_old,
                &self.proof_new,
            )
            .is_ok()
        })
    }
}

/// Whether both proofs of a rotation are accepted.
#[napi(catch_unwind)]
#[allow(clippy::too_many_arguments)]
pub fn check_rotation(
    client_id: String,
    commitment: &[u8],
    nonce: &[u8],
    channel_binding: &[u8],
    new_commitment: &[u8],
    proof_old: &[u8],
    proof_new: &[u8],
) -> Result<bool, Fault> {
    let proofs = [proof_old, proof_new];
    let rotating = Rotating::parse(
        &client_id,
        commitment,
        nonce,
        channel_binding,
        new_commitment,
        proofs,
    )?;
    Ok(rotating.holds())
}

/// The same on the thread pool.
#[napi(catch_unwind, ts_return_type = "Promise<boolean>")]
#[allow(clippy::too_many_arguments)]
pub fn check_rotation_async(
    client_id: String,
    commitment: &[u8],
    nonce: &[u8],
    channel_binding: &[u8],
    new_commitment: &[u8],
    proof_old: &[u8],
    proof_new: &[u8],
) -> Result<AsyncTask<Verdict>, Fault> {
    let proofs = [proof_old, proof_new];
    let rotating = Rotating::parse(
        &client_id,
        commitment,
        nonce,
        channel_binding,
        new_commitment,
        proofs,
    )?;
    Ok(AsyncTask::new(Verdict::of(move || rotating.holds())))
}

/// Whether a joining proof is accepted: what the first device looks at before it links.
#[napi(catch_unwind)]
pub fn check_joining(
    client_id: String,
    commitment: &[u8],
    nonce: &[u8],
    channel_binding: &[u8],
    proof: &[u8],
) -> Result<bool, Fault> {
    let joining = OwnedChange::parse(&client_id, nonce, channel_binding, About::Joining)?;
    let commitment = Commitment::from_bytes(commitment).map_err(fault)?;
    let proof = Proof::from_bytes(proof).map_err(fault)?;
    joining.each(|statement| verify(&commitment, statement, &proof).is_ok())
}

/// One proof of a batch.
#[napi(object, object_to_js = false)]
pub struct BatchItem {
    /// Who proves.
    pub client_id: String,
    /// 32 bytes.
    pub commitment: Uint8Array,
    /// 16 to 64 bytes.
    pub nonce: Uint8Array,
    /// Up to 1024 bytes.
    pub channel_binding: Uint8Array,
    /// 96 bytes.
    pub proof: Uint8Array,
}

fn parse_batch(items: &[BatchItem]) -> Result<Vec<Attempt>, Fault> {
    let parse = |(at, item): (usize, &BatchItem)| {
        Attempt::parse(
            &item.client_id,
            &item.commitment,
            &item.nonce,
            &item.channel_binding,
            &item.proof,
        )
        .map_err(|fault| Fault::new(fault.status, format!("entry {at}: {}", fault.reason)))
    };
    items.iter().enumerate().map(parse).collect()
}

fn verdicts(attempts: &[Attempt]) -> Result<Vec<bool>, Fault> {
    let statements: Vec<_> = attempts.iter().map(|it| it.statement.statement()).collect();
    let entries: Vec<_> = attempts
        .iter()
        .zip(&statements)
        .map(|(attempt, statement)| BatchEntry {
            commitment: &attempt.commitment,
            statement,
            proof: &attempt.proof,
        })
        .collect();
    let verdicts = verify_batch(&entries, &mut getrandom::SysRng).map_err(fault)?;
    Ok(verdicts
        .into_iter()
        .map(|verdict| verdict.is_ok())
        .collect())
}

/// Whether each proof for a challenge is accepted, in the order of the entries.
#[napi(catch_unwind)]
pub fn check_batch(items: Vec<BatchItem>) -> Result<Vec<bool>, Fault> {
    verdicts(&parse_batch(&items)?)
}

/// The same on the thread pool.
#[napi(catch_unwind, ts_return_type = "Promise<Array<boolean>>")]
pub fn check_batch_async(items: Vec<BatchItem>) -> Result<AsyncTask<Verdicts>, Fault> {
    let attempts = parse_batch(&items)?;
    Ok(AsyncTask::new(Verdicts::of(move || verdicts(&attempts))))
}
