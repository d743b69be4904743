//! What an operator is told, and sees of a client.

use std::{cmp::Ordering, net::IpAddr};

use serde::{Deserialize, Serialize};
use twofapi_crypto_core::{Attributes, ClientId, EnrolledCredential, Record};

use crate::{
    store::{Session, SigningKeyRecord},
    tokens::KeySchedule,
};

/// What the operator is told. Without `Debug`, for it may be an enrolment token.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Response {
    /// An enrolment token, and when it expires (Unix seconds).
    Invited {
        /// The token; it is shown this once.
        token: String,
        /// When it expires.
        expires_at: u64,
    },
    /// Tokens are void.
    Cancelled {
        /// How many.
        cancelled: u64,
    },
    /// A page of clients; the list goes on after the last one if the page is full.
    Clients {
        /// The clients.
        clients: Vec<ClientView>,
        /// Whether there are more.
        more: bool,
    },
    /// Records of clients: some of those that are left, or none when there are no more.
    Exported {
        /// Client ids, and their records in hex.
        clients: Vec<(String, String)>,
    },
    /// One client, as it is now.
    Client {
        /// The client.
        client: ClientView,
        /// The rest of what is kept of it.
        details: ClientDetails,
        /// Whether the request changed something.
        changed: bool,
    },
    /// The keys that sign tokens, as they are now.
    SigningKeys {
        /// By when they sign.
        keys: Vec<SigningKeyView>,
        /// Whether the request changed something.
        changed: bool,
    },
    /// The sessions of a client that are good, the oldest first.
    Sessions {
        /// The sessions.
        sessions: Vec<SessionView>,
        /// How many the request has ended.
        ended: u64,
    },
    /// It did not work.
    Failed {
        /// The code of the error.
        code: String,
        /// What was wrong, and what would be right.
        message: String,
    },
}

/// What an operator sees of a key that signs tokens.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SigningKeyView {
    /// Its name.
    pub kid: String,
    /// `EdDSA` or `ES256`.
    pub algorithm: String,
    /// Since when it signs, or from when on, in Unix seconds.
    pub activates_at: u64,
    /// `signs`, `will_sign`, or `signed`.
    pub state: String,
}

impl SigningKeyView {
    /// All of them, by when they sign.
    pub(super) fn all(keys: &[SigningKeyRecord], now: u64) -> Vec<Self> {
        let times: Vec<_> = keys.iter().map(|key| key.activates_at).collect();
        let signing = KeySchedule::signing(&times, now).unwrap_or_default();
        let view = |(at, key): (usize, &SigningKeyRecord)| Self {
            kid: key.kid.clone(),
            algorithm: key.algorithm.as_str().to_owned(),
            activates_at: key.activates_at,
            state: match at.cmp(&signing) {
                Ordering::Less => "signed",
                Ordering::Equal => "signs",
                Ordering::Greater => "will_sign",
            }
            .to_owned(),
        };
        keys.iter().enumerate().map(view).collect()
    }
}

/// What an operator sees of each client in a list.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ClientView {
    /// Its id.
    pub client_id: String,
    /// Where it is in its life.
    pub status: String,
    /// 1 at enrolment, one more with each change of its credentials and of what is said of it.
    pub commitment_version: u32,
    /// The commitment of its first credential, in hex.
    pub commitment: String,
}

/// The rest of what is kept of a client.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ClientDetails {
    /// One more with whatever ends all its sessions and tokens.
    pub generation: u32,
    /// Its credentials, in their order.
    pub credentials: Vec<CredentialView>,
    /// What was said of it.
    pub attributes: AttributesView,
}

/// What an operator sees of a credential.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CredentialView {
    /// Its id.
    pub credential_id: String,
    /// Its commitment, in hex.
    pub commitment: String,
    /// What its owner calls it: printable ASCII, and no more than that.
    pub name: String,
    /// When it was enrolled or linked, in Unix seconds; 0 where nobody knows.
    pub created: u64,
    /// The version that its commitment came with.
    pub since: u32,
    /// From when on it is good no longer, in Unix seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<u64>,
    /// What of its client's scopes it has at most; all of them where that is not there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scopes: Option<Vec<String>>,
}

/// What an operator sees of a session.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SessionView {
    /// Its id: the `jti` of its token.
    pub session_id: String,
    /// The credential that was proven.
    pub credential_id: String,
    /// How the client authenticated.
    pub amr: Vec<String>,
    /// From where, as far as that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<IpAddr>,
    /// Since when, in Unix seconds.
    pub issued_at: u64,
    /// Until when.
    pub expires_at: u64,
}

/// What was said of a client; what was not is not there.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AttributesView {
    /// From when on it is let in no longer, in Unix seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<u64>,
    /// What it may do.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<String>,
    /// What its tokens say besides: a JSON object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claims: Option<serde_json::Value>,
    /// From where it is let in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<String>,
    /// How often it may ask, in a minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests_per_minute: Option<u32>,
    /// Whose client it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
}

impl ClientView {
    pub(super) fn new(id: &ClientId, record: &Record) -> Self {
        Self {
            client_id: id.as_str().to_owned(),
            status: record.status().as_str().to_owned(),
            commitment_version: record.version(),
            commitment: hex::encode(record.first().commitment()),
        }
    }
}

impl SessionView {
    pub(super) fn new(session: &Session) -> Self {
        Self {
            session_id: session.id.to_string(),
            credential_id: session.credential.to_string(),
            amr: session.amr.clone(),
            source: session.source,
            issued_at: session.issued_at,
            expires_at: session.expires_at,
        }
    }
}

impl ClientDetails {
    pub(super) fn new(record: &Record) -> Self {
        let attributes = record.attributes().map(AttributesView::new);
        Self {
            generation: record.generation(),
            credentials: record
                .credentials()
                .iter()
                .map(CredentialView::new)
                .collect(),
            attributes: attributes.unwrap_or_default(),
        }
    }
}

impl CredentialView {
    fn new(credential: &EnrolledCredential) -> Self {
        Self {
            credential_id: credential.id().to_string(),
            commitment: hex::encode(credential.commitment()),
            name: credential.name().as_str().to_owned(),
            created: credential.created(),
            since: credential.since(),
            expires_at: credential.expires_at(),
            scopes: credential
                .scopes()
                .map(|scopes| scopes.iter().map(str::to_owned).collect()),
        }
    }
}

impl AttributesView {
    fn new(said: &Attributes) -> Self {
        Self {
            expires_at: said.expires_at,
            scopes: said.scopes.iter().map(str::to_owned).collect(),
            // Kept as JSON: it is read as what it says.
            claims: serde_json::from_str(said.claims.as_str()).ok(),
            sources: said
                .sources
                .as_slice()
                .iter()
                .map(ToString::to_string)
                .collect(),
            requests_per_minute: said.requests_per_minute.map(std::num::NonZeroU32::get),
            tenant: said
                .tenant
                .as_ref()
                .map(|tenant| tenant.as_str().to_owned()),
        }
    }
}
