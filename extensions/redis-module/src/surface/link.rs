//! Linking and unlinking of credentials: `2FAPI.LINK`, `2FAPI.UNLINK`, and for a second device `2FAPI.OFFER`,
//! `2FAPI.JOIN` and `2FAPI.PENDING`, or `2FAPI.OFFERFOR` and `2FAPI.PENDINGFOR` of a service in between.

use twofapi_crypto_core::{
    ChallengeId, ClientId, Error,
    ceremony::{
        JoinRequest, JoiningPart, LinkRequest, LinkState, Named, PendingLink, UnlinkRequest,
    },
};

use super::{
    authenticate::begin,
    common::{client, decide, session_client},
};
use crate::{
    attempt::{Attempt, Purpose, refuse},
    clock,
    host::{Arguments, Ctx},
    rules::{
        arguments::{LinkOptions, commitment, credential_option, proof},
        failure::Failure,
    },
    store::{challenges, clients, pending},
    workers,
};

/// `2FAPI.LINK client challenge-id proof commitment-new [PROOF proof-new NAME name] [CREDENTIAL id]`: without
/// the proof and the name a second device has joined before.
pub(super) fn link(ctx: Ctx<'_>, arguments: &Arguments<'_>) -> Result<(), Failure> {
    let place = workers::place(ctx)?;
    let client_id = client(arguments)?;
    let proof = proof("proof", arguments.get(3))?;
    let commitment_new = commitment(arguments.get(4))?;
    let options = LinkOptions::parse(&arguments.from(5))?;
    let proof_new = options.joining.as_ref().map(|(proof, _)| proof.to_bytes());
    let joining = options.joining.as_ref().zip(proof_new.as_ref());
    let joining = joining.map(|((_, name), proof)| JoiningPart { proof, name });
    let attempt = begin(
        ctx,
        client_id,
        arguments.get(2),
        Purpose::Link,
        |now, of| {
            let request = LinkRequest {
                of,
                credential: options.credential,
                proof: &proof.to_bytes(),
                commitment_new: commitment_new.as_bytes(),
                joining,
            };
            now.terms.link(now.keys, now.seconds, &request)
        },
    )?;
    decide(ctx, place, attempt)
}

/// `2FAPI.UNLINK client challenge-id proof commitment-old [CREDENTIAL id]`.
pub(super) fn unlink(ctx: Ctx<'_>, arguments: &Arguments<'_>) -> Result<(), Failure> {
    let place = workers::place(ctx)?;
    let client_id = client(arguments)?;
    let proof = proof("proof", arguments.get(3))?;
    let commitment_old = commitment(arguments.get(4))?;
    let credential = credential_option(&arguments.from(5))?;
    let attempt = begin(
        ctx,
        client_id,
        arguments.get(2),
        Purpose::Unlink,
        |now, of| {
            let request = UnlinkRequest {
                of,
                credential,
                proof: &proof.to_bytes(),
                commitment_old: commitment_old.as_bytes(),
            };
            now.terms.unlink(now.keys, now.seconds, &request)
        },
    )?;
    decide(ctx, place, attempt)
}

/// `2FAPI.OFFER challenge-id`, for the client of this connection's session: answers until when, in Unix
/// seconds, a second device may join.
pub(super) fn offer(ctx: Ctx<'_>, arguments: &Arguments<'_>) -> Result<(), Failure> {
    offer_of(ctx, session_client(ctx)?, arguments.get(1))
}

/// `2FAPI.OFFERFOR client challenge-id`, for a service that knows by itself who its user is.
pub(super) fn offer_for(ctx: Ctx<'_>, arguments: &Arguments<'_>) -> Result<(), Failure> {
    let client_id = client(arguments)?;
    clients::find(ctx, &client_id)?.ok_or(Error::NotEnrolled)?;
    offer_of(ctx, client_id, arguments.get(2))
}

fn offer_of(ctx: Ctx<'_>, client_id: ClientId, challenge_id: &[u8]) -> Result<(), Failure> {
    let of = Named::Apart {
        client_id: client_id.as_bytes(),
        challenge_id,
    };
    let offered = challenges::begin(|now| now.terms.offer(now.keys, now.seconds, &client_id, &of))?
        .map_err(|refused| refuse(ctx, &client_id, refused))?;
    ctx.reply_number(offered.until());
    clients::tell(ctx, &client_id, c"2fapi.offer");
    pending::offer(client_id, offered);
    Ok(())
}

/// `2FAPI.JOIN client challenge-id commitment proof name`, for a device that is nobody yet: answers until when
/// the first device may link it.
pub(super) fn join(ctx: Ctx<'_>, arguments: &Arguments<'_>) -> Result<(), Failure> {
    let place = workers::place(ctx)?;
    let client_id = client(arguments)?;
    let commitment = commitment(arguments.get(3))?;
    let proof = proof("joining proof", arguments.get(4))?.to_bytes();
    let joiner = challenges::begin(|now| {
        let request = JoinRequest {
            of: Named::Apart {
                client_id: client_id.as_bytes(),
                challenge_id: arguments.get(2),
            },
            commitment: commitment.as_bytes(),
            joining: JoiningPart {
                proof: &proof,
                name: arguments.get(5),
            },
        };
        now.terms.join(now.keys, now.seconds, &request)
    })?
    .map_err(|refused| refuse(ctx, &client_id, refused))?;
    let found = pending::of(joiner.client_id());
    decide(ctx, place, Attempt::of_joiner(joiner, found))
}

/// `2FAPI.PENDING`: how far a link from a second device is, for the client of this connection's session.
pub(super) fn show_pending(ctx: Ctx<'_>, _: &Arguments<'_>) -> Result<(), Failure> {
    show_pending_of(ctx, &session_client(ctx)?);
    Ok(())
}

/// `2FAPI.PENDINGFOR client`, for a service that knows by itself who its user is.
pub(super) fn show_pending_for(ctx: Ctx<'_>, arguments: &Arguments<'_>) -> Result<(), Failure> {
    show_pending_of(ctx, &client(arguments)?);
    Ok(())
}

fn show_pending_of(ctx: Ctx<'_>, client_id: &ClientId) {
    let pending = pending::of(client_id);
    let now = clock::unix_seconds();
    let shown = pending
        .as_ref()
        .and_then(|pending| pending.state(now).map(|state| (pending, state)));
    let Some((pending, state)) = shown else {
        ctx.reply_map(1);
        state_is(ctx, b"none");
        return;
    };
    match state {
        LinkState::Open => {
            ctx.reply_map(3);
            state_is(ctx, b"open");
            offer_is(ctx, pending);
        }
        LinkState::Clashed => {
            ctx.reply_map(3);
            state_is(ctx, b"clashed");
            offer_is(ctx, pending);
        }
        LinkState::Joined {
            commitment,
            proof,
            name,
        } => {
            ctx.reply_map(6);
            state_is(ctx, b"joined");
            offer_is(ctx, pending);
            ctx.reply_bytes(b"commitment");
            ctx.reply_bytes(hex::encode(commitment).as_bytes());
            ctx.reply_bytes(b"proof");
            ctx.reply_bytes(hex::encode(proof.to_bytes()).as_bytes());
            ctx.reply_bytes(b"name");
            ctx.reply_bytes(name.as_str().as_bytes());
        }
    }
}

fn state_is(ctx: Ctx<'_>, state: &[u8]) {
    ctx.reply_bytes(b"state");
    ctx.reply_bytes(state);
}

fn offer_is(ctx: Ctx<'_>, pending: &PendingLink) {
    let offer: [u8; ChallengeId::TEXT_LEN] = pending.offer().to_text();
    ctx.reply_bytes(b"challenge_id");
    ctx.reply_bytes(&offer);
    ctx.reply_bytes(b"expires_at");
    ctx.reply_number(pending.until());
}
