//! An access token as a request shows it, and whether who shows it may.

use twofapi_crypto_core::Error;

use super::state::Service;
use crate::{
    dpop::{DpopProof, DpopRequest, Seen},
    tokens::Claims,
};

/// An access token as a request shows it.
#[derive(Clone, Copy)]
pub struct ShownToken<'a> {
    pub(crate) jwt: &'a str,
    pub(crate) dpop: Option<DpopRequest<'a>>,
}

impl<'a> ShownToken<'a> {
    /// As a bearer token (RFC 6750).
    #[must_use]
    pub const fn bearer(jwt: &'a str) -> Self {
        Self { jwt, dpop: None }
    }

    /// With a proof of the key that it is bound to (RFC 9449): the value of the one `DPoP` field, the method of the
    /// request, and its path as clients write it.
    #[must_use]
    pub const fn dpop(jwt: &'a str, proof: &'a str, method: &'a str, path: &'a str) -> Self {
        let dpop = DpopRequest {
            proof,
            method,
            path,
        };
        Self {
            jwt,
            dpop: Some(dpop),
        }
    }
}

impl std::fmt::Debug for ShownToken<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ShownToken(secret)")
    }
}

impl Service {
    /// The key of a proof that holds, and whether it is for a login over this challenge.
    pub(crate) fn login_key(
        &self,
        request: DpopRequest<'_>,
        challenge: &str,
    ) -> Option<([u8; 32], bool)> {
        let proof = DpopProof::check(request, self.audience().as_str(), self.now())?;
        Some((proof.key, proof.nonce.as_deref() == Some(challenge)))
    }

    /// Whether a good token is shown by who may: with a proof of its key where tokens are bound here, and without
    /// one where they are not. A proof is remembered only now, so that strangers fill no memory.
    pub(super) fn may_show(
        &self,
        shown: &ShownToken<'_>,
        claims: &Claims,
        now: u64,
    ) -> Result<(), Error> {
        let bound = claims.key()?;
        let (key, request) = match (bound, shown.dpop) {
            (None, None) if !self.requires_dpop() => return Ok(()),
            (Some(key), Some(request)) if self.requires_dpop() => (key, request),
            _ => return Err(Error::Denied),
        };
        let proof =
            DpopProof::check(request, self.audience().as_str(), now).ok_or(Error::Denied)?;
        if proof.key != key || !proof.is_for(shown.jwt) {
            return Err(Error::Denied);
        }
        match self.proofs_seen.see(&key, &proof.jti, proof.until, now) {
            Seen::Never => Ok(()),
            Seen::Before => Err(Error::Denied),
            Seen::Full => Err(Error::Throttled {
                retry_after_seconds: 10,
            }),
        }
    }
}
