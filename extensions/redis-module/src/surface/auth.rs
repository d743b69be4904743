//! `AUTH client challenge-id:proof`, and with it `HELLO 3 AUTH …`: what client libraries do by
//! themselves on every connection that they make.

use twofapi_crypto_core::{ChallengeId, ClientId};

use super::authenticate::authentication;
use crate::{
    host::{Ctx, block::Blocked},
    rules::{arguments::proof, failure::Failure},
    workers,
};

/// Takes an attempt in hand. False when the password is none of ours: then it is the server's own, and
/// a user's.
pub(crate) fn attempt(ctx: Ctx<'_>, name: &[u8], password: &[u8]) -> Result<bool, Failure> {
    let Some(colon) = password.iter().position(|byte| *byte == b':') else {
        return Ok(false);
    };
    let (challenge_id, text) = (&password[..colon], &password[colon + 1..]);
    let (Ok(client_id), Ok(_), Ok(proof)) = (
        ClientId::from_bytes(name),
        ChallengeId::from_text_bytes(challenge_id),
        proof("proof", text),
    ) else {
        return Ok(false);
    };
    let Some(source) = workers::place(ctx)? else {
        return Err(Failure::Line(
            c"DENIED a proof is not looked at within a transaction",
        ));
    };
    let attempt = authentication(ctx, client_id, challenge_id, &proof, true)?;
    workers::submit(source, Box::new(attempt), Blocked::on_auth(ctx));
    Ok(true)
}
