//! The host's side: does this proof stand behind this statement?

use alloc::boxed::Box;

use curve25519_dalek::{RistrettoPoint, Scalar};
use once_cell::race::OnceBox;
use sha2::{Digest, Sha512};

use crate::{
    Commitment, Denied, Proof, Statement, group,
    low_level::equation_holds,
    sigma::statement::{Enrolment, Rotation},
    transcript,
};

const DECOY_DST: &[u8] = b"2FApi-v1.0-Decoy-Commitment";

/// Accepts exactly when z_s·G + z_r·H == A + c·C. Variable in time: all of it is public.
///
/// # Errors
/// [`Denied`], whatever the cause.
pub fn verify(
    commitment: &Commitment,
    statement: &(impl Statement + ?Sized),
    proof: &Proof,
) -> Result<(), Denied> {
    #[cfg(test)]
    crate::testing::count_equation();
    let c = transcript::challenge_scalar(
        commitment.as_bytes(),
        proof.announcement(),
        &statement.context(),
    );
    if c != Scalar::ZERO && equation_holds(commitment.point(), &c, proof) {
        Ok(())
    } else {
        Err(Denied)
    }
}

/// Does the work of [`verify`] for a client that is not enrolled, and denies, so that the time of
/// the answer does not tell who is enrolled. Decoding the decoy is part of that work.
pub fn deny_unknown_client(statement: &(impl Statement + ?Sized), proof: &Proof) -> Denied {
    if let Ok(decoy) = Commitment::from_bytes(decoy_commitment()) {
        let _ = core::hint::black_box(verify(&decoy, statement, proof));
    }
    Denied
}

/// Computes now what the first [`verify`] of a process would compute, which takes as long as a few
/// verifications. For hosts that fork: what is computed before, the children share.
pub fn precompute() {
    let _ = group::g_h_odd_multiples();
    let _ = decoy_commitment();
}

/// Both halves of a rotation: the old commitment's proof over the rotation, and the new
/// commitment's proof of possession.
///
/// # Errors
/// [`Denied`] when either is not accepted, or when the new commitment is the old one.
pub fn verify_rotation(
    old_commitment: &Commitment,
    statement: &Rotation<'_>,
    proof_old: &Proof,
    proof_new: &Proof,
) -> Result<(), Denied> {
    if statement.new_commitment() == old_commitment {
        return Err(Denied);
    }
    verify(old_commitment, statement, proof_old)?;
    let possession = Enrolment {
        client_id: statement.client_id(),
    };
    verify(statement.new_commitment(), &possession, proof_new)
}

/// An element that was hashed out of nothing, so that nobody knows an opening of it.
fn decoy_commitment() -> &'static [u8; Commitment::LEN] {
    static CELL: OnceBox<[u8; Commitment::LEN]> = OnceBox::new();
    CELL.get_or_init(|| {
        let uniform: [u8; 64] = Sha512::digest(DECOY_DST).into();
        let point = RistrettoPoint::from_uniform_bytes(&uniform);
        Box::new(point.compress().to_bytes())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Authentication, AuthenticationBinding, ClientId, Credential, Joining, Linking, Nonce,
        Unlinking, prove, testing::rng,
    };
    use proptest::prelude::*;

    struct Scene {
        id: ClientId,
        nonce: Nonce,
        binding: AuthenticationBinding,
        credential: Credential,
    }

    impl Scene {
        fn new(seed: u64) -> Self {
            Self {
                id: ClientId::parse("alice").unwrap(),
                nonce: Nonce::from_bytes(&[5; 16]).unwrap(),
                binding: AuthenticationBinding::from_bytes(b"aud:https://a.example").unwrap(),
                credential: Credential::generate(&mut rng(seed)).unwrap(),
            }
        }
        fn authentication(&self) -> Authentication<'_> {
            Authentication {
                client_id: &self.id,
                nonce: &self.nonce,
                binding: &self.binding,
            }
        }
        fn proof(&self, statement: &(impl Statement + ?Sized)) -> Proof {
            prove(&self.credential, statement, &mut rng(99)).unwrap()
        }
        fn accepts(&self, statement: &(impl Statement + ?Sized), proof: &Proof) -> bool {
            verify(self.credential.commitment(), statement, proof).is_ok()
        }
    }

    #[test]
    fn a_proof_for_one_purpose_is_refused_for_every_other() {
        let scene = Scene::new(1);
        let new = Credential::generate(&mut rng(2)).unwrap();
        let enrolment = Enrolment {
            client_id: &scene.id,
        };
        let rotation =
            Rotation::new(&scene.id, &scene.nonce, new.commitment(), &scene.binding).unwrap();
        let authentication = scene.authentication();
        let (id, nonce, binding) = (&scene.id, &scene.nonce, &scene.binding);
        let other = new.commitment().as_bytes();
        let statements: [&dyn Statement; 6] = [
            &enrolment,
            &authentication,
            &rotation,
            &Linking::new(id, nonce, other, binding).unwrap(),
            &Unlinking::new(id, nonce, other, binding).unwrap(),
            &Joining::new(id, nonce, binding).unwrap(),
        ];
        for (proven, statement) in statements.iter().enumerate() {
            let proof = scene.proof(*statement);
            for (asked, statement) in statements.iter().enumerate() {
                assert_eq!(scene.accepts(*statement, &proof), asked == proven);
            }
        }
    }

    #[test]
    fn another_client_nonce_binding_or_commitment_is_refused() {
        let scene = Scene::new(1);
        let proof = scene.proof(&scene.authentication());
        assert!(scene.accepts(&scene.authentication(), &proof));
        let other_id = ClientId::parse("Alice").unwrap();
        let other_nonce = Nonce::from_bytes(&[6; 16]).unwrap();
        let longer_nonce = Nonce::from_bytes(&[5; 17]).unwrap();
        let no_binding = AuthenticationBinding::none();
        let base = scene.authentication();
        for statement in [
            Authentication {
                client_id: &other_id,
                ..base
            },
            Authentication {
                nonce: &other_nonce,
                ..base
            },
            Authentication {
                nonce: &longer_nonce,
                ..base
            },
            Authentication {
                binding: &no_binding,
                ..base
            },
        ] {
            assert!(!scene.accepts(&statement, &proof), "{statement:?}");
        }
        let other = Credential::generate(&mut rng(3)).unwrap();
        assert_eq!(verify(other.commitment(), &base, &proof), Err(Denied));
    }

    #[test]
    fn a_rotation_needs_both_proofs_and_a_new_commitment() {
        let scene = Scene::new(1);
        let old = scene.credential.commitment();
        let new = Credential::generate(&mut rng(2)).unwrap();
        let statement =
            Rotation::new(&scene.id, &scene.nonce, new.commitment(), &scene.binding).unwrap();
        let proof_old = scene.proof(&statement);
        let possession = Enrolment {
            client_id: &scene.id,
        };
        let proof_new = prove(&new, &possession, &mut rng(4)).unwrap();
        let stranger = Credential::generate(&mut rng(5)).unwrap();
        let strange = prove(&stranger, &possession, &mut rng(6)).unwrap();
        assert_eq!(
            verify_rotation(old, &statement, &proof_old, &proof_new),
            Ok(())
        );
        assert_eq!(
            verify_rotation(old, &statement, &proof_old, &strange),
            Err(Denied)
        );
        assert_eq!(
            verify_rotation(old, &statement, &proof_new, &proof_new),
            Err(Denied)
        );

        let same = Rotation::new(&scene.id, &scene.nonce, old, &scene.binding).unwrap();
        let (a, b) = (scene.proof(&same), scene.proof(&possession));
        assert_eq!(verify_rotation(old, &same, &a, &b), Err(Denied));
    }

    #[test]
    fn an_unknown_client_is_denied_whatever_it_sends() {
        let scene = Scene::new(1);
        let statement = scene.authentication();
        assert_eq!(
            deny_unknown_client(&statement, &scene.proof(&statement)),
            Denied
        );
        assert!(Commitment::from_bytes(decoy_commitment()).is_ok());
    }

    proptest! {
        #[test]
        fn any_changed_bit_is_refused(seed: u64, byte in 0_usize..96, bit in 0_u8..8) {
            let scene = Scene::new(seed);
            let statement = scene.authentication();
            let mut bytes = scene.proof(&statement).to_bytes();
            bytes[byte] ^= 1 << bit;
            if let Ok(proof) = Proof::from_bytes(&bytes) {
                prop_assert!(!scene.accepts(&statement, &proof));
            }
        }
    }
}
