//! What an operator does with the keys that sign tokens: have another one sign, and drop one that leaked.

use twofapi_crypto_core::Error;

use crate::{
    store::{SigningKeyRecord, Store},
    tokens::JWKS_MAX_AGE,
};

/// So many keys there may be before another one is made by command.
const MOST: usize = 16;
/// So often a key is made anew when another server was first.
const TRIES: usize = 8;

/// Makes the next key that signs tokens, of the algorithm of the newest one. It is published now and signs when everybody
/// who caches the key set has it, or `at_once`: then who has the key set alone meets a key that it does not know, and has to
/// ask again.
///
/// # Errors
/// [`Error::Unavailable`], also where there are too many keys already.
pub async fn rotate_signing_key(
    store: &dyn Store,
    now: u64,
    at_once: bool,
) -> Result<SigningKeyRecord, Error> {
    let ahead = match at_once {
        true => 0,
        false => 2 * JWKS_MAX_AGE,
    };
    for _ in 0..TRIES {
        let keys = store.signing_keys().await?;
        if keys.len() >= MOST {
            return Err(Error::Unavailable {
                reason: format!(
                    "there are {} signing keys already; wait until those are gone whose tokens have expired",
                    keys.len()
                ),
            });
        }
        let algorithm = keys.last().map(|key| key.algorithm).unwrap_or_default();
        let key = SigningKeyRecord::generate(algorithm, now.saturating_add(ahead))?;
        let others: Vec<_> = keys.into_iter().map(|key| key.kid).collect();
        if store.add_signing_key(&key, &others).await? {
            let (kid, activates_at) = (&key.kid, key.activates_at);
            tracing::info!(kid, activates_at, "an operator made a signing key");
            return Ok(key);
        }
    }
    Err(Error::Unavailable {
        reason: "other servers keep changing the signing keys; try again".into(),
    })
}

/// Drops a key, such as one that leaked: every server of the store refuses its tokens from its next request on, and
/// publishes it no longer. Where no key is left, the next request makes one. Says whether there was such a key.
///
/// # Errors
/// [`Error::Unavailable`]: to be done again then, until it is not.
pub async fn drop_signing_key(store: &dyn Store, kid: &str) -> Result<bool, Error> {
    let there = store.signing_keys().await?;
    let there = there.iter().any(|key| key.kid == kid);
    // Whether it is there or not: a try before may have been cut off before every server was told.
    store.remove_signing_key(kid).await?;
    if there {
        tracing::warn!(kid, "an operator dropped a signing key");
    }
    Ok(there)
}
