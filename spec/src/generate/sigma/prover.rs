//! A prover whose every value is known, announcement nonces among them: no prover of the core is one.

use rand_chacha::ChaCha20Rng;
use sha2::{Digest, Sha512};
use twofapi_crypto_core::{
    GENERATOR_G, GENERATOR_H, SUITE, TRANSCRIPT_DST, commit, curve25519_dalek::Scalar,
};

use super::super::{lp, random, scalar};
use crate::cases::{PurposeName, SigmaCase};

pub(crate) fn hash(transcript: &[u8]) -> Scalar {
    let digest = Sha512::new_with_prefix(TRANSCRIPT_DST).chain_update(transcript);
    Scalar::from_bytes_mod_order_wide(&digest.finalize().into())
}

/// All that an accepted proof is made of. Proving again after a change gives a case whose equation
/// holds for what was changed.
#[derive(Clone)]
pub(crate) struct Proven {
    pub(super) name: String,
    pub(super) purpose: PurposeName,
    pub(crate) client_id: String,
    pub(crate) nonce: Vec<u8>,
    pub(crate) binding: Vec<u8>,
    pub(super) secret: Scalar,
    pub(super) blinding: Scalar,
    pub(super) k_s: Scalar,
    pub(super) k_r: Scalar,
    /// What the announcement nonces were hashed from, where they were.
    random: Option<[u8; 32]>,
}

pub(super) type Fields = [Vec<u8>; 8];

// Which of the fields they are.
pub(crate) const COMMITMENT: usize = 3;
pub(crate) const ANNOUNCEMENT: usize = 4;

impl Proven {
    pub(crate) fn new(
        rng: &mut ChaCha20Rng,
        name: &str,
        purpose: PurposeName,
        client_id: &str,
        nonce: &[u8],
        binding: &[u8],
    ) -> Self {
        Self {
            name: name.into(),
            purpose,
            client_id: client_id.into(),
            nonce: nonce.to_vec(),
            binding: binding.to_vec(),
            secret: scalar(rng),
            blinding: scalar(rng),
            k_s: scalar(rng),
            k_r: scalar(rng),
            random: None,
        }
    }

    /// With announcement nonces that are hashed as protocol.md, section 6, says.
    pub(crate) fn hedged(mut self, rng: &mut ChaCha20Rng) -> Self {
        let random: [u8; 32] = random(rng);
        let seed = Sha512::new_with_prefix("2FApi-v1.0-NonceSeed")
            .chain_update(self.secret.as_bytes())
            .chain_update(self.blinding.as_bytes())
            .chain_update(random)
            .chain_update(self.commitment())
            .chain_update(lp(self.client_id.as_bytes()))
            .chain_update(lp(&self.nonce))
            .chain_update(lp(&self.binding))
            .finalize();
        let nonce = |label: &str| {
            let digest = Sha512::new_with_prefix("2FApi-v1.0-Nonce")
                .chain_update(label)
                .chain_update(seed);
            Scalar::from_bytes_mod_order_wide(&digest.finalize().into())
        };
        (self.k_s, self.k_r) = (nonce("s"), nonce("r"));
        self.random = Some(random);
        self
    }

    pub(crate) fn commitment(&self) -> [u8; 32] {
        commit(&self.secret, &self.blinding).compress().to_bytes()
    }

    pub(crate) fn announcement(&self) -> [u8; 32] {
        commit(&self.k_s, &self.k_r).compress().to_bytes()
    }

    /// The eight fields of the transcript.
    pub(crate) fn fields(&self) -> Fields {
        [
            SUITE.to_vec(),
            GENERATOR_G.to_vec(),
            GENERATOR_H.to_vec(),
            self.commitment().to_vec(),
            self.announcement().to_vec(),
            self.client_id.as_bytes().to_vec(),
            self.nonce.clone(),
            self.binding.clone(),
        ]
    }

    pub(crate) fn transcript(&self) -> Vec<u8> {
        self.fields().iter().flat_map(|field| lp(field)).collect()
    }

    pub(crate) fn transcript_without(&self, left_out: usize) -> Vec<u8> {
        let fields = self.fields();
        let kept = fields.iter().enumerate().filter(|(i, _)| *i != left_out);
        kept.flat_map(|(_, field)| lp(field)).collect()
    }

    pub(crate) fn proof(&self) -> [u8; 96] {
        self.proof_for(&hash(&self.transcript()))
    }

    /// The proof for a challenge scalar that need not be the right one.
    pub(crate) fn proof_for(&self, c: &Scalar) -> [u8; 96] {
        join(
            &self.announcement(),
            &(self.k_s + c * self.secret),
            &(self.k_r + c * self.blinding),
        )
    }

    pub(crate) fn accepted(&self) -> SigmaCase {
        let transcript = self.transcript();
        SigmaCase {
            secret: Some(hex::encode(self.secret.as_bytes())),
            blinding: Some(hex::encode(self.blinding.as_bytes())),
            k_s: Some(hex::encode(self.k_s.as_bytes())),
            k_r: Some(hex::encode(self.k_r.as_bytes())),
            random: self.random.map(hex::encode),
            challenge: Some(hex::encode(hash(&transcript).as_bytes())),
            transcript: Some(hex::encode(transcript)),
            ..self.bare(&self.proof())
        }
    }

    /// The case as a host sees it.
    pub(crate) fn bare(&self, proof: &[u8]) -> SigmaCase {
        SigmaCase {
            name: self.name.clone(),
            purpose: self.purpose,
            client_id: self.client_id.clone(),
            nonce: hex::encode(&self.nonce),
            channel_binding: hex::encode(&self.binding),
            commitment: hex::encode(self.commitment()),
            proof: hex::encode(proof),
            ..SigmaCase::default()
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) const fn purpose(&self) -> PurposeName {
        self.purpose
    }

    pub(crate) fn called(&mut self, name: &str, purpose: PurposeName) {
        (self.name, self.purpose) = (name.into(), purpose);
    }

    /// The same prover, proving something else; the equation holds.
    pub(crate) fn proving(&self, change: impl FnOnce(&mut Self)) -> Self {
        let mut other = self.clone();
        change(&mut other);
        other
    }
}

pub(super) fn join(announcement: &[u8], response_s: &Scalar, response_r: &Scalar) -> [u8; 96] {
    let mut proof = [0; 96];
    proof[..32].copy_from_slice(announcement);
    proof[32..64].copy_from_slice(response_s.as_bytes());
    proof[64..].copy_from_slice(response_r.as_bytes());
    proof
}
