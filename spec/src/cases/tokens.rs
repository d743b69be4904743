//! Access tokens that a service accepts, and some that it refuses.

use serde::{Deserialize, Serialize};

/// Access tokens of one issuer for one audience.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TokenFile {
    /// [`TokenFile::SUITE`].
    pub suite: String,
    /// Who issues them.
    pub issuer: String,
    /// For whom they are.
    pub audience: String,
    /// The keys of the JWK set, in its order.
    pub keys: Vec<SigningKeyCase>,
    /// What must be accepted.
    pub accepted: Vec<TokenCase>,
    /// What must be refused.
    pub rejected: Vec<TokenCase>,
}

impl TokenFile {
    /// The kind of file.
    pub const SUITE: &str = "2FApi-v1.0-AccessToken";
}

/// A key that signs tokens.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SigningKeyCase {
    /// Its name.
    pub kid: String,
    /// The private key of RFC 8032, 32 bytes in hex.
    pub seed: String,
    /// The public key, in base64url.
    pub x: String,
}

/// One token, at one moment.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TokenCase {
    /// Unique within the file.
    pub name: String,
    /// Who checks it, by the clock of whom.
    pub now: u64,
    /// In compact form.
    pub token: String,
    /// Of an accepted one: whom it stands for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// Of an accepted one: the version of the commitment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u32>,
    /// Of an accepted one: the credential that it names, if it names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<String>,
    /// Of an accepted one: the generation that it names, if it names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<u32>,
    /// Of a refused one: `form`, `header`, `key`, `signature`, `claims` or `time`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}
