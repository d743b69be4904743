//! Why a command did not end well, and which exit code says so.

use std::{borrow::Cow, fmt};

use twofapi_crypto_core::{Denied, Error, ErrorCode};

/// The kinds of failure, each with its exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FailureKind {
    /// The answer is no: a proof, a token or a passphrase was not accepted. Exit code 1.
    Denied,
    /// The input was wrong; the message says what would be right. Exit code 2.
    BadInput,
    /// Something that is needed is not there: server, file system, store. Exit code 3.
    Unavailable,
}

/// Why a command did not end well. The code is stable, for scripts; the message is for people and
/// never carries a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    kind: FailureKind,
    code: Cow<'static, str>,
    message: String,
}

impl Failure {
    /// A no; code `denied`.
    pub(crate) fn denied(message: impl Into<String>) -> Self {
        Self::new(FailureKind::Denied, "denied", message)
    }

    /// Wrong input; code `bad_input`.
    pub(crate) fn bad_input(message: impl Into<String>) -> Self {
        Self::new(FailureKind::BadInput, "bad_input", message)
    }

    /// Something needed is missing; code `unavailable`.
    pub(crate) fn unavailable(message: impl Into<String>) -> Self {
        Self::new(FailureKind::Unavailable, "unavailable", message)
    }

    /// A failure with a code of its own.
    pub(crate) fn new(
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
    pub(crate) fn with_hint(mut self, hint: &str) -> Self {
        self.message.push_str("; ");
        self.message.push_str(hint);
        self
    }

    pub(crate) const fn kind(&self) -> FailureKind {
        self.kind
    }

    pub(crate) fn code(&self) -> &str {
        &self.code
    }

    /// 1 denied, 2 bad input, 3 unavailable.
    pub(crate) const fn exit_code(&self) -> u8 {
        match self.kind {
            FailureKind::Denied => 1,
            FailureKind::BadInput => 2,
            FailureKind::Unavailable => 3,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

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
