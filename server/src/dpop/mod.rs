//! DPoP (RFC 9449): a token that is good only together with a proof, for each request, of the key that it is bound to.

mod proof;
mod remembered;

pub(crate) use proof::{DpopProof, DpopRequest};
pub(crate) use remembered::{Remembered, Seen};

/// How far a proof's time may be from ours, in seconds.
pub(crate) const WITHIN: u64 = 60;
