//! Low-level calls that take a caller's own values: kept because clients use them. Prefer
//! [`prove`](crate::prove()) and [`verify`](crate::verify()), which cannot be called wrongly.

use curve25519_dalek::{RistrettoPoint, Scalar, constants::RISTRETTO_BASEPOINT_POINT};

use crate::{
    Commitment, GENERATOR_G, GENERATOR_H, Proof,
    group::{self, ELEMENT_LEN},
};

/// Low-level: the suite's generators G and H.
#[must_use]
pub fn generators() -> (RistrettoPoint, RistrettoPoint) {
    (RISTRETTO_BASEPOINT_POINT, *group::generator_h())
}

/// Low-level: secret·G + blinding·H, in constant time. [`Credential`](crate::Credential) holds the
/// two scalars more safely.
#[must_use]
pub fn commit(secret: &Scalar, blinding: &Scalar) -> RistrettoPoint {
    group::pedersen(secret, blinding)
}

/// Low-level: whether response_s·G + response_r·H == announcement + challenge·commitment, for a
/// challenge that the caller computed. Each argument is 32 bytes.
///
/// False as well when an argument is not canonical, a point is the identity, a scalar is zero, or a
/// generator is not the suite's. It checks no transcript: a caller that takes the challenge from
/// its peer checks nothing at all.
#[must_use]
pub fn verify_equation_raw(
    generator_g: &[u8],
    generator_h: &[u8],
    commitment: &[u8],
    announcement: &[u8],
    challenge: &[u8],
    response_s: &[u8],
    response_r: &[u8],
) -> bool {
    if generator_g != GENERATOR_G || generator_h != GENERATOR_H {
        return false;
    }
    let parts = [announcement, response_s, response_r];
    if parts.iter().any(|part| part.len() != ELEMENT_LEN) {
        return false;
    }
    let mut proof = [0; Proof::LEN];
    for (chunk, part) in proof.chunks_exact_mut(ELEMENT_LEN).zip(parts) {
        chunk.copy_from_slice(part);
    }
    match (
        Commitment::from_bytes(commitment),
        group::decode_scalar("challenge", challenge),
        Proof::from_bytes(&proof),
    ) {
        (Ok(commitment), Ok(c), Ok(proof)) => equation_holds(commitment.point(), &c, &proof),
        _ => false,
    }
}

/// z_s·G + z_r·H − c·C, encoded, is the announcement. The announcement is never decompressed: what
/// is not canonical equals no encoding. Variable in time: all of it is public.
pub(crate) fn equation_holds(commitment: &RistrettoPoint, c: &Scalar, proof: &Proof) -> bool {
    let expected = group::vartime_g_h_and(proof.response_s(), proof.response_r(), &-c, commitment);
    expected.compress().as_bytes() == proof.announcement()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ClientId, Credential, Enrolment, Statement, prove, testing::rng, transcript};

    struct Equation([[u8; 32]; 7]);

    impl Equation {
        fn true_one() -> Self {
            let credential = Credential::generate(&mut rng(1)).unwrap();
            let id = ClientId::parse("alice").unwrap();
            let statement = Enrolment { client_id: &id };
            let proof = prove(&credential, &statement, &mut rng(2)).unwrap();
            let commitment = credential.commitment().to_bytes();
            let c = transcript::challenge_scalar(
                &commitment,
                proof.announcement(),
                &statement.context(),
            );
            Self([
                GENERATOR_G,
                GENERATOR_H,
                commitment,
                *proof.announcement(),
                c.to_bytes(),
                proof.response_s().to_bytes(),
                proof.response_r().to_bytes(),
            ])
        }

        fn holds(&self) -> bool {
            let [g, h, commitment, announcement, c, s, r] = &self.0;
            verify_equation_raw(g, h, commitment, announcement, c, s, r)
        }
    }

    #[test]
    fn a_true_equation_holds_and_no_changed_part_does() {
        assert!(Equation::true_one().holds());
        for part in 0..7 {
            let mut equation = Equation::true_one();
            equation.0[part][1] ^= 1;
            assert!(!equation.holds(), "part {part}");
        }
    }

    #[test]
    fn generators_of_the_callers_own_are_refused() {
        // With H = G anybody could open any commitment in many ways.
        let mut equation = Equation::true_one();
        equation.0[1] = GENERATOR_G;
        assert!(!equation.holds());
        let mut swapped = Equation::true_one();
        swapped.0.swap(0, 1);
        assert!(!swapped.holds());
    }

    #[test]
    fn zero_and_identity_are_refused_even_where_the_equation_is_true() {
        // 0·G + 0·H == identity + 0·C
        let mut equation = Equation::true_one();
        for part in [3, 4, 5, 6] {
            equation.0[part] = [0; 32];
        }
        assert!(!equation.holds());
    }

    #[test]
    fn a_wrong_length_is_false_and_not_a_panic() {
        let equation = Equation::true_one();
        let parts: [&[u8]; 7] = core::array::from_fn(|i| &equation.0[i][..]);
        for part in 0..7 {
            for len in [0, 31] {
                let mut args = parts;
                args[part] = &parts[part][..len];
                assert!(!verify_equation_raw(
                    args[0], args[1], args[2], args[3], args[4], args[5], args[6]
                ));
            }
        }
    }

    #[test]
    fn a_commitment_is_what_a_credential_says() {
        let credential = Credential::generate(&mut rng(1)).unwrap();
        let point = commit(credential.secret(), credential.blinding());
        assert_eq!(
            point.compress().to_bytes(),
            credential.commitment().to_bytes()
        );
    }
}
