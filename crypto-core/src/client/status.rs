//! The life of a client: `active` ⇄ `suspended`, either → `revoked`, which is final.

use core::{fmt, str::FromStr};

use crate::Error;

/// Where a client is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ClientStatus {
    /// May authenticate.
    Active,
    /// May not authenticate until resumed.
    Suspended,
    /// May never authenticate or be enrolled again.
    Revoked,
}

/// Whether an operation changed the status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transition {
    /// It did.
    Changed,
    /// The client was in that status already.
    Unchanged,
}

impl ClientStatus {
    /// The name that hosts show and store.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Suspended => "suspended",
            Self::Revoked => "revoked",
        }
    }

    /// The number under which records in bytes keep it.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Active => 0,
            Self::Suspended => 1,
            Self::Revoked => 2,
        }
    }

    /// The status of this number.
    #[must_use]
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::Active),
            1 => Some(Self::Suspended),
            2 => Some(Self::Revoked),
            _ => None,
        }
    }
}

impl fmt::Display for ClientStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for ClientStatus {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self, Error> {
        match text {
            "active" => Ok(Self::Active),
            "suspended" => Ok(Self::Suspended),
            "revoked" => Ok(Self::Revoked),
            _ => Err(Error::InvalidEncoding {
                what: "client status",
                expected: "active, suspended or revoked",
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_names_survive_a_round_trip() {
        for status in [
            ClientStatus::Active,
            ClientStatus::Suspended,
            ClientStatus::Revoked,
        ] {
            assert_eq!(status.as_str().parse(), Ok(status));
            assert_eq!(ClientStatus::from_number(status.number()), Some(status));
        }
        assert_eq!(ClientStatus::from_number(3), None);
        assert!("Active".parse::<ClientStatus>().is_err());
    }
}
