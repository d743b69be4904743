//! What a host decides once for all its attempts, and where each begins.

use std::sync::Arc;

use napi::{
    Env,
    bindgen_prelude::{Uint8Array, Uint8ArraySlice},
};
use napi_derive::napi;
use twofapi_crypto_core::{
    AuthenticationBinding, ChallengeTtl, ClientId,
    ceremony::{self, JoiningPart, Named},
};

use crate::{
    attempt::Attempt,
    error::{Fault, fault, invalid_length, refused},
    join::{Joiner, Offered},
    low_level::bytes,
    spent::{seconds, shown_seconds},
};

/// The challenge keys of one epoch of a set of spent challenges.
#[napi]
pub struct Keys(Arc<ceremony::Keys>);

#[napi]
impl Keys {
    /// From a root, 32 bytes that stay with the host, and the epoch, 16 bytes that are kept with the set.
    #[napi(constructor, catch_unwind)]
    pub fn new(root: &[u8], epoch: &[u8]) -> Result<Self, Fault> {
        let root = root
            .try_into()
            .map_err(|_| invalid_length("root must be 32 bytes"))?;
        let root = ceremony::Root::new(0, root);
        let keys = ceremony::Keys::derive(&[root], epoch_of(epoch)?).map_err(fault)?;
        Ok(Self(Arc::new(keys)))
    }
}

fn epoch_of(bytes: &[u8]) -> Result<ceremony::Epoch, Fault> {
    let bytes = bytes
        .try_into()
        .map_err(|_| invalid_length("epoch must be 16 bytes"))?;
    Ok(ceremony::Epoch::from_bytes(bytes))
}

/// A challenge as its client is told of it.
#[napi(object, object_from_js = false)]
pub struct Issued<'env> {
    /// `ch-` and 24 hex digits.
    pub challenge_id: String,
    /// 16 bytes.
    pub nonce: Uint8ArraySlice<'env>,
    /// Unix seconds.
    pub expires_at: u32,
}

/// What a host decides once for all its attempts, and where each begins.
#[napi]
pub struct Terms(ceremony::Terms);

#[napi]
impl Terms {
    /// Proofs must be bound to this; challenges live so many seconds, by a clock that is so many seconds wrong at most.
    #[napi(constructor, catch_unwind)]
    pub fn new(channel_binding: &[u8], ttl: u32, skew: u32) -> Result<Self, Fault> {
        let binding = AuthenticationBinding::from_bytes(channel_binding).map_err(fault)?;
        let mut key = [0; 16];
        getrandom::fill(&mut key)
            .map_err(|_| Fault::new("unavailable", "the random source of the system fails"))?;
        let ttl = ChallengeTtl::from_seconds(ttl).map_err(fault)?;
        let terms = ceremony::Terms::new(binding, ceremony::Decoys::new(key));
        Ok(Self(terms.with_ttl(ttl).with_skew(skew)))
    }

    /// A fresh challenge, which is stored nowhere.
    #[napi(catch_unwind)]
    pub fn challenge<'env>(
        &self,
        env: &'env Env,
        keys: &Keys,
        client_id: String,
        now: i64,
    ) -> Result<Issued<'env>, Fault> {
        let client_id = ClientId::parse(&client_id).map_err(fault)?;
        let challenge = self
            .0
            .challenge(&keys.0, &client_id, seconds(now)?, &mut getrandom::SysRng)
            .map_err(fault)?;
        Ok(Issued {
            challenge_id: challenge.id.to_string(),
            nonce: bytes(env, challenge.nonce.as_bytes())?,
            expires_at: challenge.id.expires_at(),
        })
    }

    /// Begins an attempt to authenticate.
    #[napi(catch_unwind)]
    pub fn authenticate(
        &self,
        keys: &Keys,
        now: i64,
        client_id: String,
        challenge_id: String,
        credential_id: Option<String>,
        proof: &[u8],
    ) -> Result<Attempt, Fault> {
        let request = ceremony::AuthenticationRequest {
            of: named(&client_id, &challenge_id),
            credential: credential_id.as_deref().map(str::as_bytes),
            proof,
            binding: None,
        };
        let wanted = self.0.authenticate(&keys.0, seconds(now)?, &request);
        wanted.map(Attempt::wanted).map_err(refused)
    }

    /// Begins an attempt to replace a commitment.
    #[napi(catch_unwind)]
    #[allow(clippy::too_many_arguments)]
    pub fn rotate(
        &self,
        keys: &Keys,
        now: i64,
        client_id: String,
        challenge_id: String,
        credential_id: Option<String>,
        proof_old: &[u8],
        commitment_new: &[u8],
        proof_new: &[u8],
    ) -> Result<Attempt, Fault> {
        let request = ceremony::RotationRequest {
            of: named(&client_id, &challenge_id),
            credential: credential_id.as_deref().map(str::as_bytes),
            proof_old,
            commitment_new,
            proof_new,
        };
        let wanted = self.0.rotate(&keys.0, seconds(now)?, &request);
        wanted.map(Attempt::wanted).map_err(refused)
    }

    /// Begins an attempt to add a credential: with a name it is at the same device, and shows that proof;
    /// without, it has joined before.
    #[napi(catch_unwind)]
    #[allow(clippy::too_many_arguments)]
    pub fn link(
        &self,
        keys: &Keys,
        now: i64,
        client_id: String,
        challenge_id: String,
        credential_id: Option<String>,
        proof: &[u8],
        commitment_new: &[u8],
        proof_new: &[u8],
        name: Option<String>,
    ) -> Result<Attempt, Fault> {
        let joining = name.as_deref().map(|name| JoiningPart {
            proof: proof_new,
            name: name.as_bytes(),
        });
        let request = ceremony::LinkRequest {
            of: named(&client_id, &challenge_id),
            credential: credential_id.as_deref().map(str::as_bytes),
            proof,
            commitment_new,
            joining,
        };
        let wanted = self.0.link(&keys.0, seconds(now)?, &request);
        wanted.map(Attempt::wanted).map_err(refused)
    }

    /// Begins an attempt to take a credential away.
    #[napi(catch_unwind)]
    #[allow(clippy::too_many_arguments)]
    pub fn unlink(
        &self,
        keys: &Keys,
        now: i64,
        client_id: String,
        challenge_id: String,
        credential_id: Option<String>,
        proof: &[u8],
        commitment_old: &[u8],
    ) -> Result<Attempt, Fault> {
        let request = ceremony::UnlinkRequest {
            of: named(&client_id, &challenge_id),
            credential: credential_id.as_deref().map(str::as_bytes),
            proof,
            commitment_old,
        };
        let wanted = self.0.unlink(&keys.0, seconds(now)?, &request);
        wanted.map(Attempt::wanted).map_err(refused)
    }

    /// What a client has pending that offers a challenge to a second device; the challenge must be its own.
    #[napi(catch_unwind)]
    pub fn offer(
        &self,
        keys: &Keys,
        now: i64,
        client_id: String,
        named_client_id: String,
        challenge_id: String,
    ) -> Result<Offered, Fault> {
        let client_id = ClientId::parse(&client_id).map_err(fault)?;
        let of = named(&named_client_id, &challenge_id);
        let pending = self.0.offer(&keys.0, seconds(now)?, &client_id, &of);
        let pending = pending.map_err(refused)?;
        Ok(Offered {
            until: shown_seconds(pending.until()),
            pending: Uint8Array::new(pending.to_bytes()),
        })
    }

    /// Begins an attempt of a second device to join.
    #[napi(catch_unwind)]
    #[allow(clippy::too_many_arguments)]
    pub fn join(
        &self,
        keys: &Keys,
        now: i64,
        client_id: String,
        challenge_id: String,
        commitment: &[u8],
        proof: &[u8],
        name: String,
    ) -> Result<Joiner, Fault> {
        let request = ceremony::JoinRequest {
            of: named(&client_id, &challenge_id),
            commitment,
            joining: JoiningPart {
                proof,
                name: name.as_bytes(),
            },
        };
        let joiner = self.0.join(&keys.0, seconds(now)?, &request);
        joiner.map(Joiner::of).map_err(refused)
    }

    /// Begins an enrolment, or a reset.
    #[napi(catch_unwind)]
    pub fn enroll(
        &self,
        client_id: String,
        commitment: &[u8],
        proof: &[u8],
    ) -> Result<Attempt, Fault> {
        let asked = self.0.enrol(&ceremony::EnrolmentRequest {
            client_id: client_id.as_bytes(),
            commitment,
            proof,
        });
        asked.map(Attempt::asked).map_err(refused)
    }
}

fn named<'a>(client_id: &'a str, challenge_id: &'a str) -> Named<'a> {
    Named::Apart {
        client_id: client_id.as_bytes(),
        challenge_id: challenge_id.as_bytes(),
    }
}
