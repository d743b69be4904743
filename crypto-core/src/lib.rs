//! The mathematics and the rules of 2FApi, shared by every host: prove that you know a secret,
//! never reveal it.
//!
//! A client keeps a [`Credential`] (a secret s and a blinding r) and enrols its [`Commitment`]
//! C = s·G + r·H over Ristretto255 (RFC 9496). To authenticate it proves, over a host's fresh
//! nonce, that it knows an opening of C: a Schnorr/Sigma proof made non-interactive by the strong
//! Fiat-Shamir transform. The normative text is `spec/protocol.md`.
//!
//! The crate has no clock, no store and no random source of its own; it is handed them. A client proves
//! by [`prove`](prove()). A host drives the [ceremonies](ceremony): they are the rules, and the example
//! there is a whole login. Below them lie the parts that they are made of, such as one proof:
//!
//! ```
//! use twofapi_crypto_core::*;
//! # use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
//! # let mut rng = ChaCha20Rng::seed_from_u64(1);
//! // At the client: a credential, and a proof of possession to enrol with.
//! let alice: ClientId = "alice".parse()?;
//! let credential = Credential::generate(&mut rng)?;
//! let proof = prove(&credential, &Enrolment { client_id: &alice }, &mut rng)?.to_bytes();
//!
//! // At the host: nothing secret is ever seen.
//! let commitment = Commitment::from_bytes(credential.commitment().as_bytes())?;
//! verify(&commitment, &Enrolment { client_id: &alice }, &Proof::from_bytes(&proof)?)?;
//! # Ok::<(), Error>(())
//! ```
//!
//! On x86-64, build with `--cfg curve25519_dalek_backend="avx512"` in `RUSTFLAGS` or in
//! `.cargo/config.toml`, as this repository does: AVX-512 IFMA is then used where the processor has it,
//! which is looked up when the program runs. On one processor (AMD EPYC) that halved the time of a
//! verification, on another (Intel Xeon) it made no difference.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod binding;
pub mod ceremony;
mod challenge;
mod client;
mod credential;
mod error;
mod group;
mod low_level;
#[cfg(feature = "phrase")]
mod phrase;
mod sigma;
#[cfg(test)]
mod testing;

pub use challenge::{Challenge, ChallengeId, ChallengeKey, ChallengeTtl, ShareTag, SpentKey};
pub use client::{
    Attributes, CLIENT_ID_MAX, Claims, ClientId, ClientRecord, ClientStatus, CredentialId,
    CredentialName, EnrolledCredential, Pace, Record, Scopes, Source, Sources, SuiteId, Tenant,
    Transition,
};
pub use credential::{Commitment, Credential};
pub use error::{Denied, Error, ErrorCode};
pub use group::{ELEMENT_LEN, GENERATOR_G, GENERATOR_H, GENERATOR_H_DST};
pub use low_level::{commit, generators, verify_equation_raw};
#[cfg(feature = "phrase")]
pub use phrase::{NotAPhrase, RecoveryPhrase};
pub use sigma::{
    Audience, Authentication, AuthenticationBinding, BatchEntry, CHANNEL_BINDING_MAX, Context,
    Enrolment, Joining, LINK_PROOF_SUITE, LinkProof, LinkStatement, LinkedClient, Linking, Nonce,
    Proof, Rotation, SUITE, Statement, TRANSCRIPT_DST, Unlinking, deny_unknown_client,
    link_transcript, precompute, prove, prove_link, transcript, verify, verify_batch, verify_link,
    verify_rotation,
};

/// The curve library whose [`Scalar`](curve25519_dalek::Scalar) and
/// [`RistrettoPoint`](curve25519_dalek::RistrettoPoint) the low-level calls take.
pub use curve25519_dalek;
