//! What can go wrong, worded once: every host carries these codes and messages in its own manner.

use alloc::string::String;
use core::fmt;

/// The stable name of a kind of error. Hosts map it to an SQLSTATE, a Redis prefix or an HTTP
/// status; clients may branch on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorCode {
    /// A client id breaks the syntax.
    InvalidClientId,
    /// An input has the wrong size.
    InvalidLength,
    /// An input has the right size but is not canonical, or is the identity or zero.
    InvalidEncoding,
    /// The client id has a commitment already, or had one that was revoked.
    AlreadyEnrolled,
    /// There is no such client (said to trusted callers only).
    NotEnrolled,
    /// The client is suspended or revoked (said to trusted callers only).
    NotActive,
    /// A limit was reached; trying again later may help.
    Throttled,
    /// The proof is not accepted. One answer for every cause.
    Denied,
    /// The host cannot answer now.
    Unavailable,
}

impl ErrorCode {
    /// Every code, in the order of the specification.
    pub const ALL: [Self; 9] = [
        Self::InvalidClientId,
        Self::InvalidLength,
        Self::InvalidEncoding,
        Self::AlreadyEnrolled,
        Self::NotEnrolled,
        Self::NotActive,
        Self::Throttled,
        Self::Denied,
        Self::Unavailable,
    ];

    /// The name on the wire, in lower-case snake case.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidClientId => "invalid_client_id",
            Self::InvalidLength => "invalid_length",
            Self::InvalidEncoding => "invalid_encoding",
            Self::AlreadyEnrolled => "already_enrolled",
            Self::NotEnrolled => "not_enrolled",
            Self::NotActive => "not_active",
            Self::Throttled => "throttled",
            Self::Denied => "denied",
            Self::Unavailable => "unavailable",
        }
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An error of the core. Its message says what was wrong and what would be right; it never carries
/// a secret, and [`Error::Denied`] never says which cause it had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// See [`ErrorCode::InvalidClientId`].
    #[error(
        "client id must be 1 to 128 characters of A-Z a-z 0-9 . _ - @ +, beginning with a letter \
         or digit, without \"..\" and not beginning with 2fapi or twofapi: {problem}"
    )]
    InvalidClientId {
        /// Which rule it breaks.
        problem: &'static str,
    },
    /// See [`ErrorCode::InvalidLength`].
    #[error("{what} must be {expected}, got {actual}")]
    InvalidLength {
        /// The input, by the name that the specification gives it.
        what: &'static str,
        /// The size that would be right, with its unit.
        expected: &'static str,
        /// The size it had, in the same unit.
        actual: usize,
    },
    /// See [`ErrorCode::InvalidEncoding`].
    #[error("{what} must be {expected}")]
    InvalidEncoding {
        /// The input, by the name that the specification gives it.
        what: &'static str,
        /// What would be right.
        expected: &'static str,
    },
    /// See [`ErrorCode::AlreadyEnrolled`].
    #[error("client id is enrolled already, or was revoked; a revoked id is never enrolled again")]
    AlreadyEnrolled,
    /// See [`ErrorCode::NotEnrolled`].
    #[error("no client is enrolled under this id")]
    NotEnrolled,
    /// See [`ErrorCode::NotActive`].
    #[error("client is {status}, and must be {expected}")]
    NotActive {
        /// What the client is.
        status: &'static str,
        /// What it would have to be.
        expected: &'static str,
    },
    /// See [`ErrorCode::Throttled`].
    #[error("too many attempts for now; try again in {retry_after_seconds} s")]
    Throttled {
        /// When trying again makes sense.
        retry_after_seconds: u32,
    },
    /// See [`ErrorCode::Denied`].
    #[error("proof not accepted")]
    Denied,
    /// See [`ErrorCode::Unavailable`].
    #[error("{reason}")]
    Unavailable {
        /// What is missing and, where the operator can mend it, how.
        reason: String,
    },
}

impl Error {
    /// The stable code of this error.
    #[must_use]
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::InvalidClientId { .. } => ErrorCode::InvalidClientId,
            Self::InvalidLength { .. } => ErrorCode::InvalidLength,
            Self::InvalidEncoding { .. } => ErrorCode::InvalidEncoding,
            Self::AlreadyEnrolled => ErrorCode::AlreadyEnrolled,
            Self::NotEnrolled => ErrorCode::NotEnrolled,
            Self::NotActive { .. } => ErrorCode::NotActive,
            Self::Throttled { .. } => ErrorCode::Throttled,
            Self::Denied => ErrorCode::Denied,
            Self::Unavailable { .. } => ErrorCode::Unavailable,
        }
    }

    pub(crate) fn random_source() -> Self {
        Self::Unavailable {
            reason: String::from("the random source of the operating system failed"),
        }
    }
}

/// The proof was not accepted. It says no more, so that no cause can leak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("proof not accepted")]
pub struct Denied;

impl From<Denied> for Error {
    fn from(_: Denied) -> Self {
        Self::Denied
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn codes_are_distinct_and_snake_case() {
        for (i, code) in ErrorCode::ALL.iter().enumerate() {
            assert!(
                code.as_str()
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b == b'_')
            );
            assert!(
                ErrorCode::ALL[i + 1..]
                    .iter()
                    .all(|c| c.as_str() != code.as_str())
            );
        }
    }

    #[test]
    fn a_message_says_what_would_be_right() {
        let error = Error::InvalidLength {
            what: "commitment",
            expected: "32 bytes",
            actual: 31,
        };
        assert_eq!(error.to_string(), "commitment must be 32 bytes, got 31");
        assert_eq!(error.code().as_str(), "invalid_length");
    }
}
