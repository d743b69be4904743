//! What an operator asks.

use serde::{Deserialize, Serialize};
use twofapi_crypto_core::{Attributes, Claims, Error, Scopes, Sources};

use crate::store::AttributesChange;

/// What an operator asks.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// Make an enrolment token that is good for `ttl` seconds.
    Invite {
        /// For whom.
        client_id: String,
        /// For how long.
        ttl: u64,
        /// What is said of the client from its enrolment on.
        #[serde(default, skip_serializing_if = "Said::is_nothing")]
        said: Said,
    },
    /// Make a token by which all credentials of a client are replaced, good for `ttl` seconds. It voids the one
    /// before.
    InviteToReset {
        /// For whom.
        client_id: String,
        /// For how long.
        ttl: u64,
    },
    /// Void every token that was made for a client id and was not used.
    CancelInvitations {
        /// For whom.
        client_id: String,
    },
    /// List clients, a page at a time.
    List {
        /// The last client of the page before.
        after: Option<String>,
    },
    /// Give the records of clients, a page at a time, for a backup.
    Export {
        /// The last client of the page before.
        after: Option<String>,
    },
    /// Show one client.
    Show {
        /// Which.
        client_id: String,
    },
    /// Keep a client out until it is resumed.
    Suspend {
        /// Which.
        client_id: String,
    },
    /// Let a suspended client in again.
    Resume {
        /// Which.
        client_id: String,
    },
    /// Keep a client out for ever.
    Revoke {
        /// Which.
        client_id: String,
    },
    /// End the sessions and tokens of a client.
    EndSessions {
        /// Which.
        client_id: String,
    },
    /// List the sessions of a client that are good.
    Sessions {
        /// Whose.
        client_id: String,
    },
    /// End one session of a client.
    EndSession {
        /// Whose.
        client_id: String,
        /// Which.
        session_id: String,
    },
    /// Let a credential expire, or not any longer.
    SetExpiry {
        /// Whose.
        client_id: String,
        /// Which.
        credential_id: String,
        /// From when on it is good no longer, in Unix seconds.
        expires_at: Option<u64>,
    },
    /// Let a credential have no more of its client's scopes than these, or all of them.
    SetScopes {
        /// Whose.
        client_id: String,
        /// Which.
        credential_id: String,
        /// What it has at most.
        scopes: Option<Vec<String>>,
    },
    /// Say something of a client.
    SetAttributes {
        /// Of which.
        client_id: String,
        /// What.
        said: Said,
    },
    /// List the keys that sign tokens.
    SigningKeys {},
    /// Make the next key that signs tokens.
    RotateSigningKey {
        /// Whether it signs at once, and not only when whoever caches the key set has it.
        at_once: bool,
    },
    /// Drop a key that signs tokens, and with it its tokens.
    DropSigningKey {
        /// Which.
        kid: String,
    },
}

/// What is said of a client from now on. What is not there stays as it was said before; zero and what is empty
/// take it away.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Said {
    /// From when on it is let in no longer, in Unix seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<u64>,
    /// What it may do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scopes: Option<Vec<String>>,
    /// What its tokens say besides: a JSON object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claims: Option<String>,
    /// From where it is let in: addresses, or those with a prefix length.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sources: Option<Vec<String>>,
    /// How often it may ask, in a minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests_per_minute: Option<u32>,
    /// Whose client it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
}

impl Request {
    /// Whether it asks for nothing to be changed, so that [`look`](super::look) answers it.
    #[must_use]
    pub const fn only_looks(&self) -> bool {
        matches!(self, Self::List { .. } | Self::Show { .. })
    }
}

impl Said {
    /// Whether it says nothing.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    /// What is said of a client of which nothing was said before.
    pub(super) fn attributes(&self) -> Result<Attributes, Error> {
        Ok(self.change()?.over(Attributes::default()))
    }

    /// What a store is asked to do.
    pub(super) fn change(&self) -> Result<AttributesChange, Error> {
        let scopes = |scopes: &Vec<String>| Scopes::new(scopes.iter().map(String::as_str));
        let claims = |text: &String| match text.trim() {
            "" => Ok(Claims::default()),
            text => Claims::parse(text),
        };
        let sources = |sources: &Vec<String>| {
            let sources = sources.iter().map(|source| source.parse());
            Sources::new(sources.collect::<Result<_, _>>()?)
        };
        let tenant = |text: &String| match text.as_str() {
            "" => Ok(None),
            text => text.parse().map(Some),
        };
        Ok(AttributesChange {
            expires_at: self.expires_at.map(|at| (at != 0).then_some(at)),
            scopes: self.scopes.as_ref().map(scopes).transpose()?,
            claims: self.claims.as_ref().map(claims).transpose()?,
            sources: self.sources.as_ref().map(sources).transpose()?,
            requests_per_minute: self.requests_per_minute.map(std::num::NonZeroU32::new),
            tenant: self.tenant.as_ref().map(tenant).transpose()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_and_what_is_empty_take_away_and_what_is_not_said_stays() {
        assert_eq!(Said::default().change(), Ok(AttributesChange::default()));
        let taken_away = Said {
            expires_at: Some(0),
            scopes: Some(vec![]),
            claims: Some(" ".into()),
            sources: Some(vec![]),
            requests_per_minute: Some(0),
            tenant: Some(String::new()),
        };
        let expected = AttributesChange {
            expires_at: Some(None),
            scopes: Some(Scopes::default()),
            claims: Some(Claims::default()),
            sources: Some(Sources::default()),
            requests_per_minute: Some(None),
            tenant: Some(None),
        };
        assert_eq!(taken_away.change(), Ok(expected));
        for wrong in [
            Said {
                scopes: Some(vec!["a b".into()]),
                ..Said::default()
            },
            Said {
                claims: Some("[]".into()),
                ..Said::default()
            },
            Said {
                sources: Some(vec!["192.0.2.1/24".into()]),
                ..Said::default()
            },
            Said {
                tenant: Some("a tenant".into()),
                ..Said::default()
            },
        ] {
            assert!(wrong.change().is_err(), "{wrong:?}");
        }
    }
}
