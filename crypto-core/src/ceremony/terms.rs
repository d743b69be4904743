//! What a host decides once for all its attempts, and where every attempt begins.

use alloc::sync::Arc;

use rand_core::TryCryptoRng;

use super::{
    Asked, AuthenticationRequest, Decoys, EnrolmentRequest, JoinRequest, Joiner, Keys, LinkRequest,
    Named, PendingLink, RotationRequest, UnlinkRequest, Wanted,
    purpose::{Asks, New, Purpose, Request},
    request,
    step::{Cause, Refused},
};
use crate::{
    AuthenticationBinding, Challenge, ChallengeId, ChallengeTtl, ClientId, Commitment,
    CredentialId, CredentialName, Denied, Error, Joining, Linking, Nonce, Proof, Rotation,
    Unlinking, binding,
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

    pub(super) const fn skew(&self) -> u32 {
        self.skew
    }

    /// For one attempt, whose token is to be bound to the key of this thumbprint (RFC 9449): its proof must be bound
    /// to that key as well, so that nobody puts another one beside the proof. The host computes the thumbprint from
    /// the request itself.
    ///
    /// # Errors
    /// [`Error::InvalidLength`] when the host's own binding leaves no room for it.
    pub fn with_dpop(&self, thumbprint: &[u8; 32]) -> Result<Self, Error> {
        let binding = AuthenticationBinding::clone(&self.binding).with_dpop(thumbprint)?;
        Ok(Self {
            binding: Arc::new(binding),
            ..self.clone()
        })
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
        let (client_id, challenge, (credential, proof, named)) =
            self.begin(keys, now, &request.of, || {
                let credential = request::credential_id(request.credential)?;
                let proof = Proof::from_bytes(request.proof)?;
                let named = request.binding.map(AuthenticationBinding::from_bytes);
                Ok((credential, proof, named.transpose()?))
            })?;
        let (binding, agreed) = match named {
            Some(named) if binding::permits(&self.binding, &named) => (Arc::new(named), true),
            named => (Arc::clone(&self.binding), named.is_none()),
        };
        let asked = Request {
            challenge,
            binding,
            proof,
            to: Asks::Authenticate { agreed },
        };
        Ok(self.wanted(keys, client_id, credential, asked, now))
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
        let (client_id, challenge, (credential, proof, to)) =
            self.begin(keys, now, &request.of, || {
                Rotation::permits_binding(&self.binding)?;
                let credential = request::credential_id(request.credential)?;
                let proof = Proof::from_bytes(request.proof_old)?;
                let to = Asks::Rotate {
                    commitment_new: Commitment::from_bytes(request.commitment_new)?,
                    proof_new: Proof::from_bytes(request.proof_new)?,
                };
                Ok((credential, proof, to))
            })?;
        let asked = self.request(challenge, proof, to);
        Ok(self.wanted(keys, client_id, credential, asked, now))
    }

    /// Begins an attempt to link a credential: decodes it, and computes its challenge again.
    ///
    /// # Errors
    /// As [`Terms::authenticate`].
    pub fn link(
        &self,
        keys: &Arc<Keys>,
        now: u64,
        request: &LinkRequest<'_>,
    ) -> Result<Wanted, Refused> {
        let (client_id, challenge, (credential, proof, to)) =
            self.begin(keys, now, &request.of, || {
                Linking::permits_binding(&self.binding)?;
                let credential = request::credential_id(request.credential)?;
                let proof = Proof::from_bytes(request.proof)?;
                let commitment_new = Commitment::from_bytes(request.commitment_new)?;
                let new = match request.joining {
                    None => New::Kept(None),
                    Some(joining) => New::Here {
                        proof: Proof::from_bytes(joining.proof)?,
                        name: CredentialName::parse(joining.name)?,
                    },
                };
                let to = Asks::Link {
                    commitment_new,
                    new,
                };
                Ok((credential, proof, to))
            })?;
        let asked = self.request(challenge, proof, to);
        Ok(self.wanted(keys, client_id, credential, asked, now))
    }

    /// Begins an attempt to unlink a credential: decodes it, and computes its challenge again.
    ///
    /// # Errors
    /// As [`Terms::authenticate`].
    pub fn unlink(
        &self,
        keys: &Arc<Keys>,
        now: u64,
        request: &UnlinkRequest<'_>,
    ) -> Result<Wanted, Refused> {
        let (client_id, challenge, (credential, proof, to)) =
            self.begin(keys, now, &request.of, || {
                Unlinking::permits_binding(&self.binding)?;
                let credential = request::credential_id(request.credential)?;
                let proof = Proof::from_bytes(request.proof)?;
                let commitment_old = Commitment::from_bytes(request.commitment_old)?.to_bytes();
                Ok((credential, proof, Asks::Unlink { commitment_old }))
            })?;
        let asked = self.request(challenge, proof, to);
        Ok(self.wanted(keys, client_id, credential, asked, now))
    }

    /// What a client has pending that offers this challenge to a second device. Its token has shown already
    /// that it is this client; what it had pending before gives way.
    ///
    /// # Errors
    /// [`Refused::Denied`] for a challenge that is not alive, or of another client.
    pub fn offer(
        &self,
        keys: &Keys,
        now: u64,
        client_id: &ClientId,
        of: &Named<'_>,
    ) -> Result<PendingLink, Refused> {
        let (named, challenge, ()) = self.begin(keys, now, of, || Ok(()))?;
        let pending = PendingLink::open(challenge.id, &challenge.nonce);
        match pending {
            Some(pending) if named == *client_id => Ok(pending),
            _ => Err(Refused::Denied(Cause::Challenge)),
        }
    }

    /// Begins an attempt of a second device to join: decodes it, and computes the challenge of the offer
    /// again.
    ///
    /// # Errors
    /// As [`Terms::authenticate`].
    pub fn join(
        &self,
        keys: &Keys,
        now: u64,
        request: &JoinRequest<'_>,
    ) -> Result<Joiner, Refused> {
        let (client_id, challenge, (commitment, proof, name)) =
            self.begin(keys, now, &request.of, || {
                Joining::permits_binding(&self.binding)?;
                Ok((
                    Commitment::from_bytes(request.commitment)?,
                    Proof::from_bytes(request.joining.proof)?,
                    CredentialName::parse(request.joining.name)?,
                ))
            })?;
        Ok(Joiner {
            client_id,
            offer: challenge.id,
            nonce: challenge.nonce,
            binding: Arc::clone(&self.binding),
            commitment,
            proof,
            name,
            now,
        })
    }

    /// Begins an enrolment or a reset: decodes it. The host says next whether it is permitted.
    ///
    /// # Errors
    /// [`Refused::Failed`].
    pub fn enrol(&self, request: &EnrolmentRequest<'_>) -> Result<Asked, Refused> {
        let decoded = || {
            Ok(Asked {
                client_id: ClientId::from_bytes(request.client_id)?,
                commitment: Commitment::from_bytes(request.commitment)?,
                proof: Proof::from_bytes(request.proof)?,
                name: CredentialName::unnamed(),
                attributes: None,
                now: 0,
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

    fn request(&self, challenge: Challenge, proof: Proof, to: Asks) -> Request {
        Request {
            challenge,
            binding: Arc::clone(&self.binding),
            proof,
            to,
        }
    }

    fn wanted(
        &self,
        keys: &Arc<Keys>,
        client_id: ClientId,
        credential: Option<CredentialId>,
        asked: Request,
        now: u64,
    ) -> Wanted {
        let decoy = self.decoys.of_credential(&client_id, credential.as_ref());
        let purpose = Purpose::Asked(asked);
        Wanted::new(client_id, credential, purpose, decoy, Arc::clone(keys), now)
    }
}
