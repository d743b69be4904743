//! What an operator does to the record of a client, as something that a store carries out.

use std::num::NonZeroU32;

use twofapi_crypto_core::{
    Attributes, Claims, CredentialId, Error, Record, Scopes, Sources, Tenant, Transition,
};

/// What an operator does to a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordChange {
    /// Keep the client out until it is resumed.
    Suspend,
    /// Let it in again.
    Resume,
    /// Keep it out for ever.
    Revoke,
    /// End its sessions and tokens; the client stays as it is.
    EndSessions,
    /// Let a credential expire, or not any longer.
    SetExpiry {
        /// Which one.
        credential: CredentialId,
        /// From when on it is good no longer, in Unix seconds.
        expires_at: Option<u64>,
    },
    /// Let a credential have no more of its client's scopes than these, or all of them.
    SetScopes {
        /// Which one.
        credential: CredentialId,
        /// What it has at most.
        scopes: Option<Scopes>,
    },
    /// Say something of the client.
    SetAttributes(Box<AttributesChange>),
}

/// What is said of a client from now on. What is `None` here stays as it was said before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AttributesChange {
    /// From when on it is let in no longer, in Unix seconds; or that it does not expire.
    pub expires_at: Option<Option<u64>>,
    /// What it may do.
    pub scopes: Option<Scopes>,
    /// What its tokens say besides.
    pub claims: Option<Claims>,
    /// From where it is let in.
    pub sources: Option<Sources>,
    /// How often it may ask, in a minute; or as often as it likes.
    pub requests_per_minute: Option<Option<NonZeroU32>>,
    /// Whose client it is; or nobody's.
    pub tenant: Option<Option<Tenant>>,
}

impl RecordChange {
    /// Changes a record, as the rules of the core say.
    ///
    /// # Errors
    /// [`Error::NotActive`] for what a revoked client cannot become; [`Error::NotEnrolled`] when it has no
    /// such credential; [`Error::InvalidLength`] for scopes that are too long; [`Error::Unavailable`] when its versions or generations are used up.
    pub fn apply(&self, record: &mut Record) -> Result<Transition, Error> {
        match self {
            Self::Suspend => record.suspend(),
            Self::Resume => record.resume(),
            Self::Revoke => Ok(record.revoke()),
            Self::EndSessions => record.end_sessions().map(|()| Transition::Changed),
            Self::SetExpiry {
                credential,
                expires_at,
            } => {
                let named = record.credential(Some(credential));
                if named.is_some_and(|named| named.expires_at() == *expires_at) {
                    return Ok(Transition::Unchanged);
                }
                record.set_expiry(credential, *expires_at)?;
                Ok(Transition::Changed)
            }
            Self::SetScopes { credential, scopes } => {
                let named = record.credential(Some(credential));
                if named.is_some_and(|named| named.scopes() == scopes.as_ref()) {
                    return Ok(Transition::Unchanged);
                }
                record.set_scopes(credential, scopes.clone())?;
                Ok(Transition::Changed)
            }
            Self::SetAttributes(change) => {
                let before = record.attributes().cloned().unwrap_or_default();
                let after = change.over(before.clone());
                if after == before {
                    return Ok(Transition::Unchanged);
                }
                record.set_attributes(after)?;
                Ok(Transition::Changed)
            }
        }
    }

    /// What it is called in the audit.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Suspend => "suspended",
            Self::Resume => "resumed",
            Self::Revoke => "revoked",
            Self::EndSessions => "sessions ended",
            Self::SetExpiry { .. } => "expiry of a credential set",
            Self::SetScopes { .. } => "scopes of a credential set",
            Self::SetAttributes(_) => "attributes set",
        }
    }
}

impl AttributesChange {
    pub(crate) fn over(&self, before: Attributes) -> Attributes {
        let AttributesChange {
            expires_at,
            scopes,
            claims,
            sources,
            requests_per_minute,
            tenant,
        } = self.clone();
        Attributes {
            expires_at: expires_at.unwrap_or(before.expires_at),
            scopes: scopes.unwrap_or(before.scopes),
            claims: claims.unwrap_or(before.claims),
            sources: sources.unwrap_or(before.sources),
            requests_per_minute: requests_per_minute.unwrap_or(before.requests_per_minute),
            tenant: tenant.unwrap_or(before.tenant),
        }
    }
}

#[cfg(test)]
mod tests {
    use twofapi_crypto_core::{Credential, CredentialName};

    use super::*;

    #[test]
    fn what_is_not_said_anew_stays_and_what_is_said_already_makes_no_version() {
        let credential = Credential::generate(&mut getrandom::SysRng).unwrap();
        let unnamed = CredentialName::unnamed();
        let mut record = Record::enrolled(credential.commitment(), unnamed, 0);
        let said = AttributesChange {
            expires_at: Some(Some(9)),
            tenant: Some(Some("t".parse().unwrap())),
            ..AttributesChange::default()
        };
        let said = RecordChange::SetAttributes(Box::new(said));
        assert_eq!(said.apply(&mut record), Ok(Transition::Changed));
        assert_eq!(said.apply(&mut record), Ok(Transition::Unchanged));
        let unsaid = AttributesChange {
            expires_at: Some(None),
            ..AttributesChange::default()
        };
        let unsaid = RecordChange::SetAttributes(Box::new(unsaid));
        assert_eq!(unsaid.apply(&mut record), Ok(Transition::Changed));
        let kept = record.attributes().unwrap();
        assert_eq!(kept.expires_at, None);
        assert_eq!(kept.tenant.as_ref().unwrap().as_str(), "t");
        assert_eq!(record.version(), 3);

        let expiry = RecordChange::SetExpiry {
            credential: record.first().id(),
            expires_at: Some(7),
        };
        assert_eq!(expiry.apply(&mut record), Ok(Transition::Changed));
        assert_eq!(expiry.apply(&mut record), Ok(Transition::Unchanged));
        assert_eq!((record.version(), record.generation()), (4, 0));
        let nobodys = RecordChange::SetExpiry {
            credential: CredentialId::from_bytes([0; 16]),
            expires_at: None,
        };
        assert_eq!(nobodys.apply(&mut record), Err(Error::NotEnrolled));
    }
}
