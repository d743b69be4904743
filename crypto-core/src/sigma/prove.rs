//! The client's side: from a credential and a statement to a proof.

use curve25519_dalek::Scalar;
use rand_core::TryCryptoRng;
use sha2::Digest;
use zeroize::ZeroizeOnDrop;

use crate::{
    Credential, Error, Proof, Statement, credential,
    group::{self, ELEMENT_LEN},
    sigma::{
        hedge::{Domains, Hedge},
        statement::Context,
    },
    transcript,
};

const DOMAINS: Domains = Domains {
    seed: b"2FApi-v1.0-NonceSeed",
    nonce: b"2FApi-v1.0-Nonce",
};

/// Proves that the holder of `credential` stands behind `statement`.
///
/// The announcement nonces are hedged (in the manner of draft-irtf-cfrg-det-sigs-with-noise):
/// hashed from the secret, the whole statement and 32 fresh random bytes, so that neither a random
/// source that repeats itself nor one that is known to an attacker gives the secret away. Constant
/// in time with respect to the credential and the nonces.
///
/// # Errors
/// [`Error::Unavailable`] when the random source fails.
pub fn prove<R: TryCryptoRng + ?Sized>(
    credential: &Credential,
    statement: &(impl Statement + ?Sized),
    rng: &mut R,
) -> Result<Proof, Error> {
    let context = statement.context();
    loop {
        let proof = attempt(credential, &context, rng);
        credential::overwrite_stack();
        // A part that verifiers refuse comes up once in 2^250 draws.
        if let Some(proof) = proof? {
            return Ok(proof);
        }
    }
}

#[inline(never)]
fn attempt<R: TryCryptoRng + ?Sized>(
    credential: &Credential,
    context: &Context<'_>,
    rng: &mut R,
) -> Result<Option<Proof>, Error> {
    let nonces = AnnouncementNonces::hedged(credential, context, rng)?;
    Ok(nonces.respond(credential, context))
}

/// k_s and k_r: used for one proof, then gone. Two proofs from one pair reveal the credential,
/// which is why using the pair consumes it.
#[derive(ZeroizeOnDrop)]
pub(crate) struct AnnouncementNonces {
    k_s: Scalar,
    k_r: Scalar,
}

impl AnnouncementNonces {
    pub(crate) const fn new(k_s: Scalar, k_r: Scalar) -> Self {
        Self { k_s, k_r }
    }

    fn hedged<R: TryCryptoRng + ?Sized>(
        credential: &Credential,
        context: &Context<'_>,
        rng: &mut R,
    ) -> Result<Self, Error> {
        let hedge = Hedge::draw(
            &DOMAINS,
            &[credential.secret(), credential.blinding()],
            &[credential.commitment()],
            |seed| context.each_piece(|piece| seed.update(piece)),
            rng,
        )?;
        Ok(Self::new(hedge.nonce(b's'), hedge.nonce(b'r')))
    }

    /// Announcement, challenge and responses; `None` when one of them is a value that verifiers
    /// refuse. Not inlined, so that the evidence for constant time can tell its branches on public
    /// values from the arithmetic.
    #[inline(never)]
    pub(crate) fn respond(self, credential: &Credential, context: &Context<'_>) -> Option<Proof> {
        let announcement: [u8; ELEMENT_LEN] =
            group::pedersen(&self.k_s, &self.k_r).compress().to_bytes();
        let c = transcript::challenge_scalar(
            credential.commitment().as_bytes(),
            &announcement,
            context,
        );
        if c == Scalar::ZERO {
            return None;
        }
        // The responses are public: each is blinded by a uniform nonce.
        Proof::from_parts(
            announcement,
            self.k_s + c * credential.secret(),
            self.k_r + c * credential.blinding(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Authentication, AuthenticationBinding, ClientId, Enrolment, Nonce,
        testing::{Broken, Constant, rng},
        verify,
    };
    use proptest::prelude::*;

    #[test]
    fn a_constant_random_source_does_not_repeat_a_nonce_across_statements() {
        let credential = Credential::generate(&mut rng(1)).unwrap();
        let id = ClientId::parse("alice").unwrap();
        let binding = AuthenticationBinding::none();
        let announce = |nonce: u8| {
            let nonce = Nonce::from_bytes(&[nonce; 16]).unwrap();
            let statement = Authentication {
                client_id: &id,
                nonce: &nonce,
                binding: &binding,
            };
            *prove(&credential, &statement, &mut Constant(0))
                .unwrap()
                .announcement()
        };
        assert_ne!(announce(1), announce(2));
    }

    #[test]
    fn fresh_randomness_changes_the_proof_of_one_statement() {
        let credential = Credential::generate(&mut rng(1)).unwrap();
        let id = ClientId::parse("alice").unwrap();
        let statement = Enrolment { client_id: &id };
        let one = prove(&credential, &statement, &mut Constant(1)).unwrap();
        let two = prove(&credential, &statement, &mut Constant(2)).unwrap();
        assert_ne!(one.announcement(), two.announcement());
    }

    #[test]
    fn the_same_randomness_gives_two_clients_unrelated_nonces() {
        let id = ClientId::parse("alice").unwrap();
        let statement = Enrolment { client_id: &id };
        let announce = |seed| {
            let credential = Credential::generate(&mut rng(seed)).unwrap();
            *prove(&credential, &statement, &mut Constant(7))
                .unwrap()
                .announcement()
        };
        assert_ne!(announce(1), announce(2));
    }

    #[test]
    fn a_failing_random_source_is_an_error() {
        let credential = Credential::generate(&mut rng(1)).unwrap();
        let id = ClientId::parse("alice").unwrap();
        let error = prove(&credential, &Enrolment { client_id: &id }, &mut Broken).unwrap_err();
        assert_eq!(error.code(), crate::ErrorCode::Unavailable);
    }

    proptest! {
        #[test]
        fn what_is_proven_verifies(
            seed: u64,
            client in "[a-z0-9][a-z0-9@._+-]{0,20}",
            nonce in proptest::collection::vec(any::<u8>(), 16..=64),
            binding in proptest::collection::vec(any::<u8>(), 0..=1024),
        ) {
            prop_assume!(ClientId::parse(&client).is_ok());
            let client_id = ClientId::parse(&client).unwrap();
            let nonce = Nonce::from_bytes(&nonce).unwrap();
            let binding = AuthenticationBinding::from_bytes(&binding).unwrap();
            let credential = Credential::generate(&mut rng(seed)).unwrap();
            let statement = Authentication { client_id: &client_id, nonce: &nonce, binding: &binding };
            let proof = prove(&credential, &statement, &mut rng(seed ^ 1)).unwrap();
            prop_assert_eq!(verify(credential.commitment(), &statement, &proof), Ok(()));
            prop_assert_eq!(Proof::from_bytes(&proof.to_bytes()).unwrap(), proof);
        }
    }
}
