//! Many proofs at once, for hosts that have them at once.

use alloc::{vec, vec::Vec};
use core::iter;

use curve25519_dalek::{Scalar, ristretto::CompressedRistretto, traits::IsIdentity};
use rand_core::TryCryptoRng;

use crate::{Commitment, Denied, Error, Proof, Statement, group, transcript, verify};

/// One proof of a batch with what it is about, any mixture of purposes and clients.
pub struct BatchEntry<'a, S: ?Sized> {
    /// The client's commitment.
    pub commitment: &'a Commitment,
    /// What the proof is to stand behind.
    pub statement: &'a S,
    /// The proof.
    pub proof: &'a Proof,
}

impl<S: ?Sized> Clone for BatchEntry<'_, S> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S: ?Sized> Copy for BatchEntry<'_, S> {}

/// Verifies all entries by one random linear combination, and one by one only if that fails. The
/// answers are in the order of the entries and are what [`verify`](crate::verify()) would give, but
/// for an error of probability 2^-128 per batch.
///
/// The coefficients are drawn from `rng` after all proofs are in, so that nobody can choose proofs
/// whose faults cancel out.
///
/// # Errors
/// [`Error::Unavailable`] when the random source fails; no answer is given then.
pub fn verify_batch<S: Statement + ?Sized, R: TryCryptoRng + ?Sized>(
    entries: &[BatchEntry<'_, S>],
    rng: &mut R,
) -> Result<Vec<Result<(), Denied>>, Error> {
    if all_hold(entries, rng)? {
        return Ok(iter::repeat_n(Ok(()), entries.len()).collect());
    }
    Ok(entries
        .iter()
        .map(|entry| verify(entry.commitment, entry.statement, entry.proof))
        .collect())
}

/// Σ aᵢ·(Aᵢ + cᵢ·Cᵢ − z_s,ᵢ·G − z_r,ᵢ·H) is the identity, with random 128-bit aᵢ. In a group of prime
/// order a wrong entry survives with probability 2^-128. The announcements keep the sign that leaves
/// their coefficients short.
fn all_hold<S: Statement + ?Sized, R: TryCryptoRng + ?Sized>(
    entries: &[BatchEntry<'_, S>],
    rng: &mut R,
) -> Result<bool, Error> {
    let (mut sum_s, mut sum_r) = (Scalar::ZERO, Scalar::ZERO);
    let mut scalars = Vec::with_capacity(2 * entries.len());
    let mut points = Vec::with_capacity(2 * entries.len());
    let mut coefficients = vec![[0; 16]; entries.len()];
    rng.try_fill_bytes(coefficients.as_flattened_mut())
        .map_err(|_| Error::random_source())?;
    for (entry, coefficient) in entries.iter().zip(coefficients) {
        let proof = entry.proof;
        let Some(announcement) = CompressedRistretto(*proof.announcement()).decompress() else {
            return Ok(false);
        };
        let c = transcript::challenge_scalar(
            entry.commitment.as_bytes(),
            proof.announcement(),
            &entry.statement.context(),
        );
        if c == Scalar::ZERO {
            return Ok(false);
        }
        let a = Scalar::from(u128::from_le_bytes(coefficient));
        sum_s -= a * proof.response_s();
        sum_r -= a * proof.response_r();
        scalars.extend([a * c, a]);
        points.extend([*entry.commitment.point(), announcement]);
    }
    Ok(group::vartime_g_h_and_many(&sum_s, &sum_r, &scalars, &points).is_identity())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Authentication, AuthenticationBinding, ClientId, Credential, Nonce, prove,
        testing::{Broken, rng},
    };
    use proptest::prelude::*;

    struct Client {
        id: ClientId,
        nonce: Nonce,
        credential: Credential,
        proof: Proof,
    }

    fn clients(seed: u64, count: usize) -> Vec<Client> {
        let binding = AuthenticationBinding::none();
        (0..count)
            .map(|i| {
                let id = ClientId::parse(&alloc::format!("client-{i}")).unwrap();
                let nonce = Nonce::from_bytes(&[i as u8; 16]).unwrap();
                let credential = Credential::generate(&mut rng(seed + i as u64)).unwrap();
                let statement = Authentication {
                    client_id: &id,
                    nonce: &nonce,
                    binding: &binding,
                };
                let proof = prove(&credential, &statement, &mut rng(seed)).unwrap();
                Client {
                    id,
                    nonce,
                    credential,
                    proof,
                }
            })
            .collect()
    }

    fn answers(clients: &[Client]) -> Vec<bool> {
        let binding = AuthenticationBinding::none();
        let statements: Vec<_> = clients
            .iter()
            .map(|c| Authentication {
                client_id: &c.id,
                nonce: &c.nonce,
                binding: &binding,
            })
            .collect();
        let entries: Vec<_> = clients
            .iter()
            .zip(&statements)
            .map(|(c, statement)| BatchEntry {
                commitment: c.credential.commitment(),
                statement,
                proof: &c.proof,
            })
            .collect();
        let answers = verify_batch(&entries, &mut rng(1234)).unwrap();
        for (entry, answer) in entries.iter().zip(&answers) {
            assert_eq!(
                *answer,
                verify(entry.commitment, entry.statement, entry.proof)
            );
        }
        answers.iter().map(Result::is_ok).collect()
    }

    #[test]
    fn an_empty_batch_has_no_answers() {
        assert!(answers(&[]).is_empty());
    }

    #[test]
    fn good_proofs_are_accepted_together() {
        assert_eq!(answers(&clients(1, 9)), [true; 9]);
    }

    #[test]
    fn faults_that_cancel_out_without_coefficients_are_found() {
        // +1 on one response and −1 on another leave the plain sum of the equations as it was.
        let mut clients = clients(1, 2);
        for (client, delta) in clients.iter_mut().zip([Scalar::ONE, -Scalar::ONE]) {
            let proof = client.proof;
            client.proof = Proof::from_parts(
                *proof.announcement(),
                proof.response_s() + delta,
                *proof.response_r(),
            )
            .unwrap();
        }
        assert_eq!(answers(&clients), [false, false]);
    }

    #[test]
    fn a_failing_random_source_accepts_nothing() {
        let clients = clients(1, 1);
        let binding = AuthenticationBinding::none();
        let statement = Authentication {
            client_id: &clients[0].id,
            nonce: &clients[0].nonce,
            binding: &binding,
        };
        let entry = BatchEntry {
            commitment: clients[0].credential.commitment(),
            statement: &statement,
            proof: &clients[0].proof,
        };
        assert!(verify_batch(&[entry], &mut Broken).is_err());
    }

    proptest! {
        #[test]
        fn a_batch_answers_as_single_verifications_do(
            seed in 0_u64..1000,
            count in 1_usize..12,
            broken in proptest::collection::btree_set(0_usize..12, 0..4),
            byte in 0_usize..96,
        ) {
            let mut clients = clients(seed, count);
            for &i in broken.iter().filter(|&&i| i < count) {
                let mut bytes = clients[i].proof.to_bytes();
                bytes[byte] ^= 2;
                if let Ok(proof) = Proof::from_bytes(&bytes) {
                    clients[i].proof = proof;
                }
            }
            answers(&clients);
        }
    }
}
