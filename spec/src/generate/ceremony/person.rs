//! Who enrols, authenticates, and changes credentials.

use rand_chacha::ChaCha20Rng;
use sha2::{Digest, Sha512};

use super::super::sigma::prover::Proven;
use crate::cases::PurposeName;

pub(super) struct Person {
    pub(super) id: String,
    of: Proven,
}

impl Person {
    pub(super) fn new(rng: &mut ChaCha20Rng, id: &str) -> Self {
        Self {
            id: id.into(),
            of: Proven::new(rng, "", PurposeName::Authentication, id, b"", b""),
        }
    }

    /// The same credential under another client id.
    pub(super) fn called(&self, id: &str) -> Self {
        Self {
            id: id.into(),
            of: self.of.proving(|p| p.client_id = id.into()),
        }
    }

    pub(super) fn commitment(&self) -> [u8; 32] {
        self.of.commitment()
    }

    fn prove(&self, rng: &mut ChaCha20Rng, nonce: &[u8], binding: &[u8]) -> [u8; 96] {
        let stated = self
            .of
            .proving(|p| (p.nonce, p.binding) = (nonce.to_vec(), binding.to_vec()));
        stated.hedged(rng).proof()
    }

    /// A proof for enrolment, and of the new credential of a rotation.
    pub(super) fn possession(&self, rng: &mut ChaCha20Rng) -> [u8; 96] {
        self.prove(rng, b"", b"enrollment")
    }

    pub(super) fn answer(&self, rng: &mut ChaCha20Rng, nonce: &[u8], binding: &[u8]) -> [u8; 96] {
        self.prove(rng, nonce, binding)
    }

    pub(super) fn rotation(
        &self,
        rng: &mut ChaCha20Rng,
        nonce: &[u8],
        new: &[u8],
        binding: &[u8],
    ) -> [u8; 96] {
        self.prove(rng, nonce, &[b"rotation:", new, binding].concat())
    }

    /// A link or an unlinking, told apart by the byte, of that commitment.
    fn about(
        &self,
        rng: &mut ChaCha20Rng,
        byte: u8,
        nonce: &[u8],
        commitment: &[u8],
        binding: &[u8],
    ) -> [u8; 96] {
        let binding = [b"rotation:", &[byte][..], commitment, binding].concat();
        self.prove(rng, nonce, &binding)
    }

    pub(super) fn linking(
        &self,
        rng: &mut ChaCha20Rng,
        nonce: &[u8],
        new: &[u8],
        binding: &[u8],
    ) -> [u8; 96] {
        self.about(rng, 1, nonce, new, binding)
    }

    pub(super) fn unlinking(
        &self,
        rng: &mut ChaCha20Rng,
        nonce: &[u8],
        old: &[u8],
        binding: &[u8],
    ) -> [u8; 96] {
        self.about(rng, 3, nonce, old, binding)
    }

    pub(super) fn joining(&self, rng: &mut ChaCha20Rng, nonce: &[u8], binding: &[u8]) -> [u8; 96] {
        self.about(rng, 5, nonce, b"", binding)
    }

    /// Its credential's id.
    pub(super) fn credential_id(&self) -> String {
        let digest = Sha512::digest([b"2FApi-v1.0-CredentialId", &self.commitment()[..]].concat());
        hex::encode(&digest[..16])
    }
}
