//! A link proof: that two commitments hide one secret, shown by who holds both, to one who asked.
//!
//! For C_1 = s·G + r_1·H and C_2 = s·G + r_2·H it is a Sigma proof of (s, r_1, r_2) with one response for s.
//! That one is what it is about: that C_1 − C_2 is a multiple of H could be shown by whoever has shifted
//! another one's commitment by such a multiple.

use alloc::vec::Vec;
use core::fmt;

use curve25519_dalek::Scalar;
use rand_core::TryCryptoRng;
use sha2::{Digest, Sha512};
use zeroize::ZeroizeOnDrop;

use crate::{
    Audience, ClientId, Commitment, Credential, Denied, Error, GENERATOR_G, GENERATOR_H, Nonce,
    credential,
    group::{self, ELEMENT_LEN},
    sigma::{
        hedge::{Domains, Hedge},
        is_nonnegative_field_element,
    },
};

/// The suite of link proofs, first field of their transcript.
pub const LINK_PROOF_SUITE: &[u8] = b"2FApi-v1.0-LinkProof";
const TRANSCRIPT_DST: &[u8] = b"2FApi-LinkProof-Transcript-v1";
const DOMAINS: Domains = Domains {
    seed: b"2FApi-v1.0-LinkProofNonceSeed",
    nonce: b"2FApi-v1.0-LinkProofNonce",
};

/// One of the two clients: where it is enrolled, and as whom.
#[derive(Clone, Copy, Debug)]
pub struct LinkedClient<'a> {
    /// The audience of the host.
    pub audience: &'a Audience,
    /// The client id there.
    pub client_id: &'a ClientId,
}

/// What a link proof says: "these two clients are one", and to whom.
#[derive(Clone, Copy, Debug)]
pub struct LinkStatement<'a> {
    /// The client of the first commitment.
    pub first: LinkedClient<'a>,
    /// The client of the second one.
    pub second: LinkedClient<'a>,
    /// What the one who asked has drawn: for anybody else the proof is none.
    pub nonce: &'a Nonce,
}

impl LinkStatement<'_> {
    /// LP(audience 1) ‖ LP(client id 1) ‖ LP(audience 2) ‖ LP(client id 2) ‖ LP(nonce).
    fn each_piece(&self, mut write: impl FnMut(&[u8])) {
        for field in [
            self.first.audience.as_str().as_bytes(),
            self.first.client_id.as_bytes(),
            self.second.audience.as_str().as_bytes(),
            self.second.client_id.as_bytes(),
            self.nonce.as_bytes(),
        ] {
            write(&(field.len() as u32).to_be_bytes());
            write(field);
        }
    }
}

/// The transcript of a link proof: LP(suite) ‖ LP(G) ‖ LP(H) ‖ LP(C_1) ‖ LP(C_2) ‖ LP(A_1) ‖ LP(A_2) ‖
/// LP(audience 1) ‖ LP(client id 1) ‖ LP(audience 2) ‖ LP(client id 2) ‖ LP(nonce).
#[must_use]
pub fn link_transcript(
    commitments: [&[u8; ELEMENT_LEN]; 2],
    announcements: [&[u8; ELEMENT_LEN]; 2],
    statement: &LinkStatement<'_>,
) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(512);
    let [c1, c2] = commitments;
    let [a1, a2] = announcements;
    for field in [LINK_PROOF_SUITE, &GENERATOR_G, &GENERATOR_H, c1, c2, a1, a2] {
        bytes.extend((field.len() as u32).to_be_bytes());
        bytes.extend(field);
    }
    statement.each_piece(|piece| bytes.extend_from_slice(piece));
    bytes
}

fn challenge_scalar(
    commitments: [&[u8; ELEMENT_LEN]; 2],
    announcements: [&[u8; ELEMENT_LEN]; 2],
    statement: &LinkStatement<'_>,
) -> Scalar {
    let hash = Sha512::new_with_prefix(TRANSCRIPT_DST).chain_update(link_transcript(
        commitments,
        announcements,
        statement,
    ));
    Scalar::from_bytes_mod_order_wide(&hash.finalize().into())
}

/// A_1 ‖ A_2 ‖ z_s ‖ z_1 ‖ z_2. The responses are canonical and not zero, the announcements below the field
/// prime, not negative and not the identity; the rest is left to the equations, as in a
/// [`Proof`](crate::Proof).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct LinkProof {
    announcements: [[u8; ELEMENT_LEN]; 2],
    response_s: Scalar,
    responses_r: [Scalar; 2],
}

impl LinkProof {
    /// Length of an encoded link proof in bytes.
    pub const LEN: usize = 5 * ELEMENT_LEN;

    /// Decodes 160 bytes.
    ///
    /// # Errors
    /// [`Error::InvalidLength`] or [`Error::InvalidEncoding`], naming the part.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let (parts, rest) = bytes.as_chunks::<ELEMENT_LEN>();
        let ([a1, a2, s, r1, r2], []) = (parts, rest) else {
            return Err(Error::InvalidLength {
                what: "link proof",
                expected: "160 bytes",
                actual: bytes.len(),
            });
        };
        for announcement in [a1, a2] {
            if !is_nonnegative_field_element(announcement) || *announcement == [0; ELEMENT_LEN] {
                return Err(Error::InvalidEncoding {
                    what: "announcement",
                    expected: "the canonical encoding of a Ristretto255 element other than the identity",
                });
            }
        }
        Ok(Self {
            announcements: [*a1, *a2],
            response_s: group::decode_scalar("response z_s", s)?,
            responses_r: [
                group::decode_scalar("response z_1", r1)?,
                group::decode_scalar("response z_2", r2)?,
            ],
        })
    }

    /// The 160 bytes that are shown.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; Self::LEN] {
        let [a1, a2] = &self.announcements;
        let [r1, r2] = &self.responses_r;
        let parts = [
            a1,
            a2,
            self.response_s.as_bytes(),
            r1.as_bytes(),
            r2.as_bytes(),
        ];
        let mut bytes = [0; Self::LEN];
        for (place, part) in bytes.chunks_exact_mut(ELEMENT_LEN).zip(parts) {
            place.copy_from_slice(part);
        }
        bytes
    }
}

impl fmt::Debug for LinkProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LinkProof(160 bytes)")
    }
}

/// Proves that two credentials have one secret. Hedged and constant in time as [`prove`](crate::prove()).
///
/// # Errors
/// [`Error::InvalidEncoding`] when their secrets are two; [`Error::Unavailable`] when the random source
/// fails.
pub fn prove_link<R: TryCryptoRng + ?Sized>(
    first: &Credential,
    second: &Credential,
    statement: &LinkStatement<'_>,
    rng: &mut R,
) -> Result<LinkProof, Error> {
    if !bool::from(first.has_secret_of(second)) {
        return Err(Error::InvalidEncoding {
            what: "the credentials of a link proof",
            expected: "two of one secret, as one recovery phrase gives them",
        });
    }
    loop {
        let proof = attempt(first, second, statement, rng);
        credential::overwrite_stack();
        if let Some(proof) = proof? {
            return Ok(proof);
        }
    }
}

/// k_s, k_1 and k_2: used for one proof, then gone.
#[derive(ZeroizeOnDrop)]
struct AnnouncementNonces {
    k_s: Scalar,
    k_r: [Scalar; 2],
}

#[inline(never)]
fn attempt<R: TryCryptoRng + ?Sized>(
    first: &Credential,
    second: &Credential,
    statement: &LinkStatement<'_>,
    rng: &mut R,
) -> Result<Option<LinkProof>, Error> {
    let hedge = Hedge::draw(
        &DOMAINS,
        &[first.secret(), first.blinding(), second.blinding()],
        &[first.commitment(), second.commitment()],
        |seed| statement.each_piece(|piece| seed.update(piece)),
        rng,
    )?;
    let nonces = AnnouncementNonces {
        k_s: hedge.nonce(b's'),
        k_r: [hedge.nonce(b'1'), hedge.nonce(b'2')],
    };
    Ok(respond(first, second, statement, &nonces))
}

#[inline(never)]
fn respond(
    first: &Credential,
    second: &Credential,
    statement: &LinkStatement<'_>,
    nonces: &AnnouncementNonces,
) -> Option<LinkProof> {
    let announce = |k_r| group::pedersen(&nonces.k_s, k_r).compress().to_bytes();
    let [k_1, k_2] = &nonces.k_r;
    let announcements = [announce(k_1), announce(k_2)];
    let commitments = [
        first.commitment().as_bytes(),
        second.commitment().as_bytes(),
    ];
    let c = challenge_scalar(commitments, announcements.each_ref(), statement);
    // The responses are public: each is blinded by a uniform nonce.
    let proof = LinkProof {
        announcements,
        response_s: nonces.k_s + c * first.secret(),
        responses_r: [k_1 + c * first.blinding(), k_2 + c * second.blinding()],
    };
    let refused = c == Scalar::ZERO
        || announcements.contains(&[0; ELEMENT_LEN])
        || proof.response_s == Scalar::ZERO
        || proof.responses_r.contains(&Scalar::ZERO);
    (!refused).then_some(proof)
}

/// Accepts exactly when z_s·G + z_i·H == A_i + c·C_i for both. Variable in time: all of it is public.
///
/// # Errors
/// [`Denied`], whatever the cause.
pub fn verify_link(
    first: &Commitment,
    second: &Commitment,
    statement: &LinkStatement<'_>,
    proof: &LinkProof,
) -> Result<(), Denied> {
    let commitments = [first, second];
    let c = challenge_scalar(
        commitments.map(Commitment::as_bytes),
        proof.announcements.each_ref(),
        statement,
    );
    let holds = |at: usize| {
        let point = commitments[at].point();
        let expected =
            group::vartime_g_h_and(&proof.response_s, &proof.responses_r[at], &-c, point);
        *expected.compress().as_bytes() == proof.announcements[at]
    };
    if c != Scalar::ZERO && holds(0) && holds(1) {
        Ok(())
    } else {
        Err(Denied)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Broken, Constant, rng};
    use alloc::vec;
    use proptest::prelude::*;

    struct Scene {
        here: Audience,
        there: Audience,
        alice: ClientId,
        bob: ClientId,
        nonce: Nonce,
        first: Credential,
        second: Credential,
    }

    impl Scene {
        fn new(seed: u8) -> Self {
            let (here, there) = ("https://a.example", "https://b.example");
            let at = |audience: &str| {
                Credential::from_recovery_entropy_at(&[seed; 32], &audience.parse().unwrap(), 0)
            };
            Self {
                first: at(here).unwrap(),
                second: at(there).unwrap(),
                here: here.parse().unwrap(),
                there: there.parse().unwrap(),
                alice: "alice".parse().unwrap(),
                bob: "bob".parse().unwrap(),
                nonce: Nonce::from_bytes(&[5; 16]).unwrap(),
            }
        }

        fn statement(&self) -> LinkStatement<'_> {
            LinkStatement {
                first: LinkedClient {
                    audience: &self.here,
                    client_id: &self.alice,
                },
                second: LinkedClient {
                    audience: &self.there,
                    client_id: &self.bob,
                },
                nonce: &self.nonce,
            }
        }

        fn proof(&self) -> LinkProof {
            prove_link(&self.first, &self.second, &self.statement(), &mut rng(1)).unwrap()
        }

        fn accepts(&self, statement: &LinkStatement<'_>, proof: &LinkProof) -> bool {
            let (first, second) = (self.first.commitment(), self.second.commitment());
            verify_link(first, second, statement, proof).is_ok()
        }
    }

    #[test]
    fn a_link_proof_is_for_who_asked_and_nobody_else() {
        let scene = Scene::new(1);
        let (proof, base) = (scene.proof(), scene.statement());
        assert!(scene.accepts(&base, &proof));
        let other_nonce = Nonce::from_bytes(&[6; 16]).unwrap();
        let (first, second) = (base.first, base.second);
        let here = LinkedClient {
            audience: &scene.here,
            ..second
        };
        let bob = LinkedClient {
            client_id: &scene.bob,
            ..first
        };
        for statement in [
            LinkStatement {
                nonce: &other_nonce,
                ..base
            },
            LinkStatement { first: bob, ..base },
            LinkStatement {
                second: here,
                ..base
            },
            LinkStatement {
                first: second,
                second: first,
                ..base
            },
        ] {
            assert!(!scene.accepts(&statement, &proof), "{statement:?}");
        }
        let swapped = verify_link(
            scene.second.commitment(),
            scene.first.commitment(),
            &base,
            &proof,
        );
        assert_eq!(swapped, Err(Denied));
    }

    #[test]
    fn two_secrets_are_not_linked() {
        let (scene, other) = (Scene::new(1), Scene::new(2));
        let refused = prove_link(&scene.first, &other.second, &scene.statement(), &mut rng(1));
        assert_eq!(
            refused.unwrap_err().code(),
            crate::ErrorCode::InvalidEncoding
        );
        let failed = prove_link(&scene.first, &scene.second, &scene.statement(), &mut Broken);
        assert_eq!(failed.unwrap_err().code(), crate::ErrorCode::Unavailable);
    }

    #[test]
    fn who_shifts_anothers_commitment_by_a_multiple_of_h_cannot_link_it() {
        // The shifter knows d with C_2 = C_1 + d·H, and nothing of C_1. It can prove d; what it cannot have is
        // one response for s. Its best tries, with the challenge that it hashes itself:
        let scene = Scene::new(1);
        let statement = scene.statement();
        let d = Scalar::from(77_u64);
        let shifted = scene.first.commitment().point() + *group::generator_h() * d;
        let shifted = Commitment::from_point(shifted);
        let commitments = [scene.first.commitment(), &shifted];
        let bytes = commitments.map(Commitment::as_bytes);
        let (k_s, k_1) = (Scalar::from(3_u64), Scalar::from(5_u64));
        let announce = |k_r: &Scalar| group::pedersen(&k_s, k_r).compress().to_bytes();
        // A proof about the difference alone holds: announcements that differ by k·H, responses by k + c·d.
        let k = Scalar::from(11_u64);
        let announcements = [announce(&k_1), announce(&(k_1 + k))];
        let c = challenge_scalar(bytes, announcements.each_ref(), &statement);
        let difference = commitments[1].point() - commitments[0].point();
        assert_eq!(
            *group::generator_h() * (k + c * d),
            *group::generator_h() * k + difference * c
        );
        for response_s in [k_s, k_s + c, c] {
            let proof = LinkProof {
                announcements,
                response_s,
                responses_r: [k_1, k_1 + k + c * d],
            };
            assert_eq!(
                verify_link(commitments[0], &shifted, &statement, &proof),
                Err(Denied)
            );
        }
        // Nor does a proof of the owner's for another pair become one for the shifted commitment.
        let mut proof = scene.proof();
        proof.responses_r[1] += c * d;
        assert_eq!(
            verify_link(commitments[0], &shifted, &statement, &proof),
            Err(Denied)
        );
    }

    #[test]
    fn one_response_for_the_secret_has_to_do_for_both() {
        // Who holds two credentials of two secrets can answer each equation, and not both by one response.
        let (scene, other) = (Scene::new(1), Scene::new(2));
        let statement = scene.statement();
        let (first, second) = (&scene.first, &other.second);
        let k = [3_u64, 5, 7].map(Scalar::from);
        let announce = |k_r: &Scalar| group::pedersen(&k[0], k_r).compress().to_bytes();
        let announcements = [announce(&k[1]), announce(&k[2])];
        let commitments = [first.commitment(), second.commitment()];
        let bytes = commitments.map(Commitment::as_bytes);
        let c = challenge_scalar(bytes, announcements.each_ref(), &statement);
        for secret in [first.secret(), second.secret()] {
            let proof = LinkProof {
                announcements,
                response_s: k[0] + c * secret,
                responses_r: [k[1] + c * first.blinding(), k[2] + c * second.blinding()],
            };
            let verdict = verify_link(commitments[0], commitments[1], &statement, &proof);
            assert_eq!(verdict, Err(Denied));
        }
    }

    #[test]
    fn a_constant_random_source_does_not_repeat_a_nonce_across_statements() {
        let scene = Scene::new(1);
        let other = Nonce::from_bytes(&[6; 16]).unwrap();
        let announce = |nonce| {
            let statement = LinkStatement {
                nonce,
                ..scene.statement()
            };
            prove_link(&scene.first, &scene.second, &statement, &mut Constant(0))
                .unwrap()
                .announcements
        };
        assert_ne!(announce(&scene.nonce), announce(&other));
    }

    #[test]
    fn a_link_proof_has_160_bytes() {
        for len in [0, 96, 159, 161, 192] {
            let error = LinkProof::from_bytes(&vec![1; len]).unwrap_err();
            assert_eq!(error.code(), crate::ErrorCode::InvalidLength);
        }
        let good = Scene::new(1).proof().to_bytes();
        for zero in 0..5 {
            let mut bytes = good;
            bytes[32 * zero..32 * (zero + 1)].fill(0);
            assert!(LinkProof::from_bytes(&bytes).is_err(), "part {zero}");
            bytes[32 * zero..32 * (zero + 1)].fill(0xff);
            assert!(LinkProof::from_bytes(&bytes).is_err(), "part {zero}");
        }
    }

    proptest! {
        #[test]
        fn what_is_linked_verifies_and_any_changed_bit_is_refused(
            seed: u8, noise: u64, byte in 0_usize..160, bit in 0_u8..8,
        ) {
            let scene = Scene::new(seed);
            let statement = scene.statement();
            let proof = prove_link(&scene.first, &scene.second, &statement, &mut rng(noise)).unwrap();
            let mut bytes = proof.to_bytes();
            prop_assert_eq!(LinkProof::from_bytes(&bytes).unwrap(), proof);
            prop_assert!(scene.accepts(&statement, &proof));
            bytes[byte] ^= 1 << bit;
            if let Ok(proof) = LinkProof::from_bytes(&bytes) {
                prop_assert!(!scene.accepts(&statement, &proof));
            }
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = LinkProof::from_bytes(&bytes);
        }
    }
}
