//! The core's challenges, which are issued without being stored.

use napi::{Env, bindgen_prelude::Uint8ArraySlice};
use napi_derive::napi;
use twofapi_crypto_core::{ChallengeId, ChallengeKey, ChallengeTtl, ClientId, Error};

use crate::{
    error::{Fault, fault, invalid_encoding, invalid_length},
    low_level::bytes,
};

/// What a host knows of a challenge.
#[napi(object, object_from_js = false)]
pub struct Challenge<'env> {
    /// `ch-` and 24 hex digits.
    pub challenge_id: String,
    /// 16 bytes.
    pub nonce: Uint8ArraySlice<'env>,
    /// 16 bytes: under what the challenge goes into the set of spent ones. For the host alone.
    pub spent_key: Uint8ArraySlice<'env>,
    /// Unix seconds.
    pub expires_at: u32,
}

struct Host {
    client_id: ClientId,
    key: ChallengeKey,
    ttl: ChallengeTtl,
    now: u64,
}

impl Host {
    fn parse(client_id: &str, key: &[u8], ttl: u32, now: i64) -> Result<Self, Fault> {
        Ok(Self {
            client_id: ClientId::parse(client_id).map_err(fault)?,
            key: ChallengeKey::from_bytes(
                key.try_into()
                    .map_err(|_| invalid_length("challengeKey must be 32 bytes"))?,
            ),
            ttl: ChallengeTtl::from_seconds(ttl).map_err(fault)?,
            now: now
                .try_into()
                .map_err(|_| invalid_encoding("now must be in Unix seconds, not negative"))?,
        })
    }
}

fn shown<'env>(
    env: &'env Env,
    challenge: &twofapi_crypto_core::Challenge,
) -> Result<Challenge<'env>, Fault> {
    Ok(Challenge {
        challenge_id: challenge.id.to_string(),
        nonce: bytes(env, challenge.nonce.as_bytes())?,
        spent_key: bytes(env, challenge.spent_key.as_bytes())?,
        expires_at: challenge.id.expires_at(),
    })
}

/// A fresh challenge.
#[napi(catch_unwind)]
pub fn issue_challenge<'env>(
    env: &'env Env,
    client_id: String,
    challenge_key: &[u8],
    ttl: u32,
    now: i64,
) -> Result<Challenge<'env>, Fault> {
    let host = Host::parse(&client_id, challenge_key, ttl, now)?;
    let challenge = host
        .key
        .issue(&host.client_id, host.now, host.ttl, &mut getrandom::SysRng)
        .map_err(fault)?;
    shown(env, &challenge)
}

/// A challenge that somebody claims to have been issued, computed again.
#[napi(catch_unwind)]
pub fn recompute_challenge<'env>(
    env: &'env Env,
    client_id: String,
    challenge_id: String,
    challenge_key: &[u8],
    ttl: u32,
    now: i64,
) -> Result<Challenge<'env>, Fault> {
    let host = Host::parse(&client_id, challenge_key, ttl, now)?;
    let denied = |_| fault(Error::Denied);
    let id = ChallengeId::parse(&challenge_id).map_err(denied)?;
    let challenge = host
        .key
        .recompute(&host.client_id, id, host.now, host.ttl)
        .map_err(denied)?;
    shown(env, &challenge)
}
