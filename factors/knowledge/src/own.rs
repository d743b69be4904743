//! A verifier of our own, which must accept as well.
//!
//! It is written from the protocol that `spec/knowledge.md` gives, and shares with the proof system's own
//! verifier the arithmetic of the curve and nothing else: it reads the elements of a proof where the
//! shape says that they are, builds both circuits by itself, and has every length as a constant.

mod matrix;
mod read;
mod rounds;
mod transcript;

use ff::Field as _;
use halo2curves::{
    CurveExt as _,
    group::{Curve as _, Group as _, prime::PrimeCurveAffine as _},
    msm::msm_serial,
    t256::{T256, T256Affine},
};
use sha3::{
    Shake256,
    digest::{ExtendableOutput as _, Update as _, XofReader as _},
};

use crate::{
    circuit::{Circuit, F},
    persona::Kind,
    proof::{ROUND_WIDTH, Sizes, WITNESS_WIDTH, key_digest},
};
use matrix::{Matrices, eq, eq_table, inner_product, sum_of};
use read::{Proof, Read};
use transcript::Transcript;

/// It proves nothing, and where that was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotProven(pub(crate) &'static str);

/// Everything that is the same for all proofs of a kind.
pub(crate) struct OwnVerifier {
    kind: Kind,
    sizes: Sizes,
    circuit: Matrices,
    rounds: Matrices,
    witness_key: CommitmentKey,
    round_key: CommitmentKey,
}

/// Generators: one for each place, and one for the blind.
struct CommitmentKey {
    places: Vec<T256Affine>,
    blind: T256Affine,
}

impl CommitmentKey {
    /// Points whose relations nobody knows, from a label.
    fn of(label: &[u8], width: usize) -> Self {
        let mut shake = Shake256::default();
        shake.update(label);
        let mut stream = shake.finalize_xof();
        let hash = T256::hash_to_curve("from_uniform_bytes");
        let points: Vec<T256> = (0..=width)
            .map(|_| {
                let mut seed = [0; 32];
                stream.read(&mut seed);
                hash(&seed)
            })
            .collect();
        let mut places = vec![T256Affine::identity(); points.len()];
        T256::batch_normalize(&points, &mut places);
        let blind = places.pop().unwrap_or_default();
        Self { places, blind }
    }

    /// The commitment to these numbers with this blind.
    fn commit(&self, numbers: &[F], blind: F) -> T256 {
        multiply(numbers, &self.places) + self.blind * blind
    }
}

/// Σ factor · point; variable time.
fn multiply(factors: &[F], points: &[T256Affine]) -> T256 {
    let mut sum = T256::identity();
    msm_serial(factors, points, &mut sum);
    sum
}

/// a + factor · b, place by place.
fn fold_points(a: &[T256Affine], factor: F, b: &[T256Affine]) -> Vec<T256Affine> {
    let sums: Vec<T256> = a.iter().zip(b).map(|(a, b)| *b * factor + *a).collect();
    let mut folded = vec![T256Affine::identity(); sums.len()];
    T256::batch_normalize(&sums, &mut folded);
    folded
}

impl OwnVerifier {
    pub(crate) fn new(kind: Kind) -> Self {
        let sizes = Sizes::of(kind);
        Self {
            kind,
            circuit: Matrices::of_circuit(&Circuit::blank(kind), sizes.witness),
            rounds: rounds::matrices(&sizes),
            witness_key: CommitmentKey::of(b"ck", WITNESS_WIDTH),
            round_key: CommitmentKey::of(b"ck", ROUND_WIDTH),
            sizes,
        }
    }

    /// Whether these elements prove that a witness exists for these public values.
    pub(crate) fn verify(&self, public: &[F], wire: &[u8]) -> Result<(), NotProven> {
        let proof = Read::new(wire)
            .proof(&self.sizes)
            .ok_or(NotProven("an element is not one"))?;
        let mut t = Transcript::new(b"SpartanZkSNARK");
        t.absorb(b"vk", key_digest(self.kind));
        t.scalars(b"public_values", public);
        t.commitment(b"comm_W_rest", &proof.witness);
        let tau = t.challenges(b"t", self.sizes.outer);

        // The rounds of the first two sum-checks, whose messages are commitments.
        let challenged = self.sizes.outer + 1 + self.sizes.inner;
        for (i, commitment) in proof.rounds.iter().enumerate() {
            t.commitment(b"comm_w_round", std::slice::from_ref(commitment));
            if i < challenged && t.challenge(b"challenge") != proof.challenges[i] {
                return Err(NotProven("a challenge of a round"));
            }
        }
        let (r_x, rest) = proof.challenges.split_at(self.sizes.outer);
        let (r, r_y) = rest.split_first().ok_or(NotProven("no challenges"))?;

        let [a, b, c] = self.circuit.evaluate(&eq_table(r_x), &eq_table(r_y));
        let quotient = a + *r * b + *r * r * c;
        let one_and_public: Vec<F> = std::iter::once(F::ONE)
            .chain(public.iter().copied())
            .collect();
        let public_at_point = eval_sparse(&one_and_public, &r_y[1..]);
        if proof.round_public != [eq(&tau, r_x), public_at_point, quotient] {
            return Err(NotProven("the public values of the rounds"));
        }

        let folded = self.fold(&proof, &mut t);
        self.check_folded(&folded, &proof, &mut t)?;
        self.check_opening(&proof, &r_y[1..], &mut t)
    }

    /// The rounds' instance folded with the random one, so that opening it shows nothing.
    fn fold(&self, proof: &Proof, t: &mut Transcript) -> Folded {
        let values: Vec<F> = proof
            .challenges
            .iter()
            .chain(&proof.round_public)
            .copied()
            .collect();
        t.relaxed_instance(b"U1", proof);
        t.instance(b"U2", &proof.rounds, &values);
        t.commitment(b"comm_T", &proof.cross_term);
        let r = t.challenge(b"r");
        Folded {
            witness: fold_points(&proof.random_witness, r, &proof.rounds),
            error: fold_points(&proof.random_error, r, &proof.cross_term),
            values: proof
                .random_values
                .iter()
                .zip(&values)
                .map(|(a, b)| *a + r * b)
                .collect(),
            u: proof.random_u + r,
        }
    }

    /// (A z) ∘ (B z) = u · (C z) + E, with z = (W, u, X), by two sum-checks and two openings.
    fn check_folded(
        &self,
        folded: &Folded,
        proof: &Proof,
        t: &mut Transcript,
    ) -> Result<(), NotProven> {
        t.scalars(b"u_relaxed", &[folded.u]);
        t.scalars(b"X_relaxed", &folded.values);
        let tau = t.challenges(b"t", self.sizes.folded_outer);
        let (claim, r_x) = sum_check(F::ZERO, &proof.folded_outer, t);
        let [az, bz, cz] = proof.folded_claims;
        if claim != eq(&tau, &r_x) * (az * bz - cz) {
            return Err(NotProven("the first sum-check"));
        }
        t.scalars(b"claims_outer", &proof.folded_claims);
        let r = t.challenge(b"r");
        let error = self.open(&folded.error, &proof.error_opening, &r_x)?;
        let joint = az + r * bz + r * r * (cz - error);
        let (claim, r_y) = sum_check(joint, &proof.folded_inner, t);
        let (first, point) = r_y.split_first().ok_or(NotProven("no point"))?;
        let witness = self.open(&folded.witness, &proof.witness_opening, point)?;

        let (rows, columns) = (eq_table(&r_x), eq_table(&r_y));
        let after = &columns[self.sizes.round_variables..];
        let z = (F::ONE - first) * witness
            + folded.u * after[0]
            + inner_product(&folded.values, &after[1..]);
        let [a, b, c] = self.rounds.evaluate(&rows, &columns);
        if claim != (a + r * b + r * r * folded.u * c) * z {
            return Err(NotProven("the second sum-check"));
        }
        t.scalars(b"v_W", &proof.witness_opening.0);
        t.scalars(b"v_E", &proof.error_opening.0);
        Ok(())
    }

    /// The value at a point of what rows of 16 are committed to, from the sum of the rows.
    fn open(
        &self,
        rows: &[T256Affine],
        (sum, blind): &(Vec<F>, F),
        point: &[F],
    ) -> Result<F, NotProven> {
        let row_bits = point.len() - ROUND_WIDTH.ilog2() as usize;
        let (left, right) = point.split_at(row_bits);
        let weights = eq_table(left);
        if multiply(&weights[..rows.len()], rows) != self.round_key.commit(sum, *blind) {
            return Err(NotProven("the opening of a row"));
        }
        Ok(inner_product(sum, &eq_table(right)))
    }

    /// That the witness has the committed value at this point.
    fn check_opening(
        &self,
        proof: &Proof,
        point: &[F],
        t: &mut Transcript,
    ) -> Result<(), NotProven> {
        t.commitment(b"poly_com", &proof.witness);
        let row_bits = point.len() - WITNESS_WIDTH.ilog2() as usize;
        let (left, right) = point.split_at(row_bits);
        let row = multiply(&eq_table(left), &proof.witness);
        let value = *proof.rounds.last().ok_or(NotProven("no rounds"))?;

        t.separate(b"inner product argument (linear)");
        t.points(b"U", &[row.to_affine(), value]);
        t.points(b"delta", &[proof.delta]);
        t.points(b"beta", &[proof.beta]);
        let r = t.challenge(b"r");
        let product = inner_product(&proof.z, &eq_table(right));
        let first = row * r + proof.delta == self.witness_key.commit(&proof.z, proof.z_delta);
        let second = value * r + proof.beta == self.round_key.commit(&[product], proof.z_beta);
        if first && second {
            Ok(())
        } else {
            Err(NotProven("the opening of the witness"))
        }
    }
}

struct Folded {
    witness: Vec<T256Affine>,
    error: Vec<T256Affine>,
    values: Vec<F>,
    u: F,
}

/// The multilinear extension of these values, and noughts after them.
fn eval_sparse(values: &[F], point: &[F]) -> F {
    let bits = point.len();
    sum_of(values.iter().enumerate().map(|(index, value)| {
        point.iter().enumerate().fold(*value, |product, (i, r)| {
            let is_set = index >> (bits - 1 - i) & 1 == 1;
            product * if is_set { *r } else { F::ONE - r }
        })
    }))
}

/// A sum-check whose polynomials come without their linear coefficients, which the claim determines.
fn sum_check<const N: usize>(claim: F, rounds: &[[F; N]], t: &mut Transcript) -> (F, Vec<F>) {
    let mut claim = claim;
    let mut point = Vec::with_capacity(rounds.len());
    for sent in rounds {
        t.polynomial(b"p", sent);
        let r = t.challenge(b"c");
        // p(0) + p(1) = claim
        let linear = claim - sent[0] - sum_of(sent.iter().copied());
        let higher = sent[1..].iter().rev().fold(F::ZERO, |sum, c| (sum + c) * r);
        claim = sent[0] + r * (linear + higher);
        point.push(r);
    }
    (claim, point)
}
