//! The elements of a proof, in the order in which they are sent.

use ff::PrimeField as _;
use halo2curves::{
    group::{GroupEncoding as _, prime::PrimeCurveAffine as _},
    t256::T256Affine,
};

use crate::{
    circuit::F,
    proof::{POINT, ROUND_WIDTH, SCALAR, Sizes, WITNESS_WIDTH},
};

pub(super) struct Proof {
    pub(super) witness: Vec<T256Affine>,
    pub(super) rounds: Vec<T256Affine>,
    pub(super) round_public: [F; 3],
    pub(super) challenges: Vec<F>,
    pub(super) random_witness: Vec<T256Affine>,
    pub(super) random_error: Vec<T256Affine>,
    pub(super) random_values: Vec<F>,
    pub(super) random_u: F,
    pub(super) cross_term: Vec<T256Affine>,
    pub(super) folded_outer: Vec<[F; 3]>,
    pub(super) folded_claims: [F; 3],
    pub(super) folded_inner: Vec<[F; 2]>,
    pub(super) witness_opening: (Vec<F>, F),
    pub(super) error_opening: (Vec<F>, F),
    pub(super) delta: T256Affine,
    pub(super) beta: T256Affine,
    pub(super) z: Vec<F>,
    pub(super) z_delta: F,
    pub(super) z_beta: F,
}

/// Reads elements one after another. What is no canonical encoding, or the identity, ends it.
pub(super) struct Read<'a>(&'a [u8]);

impl<'a> Read<'a> {
    pub(super) const fn new(wire: &'a [u8]) -> Self {
        Self(wire)
    }

    pub(super) fn proof(mut self, sizes: &Sizes) -> Option<Proof> {
        let error_rows = sizes.round_constraints / ROUND_WIDTH;
        let challenges = sizes.outer + 1 + sizes.inner;
        let proof = Proof {
            witness: self.points(sizes.witness / WITNESS_WIDTH)?,
            rounds: self.points(sizes.rounds)?,
            round_public: self.array()?,
            challenges: self.scalars(challenges)?,
            random_witness: self.points(sizes.rounds)?,
            random_error: self.points(error_rows)?,
            random_values: self.scalars(challenges + 3)?,
            random_u: self.scalar()?,
            cross_term: self.points(error_rows)?,
            folded_outer: self.arrays(sizes.folded_outer)?,
            folded_claims: self.array()?,
            folded_inner: self.arrays(sizes.folded_inner)?,
            witness_opening: (self.scalars(ROUND_WIDTH)?, self.scalar()?),
            error_opening: (self.scalars(ROUND_WIDTH)?, self.scalar()?),
            delta: self.point()?,
            beta: self.point()?,
            z: self.scalars(WITNESS_WIDTH)?,
            z_delta: self.scalar()?,
            z_beta: self.scalar()?,
        };
        self.0.is_empty().then_some(proof)
    }

    fn bytes<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (bytes, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*bytes)
    }

    fn scalar(&mut self) -> Option<F> {
        let bytes: [u8; SCALAR] = self.bytes()?;
        let mut repr = <F as ff::PrimeField>::Repr::default();
        repr.as_mut().copy_from_slice(&bytes);
        F::from_repr(repr).into()
    }

    fn point(&mut self) -> Option<T256Affine> {
        let bytes: [u8; POINT] = self.bytes()?;
        let mut repr = <T256Affine as halo2curves::group::GroupEncoding>::Repr::default();
        repr.as_mut().copy_from_slice(&bytes);
        let point: T256Affine = Option::from(T256Affine::from_bytes(&repr))?;
        // One encoding of each point, and none of the identity.
        let is_one = !bool::from(point.is_identity()) && point.to_bytes().as_ref() == bytes;
        is_one.then_some(point)
    }

    fn scalars(&mut self, count: usize) -> Option<Vec<F>> {
        (0..count).map(|_| self.scalar()).collect()
    }

    fn points(&mut self, count: usize) -> Option<Vec<T256Affine>> {
        (0..count).map(|_| self.point()).collect()
    }

    fn array<const N: usize>(&mut self) -> Option<[F; N]> {
        self.scalars(N)?.try_into().ok()
    }

    fn arrays<const N: usize>(&mut self, count: usize) -> Option<Vec<[F; N]>> {
        (0..count).map(|_| self.array()).collect()
    }
}
