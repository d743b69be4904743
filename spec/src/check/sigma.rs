//! Proofs: each alone, and all of them together.

use sha2::{Digest, Sha512};
use twofapi_crypto_core::{
    BatchEntry, ClientId, Commitment, Credential, GENERATOR_G, GENERATOR_H, GENERATOR_H_DST, Proof,
    Statement, TRANSCRIPT_DST, commit,
    curve25519_dalek::{RistrettoPoint, Scalar},
    prove, transcript, verify, verify_batch,
};

use super::{Report, agree, array, bytes, given::Given, names_are_unique, refusal};
use crate::{
    Purpose,
    cases::{FileError, Reason, SigmaCase, SigmaFile},
    purpose,
};

pub(super) fn run(file: &SigmaFile, report: &mut Report) -> Result<(), FileError> {
    constants(file)?;
    proofs(&file.accepted, &file.rejected, report)
}

/// Proofs of every purpose.
pub(super) fn proofs(
    accepted: &[SigmaCase],
    rejected: &[SigmaCase],
    report: &mut Report,
) -> Result<(), FileError> {
    names_are_unique(accepted.iter().chain(rejected).map(|case| &case.name))?;
    for case in accepted {
        report.must_be_accepted(&case.name, accept(case));
    }
    for case in rejected {
        report.must_be_refused_for(&case.name, case.reason, decide(case).map(|it| it.map(drop)));
    }
    batch(accepted.iter().chain(rejected), report);
    Ok(())
}

/// A file for other generators or domains would disagree everywhere: say why once.
fn constants(file: &SigmaFile) -> Result<(), FileError> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (g, h) = file
        .generators
        .as_ref()
        .map_or((None, None), |both| (Some(&both.G), Some(&both.H)));
    for (what, given, expected) in [
        (
            "transcript_dst",
            file.transcript_dst.as_ref(),
            text(TRANSCRIPT_DST),
        ),
        (
            "generator_h_dst",
            file.generator_h_dst.as_ref(),
            text(GENERATOR_H_DST),
        ),
    ] {
        if given.is_some_and(|given| *given != expected) {
            return Err(FileError::OtherConstants { what, expected });
        }
    }
    // H is derived here once more, from its domain.
    let digest = Sha512::digest(GENERATOR_H_DST);
    let derived = RistrettoPoint::from_uniform_bytes(&digest.into()).compress();
    for (what, given, expected) in [
        ("generator G", g, hex::encode(GENERATOR_G)),
        ("generator H", h, hex::encode(derived.as_bytes())),
        ("generator H", h, hex::encode(GENERATOR_H)),
    ] {
        if given.is_some_and(|given| !given.eq_ignore_ascii_case(&expected)) {
            return Err(FileError::OtherConstants { what, expected });
        }
    }
    Ok(())
}

/// A case whose values are all of their types.
struct Decoded {
    client_id: ClientId,
    purpose: Purpose,
    commitment: Commitment,
    proof: Proof,
}

impl Decoded {
    fn statement(&self) -> Result<Box<dyn Statement + '_>, String> {
        self.purpose.statement(&self.client_id).map_err(refusal)
    }
}

/// Steps 1 to 4 of protocol.md, section 7, in order. What is not even hex is no case.
fn decode(case: &SigmaCase) -> Result<Result<Decoded, Reason>, String> {
    let [nonce, binding, commitment, proof] = [
        ("nonce", &case.nonce),
        ("channel_binding", &case.channel_binding),
        ("commitment", &case.commitment),
        ("proof", &case.proof),
    ]
    .map(|(what, digits)| bytes(what, digits));
    let (nonce, binding, commitment, proof) = (nonce?, binding?, commitment?, proof?);
    let decode = || {
        Ok(Decoded {
            client_id: ClientId::parse(&case.client_id).map_err(|_| Reason::ClientId)?,
            purpose: Purpose::read(case.purpose, &nonce, &binding)?,
            commitment: purpose::commitment(&commitment)?,
            proof: Proof::from_bytes(&proof).map_err(|_| malformed(&proof, 1, Proof::LEN))?,
        })
    };
    Ok(decode())
}

/// Which part of a proof that no type takes is the first that is wrong: its announcements come first.
pub(super) fn malformed(proof: &[u8], announcements: usize, len: usize) -> Reason {
    if proof.len() != len {
        return Reason::Length;
    }
    let (announcements, responses) = proof.split_at(32 * announcements);
    for announcement in announcements.chunks_exact(32) {
        if announcement == [0; 32] {
            return Reason::Identity;
        }
        // With responses that are good in any case, only the announcement is left to be wrong.
        let mut one = [0; Proof::LEN];
        one[..32].copy_from_slice(announcement);
        (one[32], one[64]) = (1, 1);
        if Proof::from_bytes(&one).is_err() {
            return Reason::PointEncoding;
        }
    }
    let zero = |response: &[u8]| response.iter().all(|byte| *byte == 0);
    let canonical = |response: &[u8]| {
        <[u8; 32]>::try_from(response)
            .is_ok_and(|bytes| bool::from(Scalar::from_canonical_bytes(bytes).is_some()))
    };
    match responses
        .chunks_exact(32)
        .find(|r| zero(r) || !canonical(r))
    {
        Some(response) if zero(response) => Reason::ZeroResponse,
        _ => Reason::ScalarEncoding,
    }
}

/// All six steps.
fn decide(case: &SigmaCase) -> Result<Result<Decoded, Reason>, String> {
    let decoded = match decode(case)? {
        Ok(decoded) => decoded,
        Err(reason) => return Ok(Err(reason)),
    };
    let holds = match decoded.statement() {
        Ok(statement) => verify(&decoded.commitment, &*statement, &decoded.proof).is_ok(),
        // A rotation that leaves no room for its binding.
        Err(_) => return Ok(Err(Reason::Binding)),
    };
    Ok(if holds {
        Ok(decoded)
    } else {
        Err(Reason::Equation)
    })
}

/// Verifies, and compares every value that the file gives with our own.
fn accept(case: &SigmaCase) -> Result<(), String> {
    if let Some(reason) = case.reason {
        return Err(format!(
            "it gives {} as a reason for refusing it",
            super::in_the_file(reason)
        ));
    }
    let decoded = decide(case)?
        .map_err(|reason| format!("it is refused for {}", super::in_the_file(reason)))?;
    let Decoded {
        commitment, proof, ..
    } = &decoded;
    let statement = decoded.statement()?;

    let ours = transcript(commitment.as_bytes(), proof.announcement(), &*statement);
    agree("transcript", case.transcript.as_deref(), &ours)?;
    let digest = Sha512::new_with_prefix(TRANSCRIPT_DST).chain_update(&ours);
    let c = Scalar::from_bytes_mod_order_wide(&digest.finalize().into());
    agree("challenge", case.challenge.as_deref(), c.as_bytes())?;

    let k_s = case.k_s.as_deref().map(scalar).transpose()?;
    let k_r = case.k_r.as_deref().map(scalar).transpose()?;
    let (secret, blinding) = match (&case.secret, &case.blinding) {
        (Some(secret), Some(blinding)) => (secret, blinding),
        (None, None) => return Ok(()),
        _ => return Err("it gives one of secret and blinding without the other".into()),
    };
    let credential =
        Credential::from_bytes(&bytes("secret", secret)?, &bytes("blinding", blinding)?)
            .map_err(refusal)?;
    agree(
        "commitment",
        Some(&case.commitment),
        credential.commitment().as_bytes(),
    )?;
    match (k_s, k_r) {
        (Some(k_s), Some(k_r)) => {
            let again = responses([scalar(secret)?, k_s], [scalar(blinding)?, k_r], &c);
            agree("proof", Some(&case.proof), &again)?;
        }
        (None, None) => {}
        _ => return Err("it gives one of k_s and k_r without the other".into()),
    }
    if let Some(random) = &case.random {
        let mut given = Given::<32>(array("random", random)?);
        let hedged = prove(&credential, &*statement, &mut given).map_err(refusal)?;
        agree("proof", Some(&case.proof), &hedged.to_bytes())?;
    }
    let fresh = prove(&credential, &*statement, &mut getrandom::SysRng).map_err(refusal)?;
    verify(commitment, &*statement, &fresh)
        .map_err(|error| format!("a fresh proof of ours is refused: {error}"))
}

/// A ‖ z_s ‖ z_r for announcement nonces that the file gives. No prover of ours takes any.
fn responses([s, k_s]: [Scalar; 2], [r, k_r]: [Scalar; 2], c: &Scalar) -> [u8; Proof::LEN] {
    let mut proof = [0; Proof::LEN];
    proof[..32].copy_from_slice(commit(&k_s, &k_r).compress().as_bytes());
    proof[32..64].copy_from_slice((k_s + c * s).as_bytes());
    proof[64..].copy_from_slice((k_r + c * r).as_bytes());
    proof
}

pub(super) fn scalar(text: &str) -> Result<Scalar, String> {
    let bytes = array("a scalar", text)?;
    Option::from(Scalar::from_canonical_bytes(bytes))
        .ok_or_else(|| "a scalar is not canonical".into())
}

/// In one batch with all the others each proof has the answer that it has alone.
fn batch<'a>(cases: impl Iterator<Item = &'a SigmaCase>, report: &mut Report) {
    let decoded: Vec<_> = cases
        .filter_map(|case| Some((case, decode(case).ok()?.ok()?)))
        .collect();
    let statements: Vec<_> = decoded
        .iter()
        .filter_map(|(case, decoded)| Some((*case, decoded, decoded.statement().ok()?)))
        .collect();
    let entries: Vec<_> = statements
        .iter()
        .map(|(_, decoded, statement)| BatchEntry {
            commitment: &decoded.commitment,
            statement: &**statement,
            proof: &decoded.proof,
        })
        .collect();
    let verdicts = match verify_batch(&entries, &mut getrandom::SysRng) {
        Ok(verdicts) => verdicts,
        Err(error) => return report.disagree("all of them in one batch", error.to_string()),
    };
    for ((case, decoded, statement), together) in statements.iter().zip(verdicts) {
        let alone = verify(&decoded.commitment, &**statement, &decoded.proof);
        if alone.is_ok() != together.is_ok() {
            report.disagree(&case.name, "its answer in a batch is another".into());
        }
    }
}
