//! `2FAPI.CHALLENGE client`, `2FAPI.VERIFY client challenge-id proof [CREDENTIAL id]` and `2FAPI.ROTATE client
//! challenge-id proof-old commitment-new proof-new [CREDENTIAL id]`.

use twofapi_crypto_core::{
    ClientId, Proof,
    ceremony::{AuthenticationRequest, Named, Refused, RotationRequest, Wanted},
};

use super::common::{client, decide};
use crate::{
    attempt::{Attempt, Purpose, refuse},
    counters,
    host::{Arguments, Ctx},
    rules::{
        arguments::{commitment, credential_option, proof},
        challenges::Now,
        failure::Failure,
    },
    settings,
    store::{challenges, clients, pending},
    workers,
};

/// Whoever asks gets a challenge, whether such a client is enrolled or not: no key is looked at.
pub(super) fn challenge(ctx: Ctx<'_>, arguments: &Arguments<'_>) -> Result<(), Failure> {
    let challenge = challenges::issue(&client(arguments)?)?;
    counters::ISSUED.add();
    let mut nonce = [0; 2 * 16];
    // A host issues nonces of this length.
    hex::encode_to_slice(challenge.nonce.as_bytes(), &mut nonce).map_err(|_| Failure::Internal)?;
    ctx.reply_array(2);
    ctx.reply_bytes(&challenge.id.to_text());
    ctx.reply_bytes(&nonce);
    Ok(())
}

pub(super) fn verify(ctx: Ctx<'_>, arguments: &Arguments<'_>) -> Result<(), Failure> {
    let place = workers::place(ctx)?;
    let client_id = client(arguments)?;
    let proof = proof("proof", arguments.get(3))?;
    let credential = credential_option(&arguments.from(4))?;
    let purpose = Purpose::LogIn {
        must_be_mapped: settings::before_auth(),
    };
    let attempt = authentication(
        ctx,
        client_id,
        arguments.get(2),
        &proof,
        credential,
        purpose,
    )?;
    decide(ctx, place, attempt)
}

pub(super) fn rotate(ctx: Ctx<'_>, arguments: &Arguments<'_>) -> Result<(), Failure> {
    let place = workers::place(ctx)?;
    let client_id = client(arguments)?;
    let proof_old = proof("old proof", arguments.get(3))?;
    let commitment_new = commitment(arguments.get(4))?;
    let proof_new = proof("new proof", arguments.get(5))?;
    let credential = credential_option(&arguments.from(6))?;
    let attempt = begin(
        ctx,
        client_id,
        arguments.get(2),
        Purpose::Rotate,
        |now, of| {
            let request = RotationRequest {
                of,
                credential,
                proof_old: &proof_old.to_bytes(),
                commitment_new: commitment_new.as_bytes(),
                proof_new: &proof_new.to_bytes(),
            };
            now.terms.rotate(now.keys, now.seconds, &request)
        },
    )?;
    decide(ctx, place, attempt)
}

/// Begins an attempt to authenticate.
pub(super) fn authentication(
    ctx: Ctx<'_>,
    client_id: ClientId,
    challenge_id: &[u8],
    proof: &Proof,
    credential: Option<&[u8]>,
    purpose: Purpose,
) -> Result<Attempt, Failure> {
    begin(ctx, client_id, challenge_id, purpose, |now, of| {
        let request = AuthenticationRequest {
            of,
            credential,
            proof: &proof.to_bytes(),
            binding: None,
        };
        now.terms.authenticate(now.keys, now.seconds, &request)
    })
}

/// Begins an attempt and looks its client up. Where there is no active one, everything goes on as if there
/// were: neither the answer nor its time tells who is enrolled.
pub(super) fn begin(
    ctx: Ctx<'_>,
    client_id: ClientId,
    challenge_id: &[u8],
    purpose: Purpose,
    ceremony: impl FnOnce(Now<'_>, Named<'_>) -> Result<Wanted, Refused>,
) -> Result<Attempt, Failure> {
    let of = Named::Apart {
        client_id: client_id.as_bytes(),
        challenge_id,
    };
    let mut wanted = challenges::begin(|now| ceremony(now, of))?
        .map_err(|refused| refuse(ctx, &client_id, refused))?
        .coming_from(ctx.address());
    if wanted.wants_pending_link() {
        let left = pending::of(wanted.client_id());
        wanted = wanted.with_pending_link(left);
    }
    let seen = clients::see(ctx, wanted.client_id());
    Ok(Attempt::of(client_id, wanted, seen, purpose))
}
