//! How long challenges live.

use crate::Error;

/// How long a challenge lives, in whole seconds: 1 to 900, 120 by default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChallengeTtl(u32);

impl ChallengeTtl {
    /// The longest life of a challenge in seconds.
    pub const MAX_SECONDS: u32 = 900;
    pub(crate) const LONGEST: Self = Self(Self::MAX_SECONDS);

    /// Checks the range.
    ///
    /// # Errors
    /// [`Error::InvalidEncoding`] outside 1 to 900 seconds.
    pub const fn from_seconds(seconds: u32) -> Result<Self, Error> {
        if seconds == 0 || seconds > Self::MAX_SECONDS {
            return Err(Error::InvalidEncoding {
                what: "challenge TTL",
                expected: "1 to 900 seconds",
            });
        }
        Ok(Self(seconds))
    }

    /// The life in seconds.
    #[must_use]
    pub const fn seconds(self) -> u32 {
        self.0
    }
}

impl Default for ChallengeTtl {
    fn default() -> Self {
        Self(120)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ttl_is_1_to_900_seconds() {
        assert!(ChallengeTtl::from_seconds(0).is_err());
        assert!(ChallengeTtl::from_seconds(901).is_err());
        assert_eq!(ChallengeTtl::from_seconds(900).unwrap().seconds(), 900);
    }
}
