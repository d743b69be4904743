//! The proof: statements, their transcript, proving and verifying.

pub(crate) mod batch;
mod proof;
mod prove;
pub(crate) mod statement;
pub(crate) mod transcript;
mod verify;

pub use batch::{BatchEntry, verify_batch};
pub use proof::Proof;
pub use prove::prove;
pub use statement::{
    Audience, Authentication, AuthenticationBinding, CHANNEL_BINDING_MAX, Context, Enrolment,
    Nonce, Rotation, Statement,
};
pub use transcript::{SUITE, TRANSCRIPT_DST, transcript};
pub use verify::{deny_unknown_client, precompute, verify, verify_rotation};
