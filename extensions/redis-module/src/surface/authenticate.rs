//! `2FAPI.CHALLENGE client`, `2FAPI.VERIFY client challenge-id proof` and `2FAPI.ROTATE client
//! challenge-id proof-old commitment-new proof-new`.

use twofapi_crypto_core::{ClientId, Error, Spend};

use super::{Failure, client, decide};
use crate::{
    attempt::{Attempt, Challenged, Purpose, denied},
    counters,
    host::{Arguments, Ctx},
    rules::arguments::{commitment, proof},
    settings,
    store::{challenges, clients},
    workers,
};

/// Whoever asks gets a challenge, whether such a client is enrolled or not: no key is looked at.
pub(super) fn challenge(ctx: Ctx<'_>, arguments: &Arguments<'_>) -> Result<(), Failure> {
    let client_id = client(arguments)?;
    let challenge = challenges::issue(&client_id, settings::challenge_ttl())?;
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
    let client_id = client(arguments)?;
    let proof = proof("proof", arguments.get(3))?;
    let challenged = spend(ctx, &client_id, arguments.get(2))?;
    decide(
        ctx,
        Attempt::new(client_id, proof, Purpose::Authenticate(challenged)),
    )
}

pub(super) fn rotate(ctx: Ctx<'_>, arguments: &Arguments<'_>) -> Result<(), Failure> {
    let client_id = client(arguments)?;
    let proof_old = proof("old proof", arguments.get(3))?;
    let new_commitment = commitment(arguments.get(4))?;
    let proof_new = proof("new proof", arguments.get(5))?;
    let purpose = Purpose::Rotate {
        challenged: spend(ctx, &client_id, arguments.get(2))?,
        new_commitment: Box::new(new_commitment),
        proof_new,
    };
    decide(ctx, Attempt::new(client_id, proof_old, purpose))
}

/// Uses the challenge of an active client up. For a client that is none, and for a challenge that
/// was used before, the proof is looked at all the same, in vain: the time of the answer tells
/// nothing about who is enrolled.
pub(super) fn spend(
    ctx: Ctx<'_>,
    client_id: &ClientId,
    challenge_id: &[u8],
) -> Result<Challenged, Failure> {
    if !ctx.flags().may_not_block() {
        workers::has_place(ctx.source())?;
    }
    let ttl = settings::challenge_ttl();
    let Ok(challenge) = challenges::recompute(client_id, challenge_id, ttl)? else {
        return Err(denied(ctx, client_id));
    };
    let throttled = |retry_after_seconds| {
        counters::THROTTLED.add();
        Failure::from(Error::Throttled {
            retry_after_seconds,
        })
    };
    let client = match clients::find_active(ctx, client_id) {
        None => match challenges::full() {
            Some(retry_after) => return Err(throttled(retry_after)),
            None => None,
        },
        Some(client) => match challenges::spend(client_id, &challenge)? {
            Spend::Fresh => Some(client),
            Spend::Spent | Spend::Expired => None,
            Spend::Full { retry_after } => return Err(throttled(retry_after)),
        },
    };
    Ok(Challenged {
        challenge,
        binding: settings::binding(),
        client,
    })
}
