//! What a passkey signs: a message that names everything that a login is for.

use sha2::{Digest as _, Sha256};

use crate::{
    Error,
    answer::MAX_PROVIDER_LEN,
    field::{Fe, encode, reduce},
    persona::{Kind, PersonaId, Threshold},
    push_lp,
};

/// Length of the nonce.
pub const NONCE_LEN: usize = 16;
/// Longest audience, in bytes: as in the protocol.
pub const MAX_AUDIENCE_LEN: usize = 255;
/// Longest relying party id, in bytes: the longest name of DNS.
pub const MAX_RP_ID_LEN: usize = 253;

/// What takes the place of root and commitment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replacement {
    /// The new root.
    pub root: Fe,
    /// The new passkey commitment.
    pub passkey_commitment: Fe,
    /// The new threshold.
    pub threshold: Threshold,
}

/// What a challenge is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Enrolment.
    Enroll,
    /// A login.
    Authenticate,
    /// Other answers, another passkey, or both.
    Replace(Replacement),
}

impl Purpose {
    /// As it is in the message.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Enroll => "enrol",
            Self::Authenticate => "authenticate",
            Self::Replace(_) => "replace",
        }
    }
}

/// A challenge. Client and host each make it from what they know themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Challenge<'a> {
    /// The host.
    pub audience: &'a str,
    /// The application that somebody logs in to.
    pub provider: &'a str,
    /// The provider's domain, as WebAuthn has it.
    pub rp_id: &'a str,
    /// Who.
    pub persona: PersonaId,
    /// What for.
    pub purpose: Purpose,
    /// Of what type.
    pub kind: Kind,
    /// For humans, and for them only.
    pub threshold: Option<Threshold>,
    /// The host's.
    pub nonce: [u8; NONCE_LEN],
    /// Seconds since 1970.
    pub expires_at: u64,
}

/// The SHA-256 of a challenge's message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digest([u8; 32]);

impl Challenge<'_> {
    /// The message M.
    ///
    /// # Errors
    /// [`Error::Length`] for a name that is empty or too long, [`Error::Threshold`] for a human without
    /// threshold, and for an agent with one.
    pub fn message(&self) -> Result<Vec<u8>, Error> {
        for (name, longest) in [
            (self.audience, MAX_AUDIENCE_LEN),
            (self.provider, MAX_PROVIDER_LEN),
            (self.rp_id, MAX_RP_ID_LEN),
        ] {
            if name.is_empty() || name.len() > longest {
                return Err(Error::Length);
            }
        }
        let (k, n) = match (self.kind, self.threshold) {
            (Kind::Human, Some(threshold)) => (threshold.k(), threshold.n()),
            (Kind::Agent, None) => (0, 0),
            _ => return Err(Error::Threshold),
        };
        let mut message = b"2FApi-K1-Challenge".to_vec();
        for part in [
            self.audience.as_bytes(),
            self.provider.as_bytes(),
            self.rp_id.as_bytes(),
            self.persona.as_bytes(),
            self.purpose.as_str().as_bytes(),
            self.kind.as_str().as_bytes(),
        ] {
            push_lp(&mut message, part);
        }
        message.extend_from_slice(&[k, n]);
        push_lp(&mut message, &self.nonce);
        message.extend_from_slice(&self.expires_at.to_be_bytes());
        if let Purpose::Replace(new) = &self.purpose {
            let mut pair = encode(&new.root).to_vec();
            pair.extend_from_slice(&encode(&new.passkey_commitment));
            pair.extend_from_slice(&[new.threshold.k(), new.threshold.n()]);
            push_lp(&mut message, &pair);
        }
        Ok(message)
    }

    /// The digest D of the message.
    ///
    /// # Errors
    /// As [`Challenge::message`].
    pub fn digest(&self) -> Result<Digest, Error> {
        Ok(Digest(Sha256::digest(self.message()?).into()))
    }
}

impl Digest {
    /// A digest that was computed elsewhere.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// What `navigator.credentials.get` is given as challenge.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The element c for the circuit: the first 248 bits.
    #[must_use]
    pub fn field(&self) -> Fe {
        reduce(&self.0[..31])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::field::small;

    fn base() -> Challenge<'static> {
        Challenge {
            audience: "https://auth.example.com",
            provider: "prov-a",
            rp_id: "example.com",
            persona: PersonaId::from_bytes([1; 16]),
            purpose: Purpose::Authenticate,
            kind: Kind::Human,
            threshold: Some(Threshold::new(3, 5).unwrap()),
            nonce: [2; 16],
            expires_at: 1_795_000_000,
        }
    }

    #[test]
    fn whatever_a_login_is_for_is_in_what_is_signed() {
        let replace = |root| {
            Purpose::Replace(Replacement {
                root: small(root),
                passkey_commitment: small(2),
                threshold: Threshold::new(1, 2).unwrap(),
            })
        };
        let of = |change: &dyn Fn(&mut Challenge<'static>)| {
            let mut challenge = base();
            change(&mut challenge);
            challenge.digest().unwrap().0
        };
        let mut digests = vec![
            of(&|_| ()),
            of(&|c| c.audience = "https://auth.example.org"),
            of(&|c| c.provider = "prov-b"),
            of(&|c| c.rp_id = "example.org"),
            of(&|c| c.persona = PersonaId::from_bytes([3; 16])),
            of(&|c| c.purpose = Purpose::Enroll),
            of(&|c| c.purpose = replace(1)),
            of(&|c| c.purpose = replace(2)),
            of(&|c| (c.kind, c.threshold) = (Kind::Agent, None)),
            of(&|c| c.threshold = Threshold::new(2, 5).ok()),
            of(&|c| c.threshold = Threshold::new(3, 6).ok()),
            of(&|c| c.nonce[15] ^= 1),
            of(&|c| c.expires_at += 1),
            // The boundary between two names moves.
            of(&|c| (c.provider, c.rp_id) = ("prov-ae", "xample.com")),
        ];
        let count = digests.len();
        digests.sort_unstable();
        digests.dedup();
        assert_eq!(digests.len(), count);
    }

    #[test]
    fn names_have_bounds_and_only_humans_a_threshold() {
        let refused = |change: &dyn Fn(&mut Challenge<'static>)| {
            let mut challenge = base();
            change(&mut challenge);
            challenge.message().unwrap_err()
        };
        let long: &'static str = "a".repeat(300).leak();
        assert_eq!(refused(&|c| c.audience = ""), Error::Length);
        assert_eq!(refused(&|c| c.audience = &long[..256]), Error::Length);
        assert_eq!(refused(&|c| c.provider = &long[..65]), Error::Length);
        assert_eq!(refused(&|c| c.rp_id = &long[..254]), Error::Length);
        assert_eq!(refused(&|c| c.threshold = None), Error::Threshold);
        assert_eq!(refused(&|c| c.kind = Kind::Agent), Error::Threshold);
    }
}
