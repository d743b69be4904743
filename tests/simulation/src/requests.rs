//! Between what is sent and the ceremonies: which one an attempt begins, and what an accepted client is given.

use std::sync::Arc;

use twofapi_crypto_core::ceremony::{
    Accepted, AuthenticationRequest, JoiningPart, Keys, LinkRequest, Named, Refused,
    RotationRequest, Terms, UnlinkRequest, Wanted,
};

use crate::{
    data::SessionId,
    messages::{Aim, Attempt, Token},
};

/// Begins what a client asks for.
pub(crate) fn begin(
    terms: &Terms,
    keys: &Arc<Keys>,
    now: u64,
    attempt: &Attempt,
) -> Result<Wanted, Refused> {
    let of = Named::Joined(attempt.named.as_bytes());
    let credential = Some(attempt.credential.as_bytes());
    let proof = &attempt.proof[..];
    match &attempt.to {
        Aim::Authenticate => {
            let request = AuthenticationRequest {
                of,
                credential,
                proof,
                binding: None,
            };
            terms.authenticate(keys, now, &request)
        }
        Aim::Rotate {
            commitment,
            proof: proof_new,
        } => {
            let request = RotationRequest {
                of,
                credential,
                proof_old: proof,
                commitment_new: commitment,
                proof_new,
            };
            terms.rotate(keys, now, &request)
        }
        Aim::Link {
            commitment,
            proof: proof_new,
        } => {
            let request = LinkRequest {
                of,
                credential,
                proof,
                commitment_new: commitment,
                joining: Some(JoiningPart {
                    proof: proof_new,
                    name: b"another",
                }),
            };
            terms.link(keys, now, &request)
        }
        Aim::Unlink { commitment } => {
            let request = UnlinkRequest {
                of,
                credential,
                proof,
                commitment_old: commitment,
            };
            terms.unlink(keys, now, &request)
        }
    }
}

/// What an accepted client is given.
pub(crate) fn token(accepted: &Accepted, session: SessionId) -> Token {
    Token {
        client: accepted.client_id().as_str().to_owned(),
        credential: *accepted.credential_id(),
        since: accepted.since(),
        generation: accepted.generation(),
        session,
    }
}
