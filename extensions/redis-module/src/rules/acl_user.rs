//! The name of the ACL user that a client's connections become.

use std::fmt;

use twofapi_crypto_core::Error;

/// A name that Redis accepts for a user (no blanks, no control characters), at most 128 bytes, and
/// not `default`: a client that becomes the default user has become nobody in particular.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct AclUser(Box<[u8]>);

impl AclUser {
    pub(crate) const MAX: usize = 128;

    pub(crate) fn parse(name: &[u8]) -> Result<Self, Error> {
        if name.is_empty() || name.len() > Self::MAX {
            return Err(Error::InvalidLength {
                what: "ACL user",
                expected: "1 to 128 bytes",
                actual: name.len(),
            });
        }
        if name
            .iter()
            .any(|b| b.is_ascii_whitespace() || b.is_ascii_control())
        {
            return Err(Error::InvalidEncoding {
                what: "ACL user",
                expected: "a user name without blanks and control characters",
            });
        }
        if name == b"default" {
            return Err(Error::InvalidEncoding {
                what: "ACL user",
                expected: "another user than default, which every new connection is already",
            });
        }
        Ok(Self(name.into()))
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for AclUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", String::from_utf8_lossy(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_redis_refuses_are_refused_at_enrolment() {
        assert!(AclUser::parse(b"alice").is_ok());
        assert!(AclUser::parse(&[b'a'; 128]).is_ok());
        for bad in [
            &b""[..],
            b"a b",
            b"a\0b",
            b"a\nb",
            b"\x7f",
            b"default",
            &[b'a'; 129],
        ] {
            assert!(AclUser::parse(bad).is_err(), "{bad:?}");
        }
    }
}
