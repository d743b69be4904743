//! Several credentials of one client: linked at the same device or from a second one, unlinked, listed.

use std::net::IpAddr;

use twofapi_crypto_core::{
    ClientId, Commitment, CredentialId, CredentialName, Error, Proof, Record,
    ceremony::{
        Cause, JoinRequest, JoiningPart, LinkRequest, LinkState, PendingLink, Refused,
        UnlinkRequest,
    },
};

use super::{
    attempts::{named, refuse},
    authenticated::AuthenticatedClient,
    challenge_name::ChallengeName,
    shown::ShownToken,
    state::Service,
};

/// How often joining is begun again because another device was faster: an open offer is joined, and then
/// clashed, and after that nothing becomes of it.
const JOINS: usize = 3;

impl Service {
    /// Adds a credential to a client, given a proof of the link by one that it has. What the new one says comes
    /// along, or has come before from a second device.
    ///
    /// # Errors
    /// As [`Service::verify`].
    pub async fn link(
        &self,
        name: &ChallengeName,
        credential: Option<&CredentialId>,
        proof: &Proof,
        commitment_new: &Commitment,
        joining: Option<(&Proof, &CredentialName)>,
        source: Option<IpAddr>,
    ) -> Result<(CredentialId, Record), Error> {
        let (keys, now) = self.keys(&name.client_id).await?;
        let challenge_id = name.id.to_text();
        let credential = credential.map(CredentialId::to_string);
        let joins = joining.map(|(proof, name)| (proof.to_bytes(), name));
        let request = LinkRequest {
            of: named(name, &challenge_id),
            credential: credential.as_deref().map(str::as_bytes),
            proof: &proof.to_bytes(),
            commitment_new: commitment_new.as_bytes(),
            joining: joins.as_ref().map(|(proof, name)| JoiningPart {
                proof,
                name: name.as_str().as_bytes(),
            }),
        };
        let wanted = self.terms.link(&keys, now, &request);
        let accepted = self.conclude(&name.client_id, wanted, source).await?;
        let (by, new) = (
            *accepted.credential_id(),
            CredentialId::of(commitment_new.as_bytes()),
        );
        let (client_id, record) = accepted.into_parts();
        let (version, from_a_second_device) = (record.version(), joining.is_none());
        tracing::info!(%client_id, credential = %new, %by, version, from_a_second_device, "linked");
        Ok((new, record))
    }

    /// Takes a credential away from a client, given a proof by one that it has. Its tokens are good no longer.
    ///
    /// # Errors
    /// As [`Service::verify`].
    pub async fn unlink(
        &self,
        name: &ChallengeName,
        credential: Option<&CredentialId>,
        proof: &Proof,
        commitment_old: &Commitment,
        source: Option<IpAddr>,
    ) -> Result<Record, Error> {
        let (keys, now) = self.keys(&name.client_id).await?;
        let challenge_id = name.id.to_text();
        let credential = credential.map(CredentialId::to_string);
        let request = UnlinkRequest {
            of: named(name, &challenge_id),
            credential: credential.as_deref().map(str::as_bytes),
            proof: &proof.to_bytes(),
            commitment_old: commitment_old.as_bytes(),
        };
        let wanted = self.terms.unlink(&keys, now, &request);
        let accepted = self.conclude(&name.client_id, wanted, source).await?;
        let (by, gone) = (
            *accepted.credential_id(),
            CredentialId::of(commitment_old.as_bytes()),
        );
        let (client_id, record) = accepted.into_parts();
        let version = record.version();
        tracing::info!(%client_id, credential = %gone, %by, version, "unlinked");
        Ok(record)
    }

    /// Offers a challenge of this client to a second device, in the place of what it had pending.
    ///
    /// # Errors
    /// [`Error::Denied`] for a challenge that is not alive, or another client's; [`Error::Unavailable`].
    pub async fn offer_link(
        &self,
        client: &AuthenticatedClient,
        name: &ChallengeName,
    ) -> Result<PendingLink, Error> {
        let client_id = &client.client_id;
        let (keys, now) = self.keys(client_id).await?;
        let of = name.id.to_text();
        let offer = self.terms.offer(&keys, now, client_id, &named(name, &of));
        let offer = offer.map_err(|refused| refuse(client_id, refused))?;
        let now = self.now();
        self.store.offer_link(client_id, &offer, now).await?;
        tracing::info!(%client_id, by = %client.credential_id, "offered a link");
        Ok(offer)
    }

    /// What this client has pending of a link from a second device, and how far it is.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn pending_link(
        &self,
        client: &AuthenticatedClient,
    ) -> Result<Option<(PendingLink, LinkState)>, Error> {
        let now = self.now();
        let pending = self.store.pending_link(&client.client_id, now).await?;
        Ok(pending.and_then(|pending| {
            let state = pending.state(now)?.clone();
            Some((pending, state))
        }))
    }

    /// Has a second device join an offer: what it says is kept for the first one, until the time that is given.
    ///
    /// # Errors
    /// [`Error::Denied`] when its proof is not good, there is no such offer, or another device has joined it as
    /// well; [`Error::Unavailable`].
    pub async fn join_link(
        &self,
        name: &ChallengeName,
        commitment: &Commitment,
        proof: &Proof,
        called: &CredentialName,
    ) -> Result<u64, Error> {
        let client_id = &name.client_id;
        let joining = JoiningPart {
            proof: &proof.to_bytes(),
            name: called.as_str().as_bytes(),
        };
        let challenge_id = name.id.to_text();
        let request = JoinRequest {
            of: named(name, &challenge_id),
            commitment: commitment.as_bytes(),
            joining,
        };
        for _ in 0..JOINS {
            if let Some(joined) = self.try_to_join(client_id, &request).await? {
                return joined.map_err(|refused| refuse(client_id, refused));
            }
        }
        Err(refuse(client_id, Refused::Denied(Cause::Offer)))
    }

    /// `None` when what was found was replaced meanwhile.
    async fn try_to_join(
        &self,
        client_id: &ClientId,
        request: &JoinRequest<'_>,
    ) -> Result<Option<Result<u64, Refused>>, Error> {
        let (keys, now) = self.keys(client_id).await?;
        let joiner = match self.terms.join(&keys, now, request) {
            Ok(joiner) => joiner,
            Err(refused) => return Ok(Some(Err(refused))),
        };
        let now = self.now();
        let pending = self.store.pending_link(client_id, now).await?;
        let join = match joiner.found(pending) {
            Ok(join) => join,
            Err(refused) => return Ok(Some(Err(refused))),
        };
        let (before, after) = (join.before(), join.after().clone());
        let store = &self.store;
        let replaced = store.replace_pending_link(client_id, before, &after, now);
        if !replaced.await? {
            return Ok(None);
        }
        match after.state(now) {
            Some(LinkState::Clashed) => tracing::warn!(%client_id, "two devices joined one offer"),
            _ => tracing::info!(%client_id, "a second device joined an offer"),
        }
        Ok(Some(join.done(true).map(|_| after.until())))
    }

    /// Who holds this access token, with all that is kept of its client.
    ///
    /// # Errors
    /// As [`Service::authenticate`].
    pub async fn credentials(
        &self,
        shown: ShownToken<'_>,
        source: Option<IpAddr>,
    ) -> Result<(AuthenticatedClient, Record), Error> {
        self.holder(shown, source).await
    }
}
