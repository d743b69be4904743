//! What an operator does: invite clients, and suspend, resume or revoke them.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};
use twofapi_crypto_core::{ClientId, ClientRecord, Error, Transition};
use zeroize::Zeroizing;

use crate::store::{InvitationKey, LifecycleChange, Store};

/// A token that permits one enrolment of one client. Only its hash is stored.
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
    if store.look_up(client_id).await?.is_some() {
        return Err(Error::AlreadyEnrolled);
    }
    let mut random = Zeroizing::new([0; 32]);
    getrandom::fill(random.as_mut()).map_err(|_| Error::Unavailable {
        reason: "the random source of the operating system failed".into(),
    })?;
    let token = EnrolmentToken(Zeroizing::new(URL_SAFE_NO_PAD.encode(random.as_ref())));
    let key = EnrolmentToken::key(token.expose());
    store
        .invite(&key, client_id, now.saturating_add(ttl), now)
        .await?;
    tracing::info!(%client_id, ttl, "invited");
    Ok(token)
}

/// Suspends, resumes or revokes a client.
///
/// # Errors
/// [`Error::NotEnrolled`]; [`Error::NotActive`] for what a revoked client cannot become;
/// [`Error::Unavailable`].
pub async fn change_status(
    store: &dyn Store,
    client_id: &ClientId,
    change: LifecycleChange,
) -> Result<(Transition, ClientRecord), Error> {
    let (transition, record) = store.change_status(client_id, change).await??;
    if transition == Transition::Changed {
        tracing::info!(%client_id, status = %record.status, "changed status");
    }
    Ok((transition, record))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_enrolment_token_is_not_in_debug_output() {
        let token = EnrolmentToken(Zeroizing::new("s3cret".into()));
        assert!(!format!("{token:?}").contains("s3cret"));
    }
}
