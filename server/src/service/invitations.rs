//! What an operator does: invite clients, and change what is kept of them.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};
use twofapi_crypto_core::{Attributes, ClientId, ClientStatus, Error, Record, Transition};
use zeroize::Zeroizing;

use crate::store::{Invitation, InvitationKey, InvitationKind, RecordChange, Store};

/// A token that permits one enrolment, or one reset, of one client. Only its hash is stored.
pub struct EnrolmentToken(Zeroizing<String>);

impl EnrolmentToken {
    /// The token, to be handed to the client's owner.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    pub(super) fn key(token: &str) -> InvitationKey {
        Sha256::digest(token.as_bytes()).into()
    }

    /// What is said of the client that enrols by it: it stands within the token, behind a dot, and whoever
    /// changes it has another token, of which nobody knows.
    ///
    /// # Errors
    /// [`Error::Unavailable`] for a token of a newer version.
    pub(super) fn attributes(token: &str) -> Result<Attributes, Error> {
        let Some((_, said)) = token.split_once('.') else {
            return Ok(Attributes::default());
        };
        let bytes = URL_SAFE_NO_PAD.decode(said).ok();
        let said = bytes.and_then(|bytes| Attributes::from_bytes(&bytes).ok());
        said.ok_or_else(|| Error::Unavailable {
            reason: "the enrolment token was made by a newer version".into(),
        })
    }
}

impl std::fmt::Debug for EnrolmentToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("EnrolmentToken(secret)")
    }
}

/// Makes an enrolment token for a client id, good for `ttl` seconds from `now`.
///
/// # Errors
/// [`Error::AlreadyEnrolled`] when it would be of no use; [`Error::Unavailable`].
pub async fn invite(
    store: &dyn Store,
    client_id: &ClientId,
    now: u64,
    ttl: u64,
) -> Result<EnrolmentToken, Error> {
    invite_as(store, client_id, &Attributes::default(), now, ttl).await
}

/// As [`invite`], with what is said of the client from its enrolment on.
///
/// # Errors
/// As [`invite`].
pub async fn invite_as(
    store: &dyn Store,
    client_id: &ClientId,
    said: &Attributes,
    now: u64,
    ttl: u64,
) -> Result<EnrolmentToken, Error> {
    if store.look_up(client_id).await?.is_some() {
        return Err(Error::AlreadyEnrolled);
    }
    let token = make(store, client_id, InvitationKind::Enrol, said, now, ttl).await?;
    tracing::info!(%client_id, ttl, "invited");
    Ok(token)
}

/// Makes a token by which all credentials of a client are replaced by a new one, good for `ttl` seconds from
/// `now`. It voids the one before.
///
/// # Errors
/// [`Error::NotEnrolled`] or [`Error::NotActive`] when it would be of no use; [`Error::Unavailable`].
pub async fn invite_to_reset(
    store: &dyn Store,
    client_id: &ClientId,
    now: u64,
    ttl: u64,
) -> Result<EnrolmentToken, Error> {
    let record = store.look_up(client_id).await?.ok_or(Error::NotEnrolled)?;
    if record.status() == ClientStatus::Revoked {
        return Err(Error::NotActive {
            status: record.status().as_str(),
            expected: "active or suspended",
        });
    }
    let unsaid = Attributes::default();
    let token = make(store, client_id, InvitationKind::Reset, &unsaid, now, ttl).await?;
    tracing::info!(%client_id, ttl, "invited to reset");
    Ok(token)
}

async fn make(
    store: &dyn Store,
    client_id: &ClientId,
    kind: InvitationKind,
    said: &Attributes,
    now: u64,
    ttl: u64,
) -> Result<EnrolmentToken, Error> {
    let mut random = Zeroizing::new([0; 32]);
    getrandom::fill(random.as_mut()).map_err(|_| Error::Unavailable {
        reason: "the random source of the operating system failed".into(),
    })?;
    let mut token = URL_SAFE_NO_PAD.encode(random.as_ref());
    if *said != Attributes::default() {
        token = format!("{}.{}", token, URL_SAFE_NO_PAD.encode(said.to_bytes()));
    }
    let token = EnrolmentToken(Zeroizing::new(token));
    let invitation = Invitation {
        key: EnrolmentToken::key(token.expose()),
        client_id: client_id.clone(),
        kind,
        expires_at: now.saturating_add(ttl),
    };
    store.invite(&invitation, now).await?;
    Ok(token)
}

/// Voids every token that was made for a client id, and says how many there were.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn cancel_invitations(store: &dyn Store, client_id: &ClientId) -> Result<u64, Error> {
    let cancelled = store.cancel_invitations(client_id).await?;
    tracing::info!(%client_id, cancelled, "invitations cancelled");
    Ok(cancelled)
}

/// Does to the record of a client what its operator wants.
///
/// # Errors
/// [`Error::NotEnrolled`]; [`Error::NotActive`] for what a revoked client cannot become;
/// [`Error::Unavailable`].
pub async fn change_record(
    store: &dyn Store,
    client_id: &ClientId,
    change: &RecordChange,
) -> Result<(Transition, Record), Error> {
    let (transition, record) = store.change_record(client_id, change).await??;
    if transition == Transition::Changed {
        let (what, status) = (change.name(), record.status());
        let (version, generation) = (record.version(), record.generation());
        if let RecordChange::SetExpiry {
            credential,
            expires_at,
        } = change
        {
            let expires_at = expires_at.unwrap_or_default();
            tracing::info!(%client_id, what, %credential, expires_at, %status, version, generation, "changed by the operator");
        } else {
            tracing::info!(%client_id, what, %status, version, generation, "changed by the operator");
        }
    }
    Ok((transition, record))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_says_what_it_was_made_with() {
        let said = Attributes {
            expires_at: Some(7),
            ..Attributes::default()
        };
        let token = format!("random.{}", URL_SAFE_NO_PAD.encode(said.to_bytes()));
        assert_eq!(EnrolmentToken::attributes(&token), Ok(said));
        assert_eq!(
            EnrolmentToken::attributes("random"),
            Ok(Attributes::default())
        );
        for newer in ["random.", "random.AA", "random.é", "random.."] {
            assert!(EnrolmentToken::attributes(newer).is_err(), "{newer}");
        }
    }

    #[test]
    fn an_enrolment_token_is_not_in_debug_output() {
        let token = EnrolmentToken(Zeroizing::new("s3cret".into()));
        assert!(!format!("{token:?}").contains("s3cret"));
    }
}
