//! Why something did not end well.

use std::{borrow::Cow, fmt};

use twofapi_crypto_core::{Denied, Error, ErrorCode};

/// The kinds of failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// The answer is no: a proof, a token or a passphrase was not accepted.
    Denied,
    /// The input was wrong; the message says what would be right.
    BadInput,
    /// Something that is needed is not there: server, file system, store.
    Unavailable,
}

/// Why something did not end well. The code is stable, for scripts; the message is for people and
/// never carries a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    kind: FailureKind,
    code: Cow<'static, str>,
    message: String,
}

impl Failure {
    /// A no; code `denied`.
    pub fn denied(message: impl Into<String>) -> Self {
        Self::new(FailureKind::Denied, "denied", message)
    }

    /// Wrong input; code `bad_input`.
    pub fn bad_input(message: impl Into<String>) -> Self {
        Self::new(FailureKind::BadInput, "bad_input", message)
    }

    /// Something needed is missing; code `unavailable`.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(FailureKind::Unavailable, "unavailable", message)
    }

    /// A failure with a code of its own.
    pub fn new(
        kind: FailureKind,
        code: impl Into<Cow<'static, str>>,
        message: impl Into<String>,
    ) -> Self {
        Self {
            kind,
            code: code.into(),
            message: message.into(),
        }
    }

    /// The same failure, with what the user could do about it.
    #[must_use]
    pub fn with_hint(mut self, hint: &str) -> Self {
        self.message.push_str("; ");
        self.message.push_str(hint);
        self
    }

    /// Of which kind it is.
    #[must_use]
    pub const fn kind(&self) -> FailureKind {
        self.kind
    }

    /// Its stable code.
    #[must_use]
    pub fn code(&self) -> &str {
        &self.code
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let kind = match error.code() {
            ErrorCode::Denied => FailureKind::Denied,
            ErrorCode::Unavailable | ErrorCode::Throttled => FailureKind::Unavailable,
            _ => FailureKind::BadInput,
        };
        Self::new(kind, error.code().as_str(), error.to_string())
    }
}

impl From<Denied> for Failure {
    fn from(denied: Denied) -> Self {
        Error::from(denied).into()
    }
}
