//! What a host decides once for all its attempts, and where every attempt begins.

use alloc::sync::Arc;

use rand_core::TryCryptoRng;

use super::{
    Asked, AuthenticationRequest, Decoys, EnrolmentRequest, Keys, Named, RotationRequest, Wanted,
    attempt::Purpose,
    request,
    step::{Cause, Refused},
};
use crate::{
    AuthenticationBinding, Challenge, ChallengeId, ChallengeTtl, ClientId, Commitment, Denied,
    Error, Nonce, Proof, Rotation, binding,
};

/// The binding of a host's proofs, how long its challenges live, and its decoys.
#[derive(Clone, Debug)]
pub struct Terms {
    binding: Arc<AuthenticationBinding>,
    decoys: Arc<Decoys>,
    ttl: ChallengeTtl,
    skew: u32,
}

impl Terms {
    /// The longest permitted skew in seconds.
    pub const MAX_SKEW: u32 = 60;

    /// The terms of a host that is bound to this, whose challenges live 120 seconds.
    #[must_use]
    pub fn new(binding: AuthenticationBinding, decoys: Decoys) -> Self {
        Self {
            binding: Arc::new(binding),
            decoys: Arc::new(decoys),
            ttl: ChallengeTtl::default(),
            skew: 0,
        }
    }

    /// With challenges that live for so long.
    #[must_use]
    pub fn with_ttl(mut self, ttl: ChallengeTtl) -> Self {
        self.ttl = ttl;
        self
    }

    /// For hosts that share a store, by whose clock they go: how many seconds their reading of it may be
    /// wrong, at most [`MAX_SKEW`](Self::MAX_SKEW).
    #[must_use]
    pub fn with_skew(mut self, seconds: u32) -> Self {
        self.skew = seconds.min(Self::MAX_SKEW);
        self
    }

    /// What proofs must be bound to.
    #[must_use]
    pub fn binding(&self) -> &AuthenticationBinding {
        &self.binding
    }

    /// Issues a challenge to whoever asks, enrolled or not. Nothing is stored.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the random source fails or the clock is beyond the year 2106.
    pub fn challenge<R: TryCryptoRng + ?Sized>(
        &self,
        keys: &Keys,
        client_id: &ClientId,
        now: u64,
        rng: &mut R,
    ) -> Result<Challenge, Error> {
        keys.issue(client_id, now, self.ttl, rng)
    }

    /// The nonce of a challenge that is alive, for a host that tells its id and its nonce apart. Anybody may
    /// ask: whether it is spent is not looked at.
    ///
    /// # Errors
    /// [`Denied`] for what is no challenge id, and for a challenge that is not alive.
    pub fn nonce(
        &self,
        keys: &Keys,
        client_id: &ClientId,
        challenge_id: &[u8],
        now: u64,
    ) -> Result<Nonce, Denied> {
        let id = ChallengeId::from_text_bytes(challenge_id)?;
        let challenge = keys.recompute(client_id, id, now, self.ttl, self.skew)?;
        Ok(challenge.nonce)
    }

    /// Begins an attempt to authenticate: decodes it, and computes its challenge again.
    ///
    /// # Errors
    /// [`Refused::Failed`] before anything else; then [`Refused::Denied`] for a challenge that is not
    /// alive.
    pub fn authenticate(
        &self,
        keys: &Arc<Keys>,
        now: u64,
        request: &AuthenticationRequest<'_>,
    ) -> Result<Wanted, Refused> {
        let (client_id, challenge, (proof, named)) = self.begin(keys, now, &request.of, || {
            let proof = Proof::from_bytes(request.proof)?;
            let named = request.binding.map(AuthenticationBinding::from_bytes);
            Ok((proof, named.transpose()?))
        })?;
        let (binding, agreed) = match named {
            Some(named) if binding::permits(&self.binding, &named) => (Arc::new(named), true),
            named => (Arc::clone(&self.binding), named.is_none()),
        };
        let purpose = Purpose::Authenticate {
            challenge,
            binding,
            agreed,
            proof,
        };
        Ok(self.wanted(keys, client_id, purpose))
    }

    /// Begins an attempt to rotate: decodes it, and computes its challenge again.
    ///
    /// # Errors
    /// As [`Terms::authenticate`].
    pub fn rotate(
        &self,
        keys: &Arc<Keys>,
        now: u64,
        request: &RotationRequest<'_>,
    ) -> Result<Wanted, Refused> {
        let (client_id, challenge, (proof_old, commitment_new, proof_new)) =
            self.begin(keys, now, &request.of, || {
                Rotation::permits_binding(&self.binding)?;
                Ok((
                    Proof::from_bytes(request.proof_old)?,
                    Commitment::from_bytes(request.commitment_new)?,
                    Proof::from_bytes(request.proof_new)?,
                ))
            })?;
        let purpose = Purpose::Rotate {
            challenge,
            binding: Arc::clone(&self.binding),
            proof_old,
            commitment_new,
            proof_new,
        };
        Ok(self.wanted(keys, client_id, purpose))
    }

    /// Begins an enrolment: decodes it. The host says next whether it is permitted.
    ///
    /// # Errors
    /// [`Refused::Failed`].
    pub fn enrol(&self, request: &EnrolmentRequest<'_>) -> Result<Asked, Refused> {
        let decoded = || {
            Ok(Asked {
                client_id: ClientId::from_bytes(request.client_id)?,
                commitment: Commitment::from_bytes(request.commitment)?,
                proof: Proof::from_bytes(request.proof)?,
            })
        };
        decoded().map_err(Refused::Failed)
    }

    /// The order of every attempt: the client id, the rest of what was sent, the challenge.
    fn begin<T>(
        &self,
        keys: &Keys,
        now: u64,
        of: &Named<'_>,
        decode: impl FnOnce() -> Result<T, Error>,
    ) -> Result<(ClientId, Challenge, T), Refused> {
        let (client_id, challenge_id) = of.client().map_err(Refused::Failed)?;
        let decoded = decode().map_err(Refused::Failed)?;
        let client_id = client_id?;
        let id = request::challenge_id(challenge_id)?;
        let challenge = keys
            .recompute(&client_id, id, now, self.ttl, self.skew)
            .map_err(|_| Refused::Denied(Cause::Challenge))?;
        Ok((client_id, challenge, decoded))
    }

    fn wanted(&self, keys: &Arc<Keys>, client_id: ClientId, purpose: Purpose) -> Wanted {
        let decoy = self.decoys.of(&client_id);
        Wanted::new(client_id, purpose, decoy, Arc::clone(keys))
    }
}
