//! The proof: statements, their transcript, proving and verifying.

pub(crate) mod batch;
mod hedge;
mod link_proof;
mod proof;
mod prove;
pub(crate) mod statement;
pub(crate) mod transcript;
mod verify;

pub use batch::{BatchEntry, verify_batch};
pub use link_proof::{
    LINK_PROOF_SUITE, LinkProof, LinkStatement, LinkedClient, link_transcript, prove_link,
    verify_link,
};
pub use proof::Proof;
pub(crate) use proof::is_nonnegative_field_element;
pub use prove::prove;
pub use statement::{
    Audience, Authentication, AuthenticationBinding, CHANNEL_BINDING_MAX, Context, Enrolment,
    Joining, Linking, Nonce, Rotation, Statement, Unlinking,
};
pub use transcript::{SUITE, TRANSCRIPT_DST, transcript};
pub use verify::{deny_unknown_client, precompute, verify, verify_rotation};
