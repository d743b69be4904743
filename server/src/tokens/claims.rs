//! What an access token says.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use twofapi_crypto_core::{CredentialId, Error};

use crate::store::SessionId;

/// What an access token says (RFC 9068, section 2.2). Times are in Unix seconds. Each name here is one that the
/// core keeps out of custom claims.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Claims {
    pub(crate) iss: String,
    /// The client id, and again under the name that RFC 9068 requires.
    pub(crate) sub: String,
    pub(crate) client_id: String,
    pub(crate) aud: String,
    pub(crate) iat: u64,
    pub(crate) nbf: u64,
    pub(crate) exp: u64,
    /// Its own name, 128 random bits in hex.
    pub(crate) jti: String,
    /// The same, of a token that is good only as long as its session is listed. A token of before has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) sid: Option<String>,
    /// By what the client authenticated (RFC 8176 style): `["zkp"]`, and what else it has proven.
    pub(crate) amr: Vec<String>,
    /// The same as one name, by which a resource asks for it (RFC 9470). A token of before has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) acr: Option<String>,
    /// When it authenticated. A token of before says it by `iat` alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) auth_time: Option<u64>,
    /// The version that the commitment which was proven came with; a rotation outdates the token.
    pub(crate) ver: u32,
    /// The id of the credential that was proven. A token of before has none and means the first one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) cred: Option<String>,
    /// The generation of the client; suspending it or ending its sessions outdates the token.
    #[serde(default, rename = "gen")]
    pub(crate) generation: u32,
    /// What the client may do, separated by blanks (RFC 9068, section 2.2.3); none for nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) scope: Option<String>,
    /// Whose client it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) tenant: Option<String>,
    /// The key that it is bound to (RFC 7800, RFC 9449).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) cnf: Option<Confirmation>,
    /// What the operator has it say besides.
    #[serde(flatten)]
    pub(crate) custom: Map<String, Value>,
}

/// By what whoever shows a token confirms that it is its holder.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Confirmation {
    /// The thumbprint of a key, in base64url.
    pub(crate) jkt: String,
}

impl Confirmation {
    pub(crate) fn by(key: [u8; 32]) -> Self {
        Self {
            jkt: URL_SAFE_NO_PAD.encode(key),
        }
    }
}

/// A thumbprint from its one text.
pub(crate) fn thumbprint(text: &str) -> Result<[u8; 32], Error> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok();
    let bytes = bytes.and_then(|bytes| bytes.try_into().ok());
    bytes.ok_or(Error::Denied)
}

impl Claims {
    /// The thumbprint of the key that it is bound to.
    pub(crate) fn key(&self) -> Result<Option<[u8; 32]>, Error> {
        let cnf = self.cnf.as_ref();
        cnf.map(|cnf| thumbprint(&cnf.jkt)).transpose()
    }

    /// The credential that was proven; `None` for the first one.
    pub(crate) fn credential(&self) -> Result<Option<CredentialId>, Error> {
        let named = self.cred.as_deref().map(str::parse).transpose();
        named.map_err(|_| Error::Denied)
    }

    /// The session that has to be listed still.
    pub(crate) fn session(&self) -> Result<Option<SessionId>, Error> {
        match &self.sid {
            Some(sid) if *sid != self.jti => Err(Error::Denied),
            Some(sid) => sid.parse().map(Some).map_err(|_| Error::Denied),
            None => Ok(None),
        }
    }

    /// Each scope that it says.
    pub(crate) fn scopes(&self) -> impl Iterator<Item = &str> {
        let scopes = self.scope.as_deref().unwrap_or_default();
        scopes.split(' ').filter(|scope| !scope.is_empty())
    }
}
