//! The hash that takes the place of a verifier who asks: Keccak-256, twice for each challenge. Scalars go
//! in with the highest byte first, coordinates and coefficients of polynomials with the lowest.

use ff::{FromUniformBytes as _, PrimeField as _};
use halo2curves::{CurveAffine as _, t256::T256Affine};
use sha3::{Digest as _, Keccak256};

use super::read::Proof;
use crate::circuit::F;

pub(super) struct Transcript {
    round: u16,
    state: [u8; 64],
    hash: Keccak256,
}

impl Transcript {
    pub(super) fn new(label: &[u8]) -> Self {
        Self {
            round: 0,
            state: both(Keccak256::new().chain_update(b"NoTR").chain_update(label)),
            hash: Keccak256::new(),
        }
    }

    pub(super) fn absorb(&mut self, label: &[u8], bytes: &[u8]) {
        self.hash.update(label);
        self.hash.update(bytes);
    }

    pub(super) fn separate(&mut self, name: &[u8]) {
        self.absorb(b"NoDS", name);
    }

    pub(super) fn scalars(&mut self, label: &[u8], scalars: &[F]) {
        self.absorb(label, &scalar_bytes(scalars));
    }

    pub(super) fn points(&mut self, label: &[u8], points: &[T256Affine]) {
        self.absorb(label, &point_bytes(points));
    }

    pub(super) fn commitment(&mut self, label: &[u8], rows: &[T256Affine]) {
        self.absorb(label, &commitment_bytes(rows));
    }

    pub(super) fn instance(&mut self, label: &[u8], rows: &[T256Affine], values: &[F]) {
        let bytes = [commitment_bytes(rows), scalar_bytes(values)].concat();
        self.absorb(label, &bytes);
    }

    pub(super) fn relaxed_instance(&mut self, label: &[u8], proof: &Proof) {
        let bytes = [
            commitment_bytes(&proof.random_witness),
            commitment_bytes(&proof.random_error),
            scalar_bytes(&[proof.random_u]),
            scalar_bytes(&proof.random_values),
        ];
        self.absorb(label, &bytes.concat());
    }

    /// Coefficients of polynomials go in as they are on the wire.
    pub(super) fn polynomial(&mut self, label: &[u8], coefficients: &[F]) {
        self.hash.update(label);
        for coefficient in coefficients {
            self.hash.update(coefficient.to_repr());
        }
    }

    pub(super) fn challenge(&mut self, label: &[u8]) -> F {
        let hash = std::mem::take(&mut self.hash);
        self.state = both(
            hash.chain_update(b"NoDS")
                .chain_update(self.round.to_le_bytes())
                .chain_update(self.state)
                .chain_update(label),
        );
        // A proof has some hundred challenges.
        self.round = self.round.wrapping_add(1);
        F::from_uniform_bytes(&self.state)
    }

    pub(super) fn challenges(&mut self, label: &[u8], count: usize) -> Vec<F> {
        (0..count).map(|_| self.challenge(label)).collect()
    }
}

/// 64 bytes: the hash with a nought after it, and with a one.
fn both(hash: Keccak256) -> [u8; 64] {
    let mut bytes = [0; 64];
    for (last, half) in [0u8, 1].into_iter().zip(bytes.chunks_mut(32)) {
        half.copy_from_slice(&hash.clone().chain_update([last]).finalize());
    }
    bytes
}

fn scalar_bytes(scalars: &[F]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(scalars.len() * 32);
    for scalar in scalars {
        bytes.extend(scalar.to_repr().as_ref().iter().rev());
    }
    bytes
}

/// Both coordinates. The identity has none; `Read` lets none pass.
fn point_bytes(points: &[T256Affine]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(points.len() * 64);
    for point in points {
        if let Some(both) = Option::<halo2curves::Coordinates<_>>::from(point.coordinates()) {
            bytes.extend_from_slice(both.x().to_repr().as_ref());
            bytes.extend_from_slice(both.y().to_repr().as_ref());
        }
    }
    bytes
}

fn commitment_bytes(rows: &[T256Affine]) -> Vec<u8> {
    [
        b"poly_commitment_begin".to_vec(),
        point_bytes(rows),
        b"poly_commitment_end".to_vec(),
    ]
    .concat()
}
