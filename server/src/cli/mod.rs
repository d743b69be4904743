//! The command `2fapi`: one file per subcommand, and here what they share.

use std::{fmt, process::ExitCode};

use twofapi_crypto_core as core;

/// Why a command did not end well; it decides the exit code.
#[derive(Debug)]
pub enum Failure {
    /// The answer is no: a proof was not accepted. Exit code 1.
    Denied(String),
    /// The input was wrong. The message says what would be right. Exit code 2.
    BadInput(String),
    /// Something that is needed is not there: server, file, store. Exit code 3.
    Unavailable(String),
}

impl Failure {
    /// 0 is yes, 1 denied, 2 bad input, 3 unavailable.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Denied(_) => 1,
            Self::BadInput(_) => 2,
            Self::Unavailable(_) => 3,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Denied(message) | Self::BadInput(message) | Self::Unavailable(message)) = self;
        f.write_str(message)
    }
}

impl From<core::Error> for Failure {
    fn from(error: core::Error) -> Self {
        let message = error.to_string();
        match error.code() {
            core::ErrorCode::Denied => Self::Denied(message),
            core::ErrorCode::Unavailable | core::ErrorCode::Throttled => Self::Unavailable(message),
            _ => Self::BadInput(message),
        }
    }
}

/// Runs the command line of this process.
#[must_use]
pub fn main() -> ExitCode {
    ExitCode::SUCCESS
}
