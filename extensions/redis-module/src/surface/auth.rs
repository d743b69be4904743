//! `AUTH client challenge-id:proof[:credential-id]`, and with it `HELLO 3 AUTH …`: what client libraries do by
//! themselves on every connection that they make.

use twofapi_crypto_core::{ChallengeId, ClientId, CredentialId};

use super::authenticate::authentication;
use crate::{
    attempt::Purpose,
    host::{Ctx, block::Blocked},
    rules::{arguments::proof, failure::Failure},
    workers,
};

/// Takes an attempt in hand. False when the password is none of ours: then it is the server's own, and
/// a user's.
pub(crate) fn attempt(ctx: Ctx<'_>, name: &[u8], password: &[u8]) -> Result<bool, Failure> {
    let parts: Vec<_> = password.splitn(4, |byte| *byte == b':').collect();
    let (challenge_id, text, credential) = match parts[..] {
        [challenge_id, proof] => (challenge_id, proof, None),
        [challenge_id, proof, credential] => (challenge_id, proof, Some(credential)),
        _ => return Ok(false),
    };
    let (Ok(client_id), Ok(_), Ok(proof), Ok(_)) = (
        ClientId::from_bytes(name),
        ChallengeId::from_text_bytes(challenge_id),
        proof("proof", text),
        credential.map(CredentialId::parse).transpose(),
    ) else {
        return Ok(false);
    };
    let Some(source) = workers::place(ctx)? else {
        return Err(Failure::Line(
            c"DENIED a proof is not looked at within a transaction",
        ));
    };
    let purpose = Purpose::LogIn {
        must_be_mapped: true,
    };
    let attempt = authentication(ctx, client_id, challenge_id, &proof, credential, purpose)?;
    workers::submit(source, Box::new(attempt), Blocked::on_auth(ctx));
    Ok(true)
}
