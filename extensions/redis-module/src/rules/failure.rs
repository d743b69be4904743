//! Why a command fails, and the line that its caller is told.

use std::ffi::{CStr, CString};

use twofapi_crypto_core::Error;

use super::{
    arguments::Misread,
    reply::{error_line, one_line},
};

/// Why a command fails.
#[derive(Debug)]
pub(crate) enum Failure {
    Core(Error),
    /// A line in Redis's own words.
    Line(&'static CStr),
    /// A line of this module's own.
    Said(String),
    /// A bug; the server log has it.
    Internal,
}

impl Failure {
    pub(crate) const WRONG_TYPE: Self =
        Self::Line(c"WRONGTYPE Operation against a key holding the wrong kind of value");
    pub(crate) const SYNTAX: Self = Self::Line(c"ERR syntax error");
    /// A thread gave an attempt up.
    pub(crate) const GIVEN_UP: Self = Self::Line(c"ERR the verification was given up; try again");

    /// The error line, without the leading `-`.
    pub(crate) fn line(&self) -> CString {
        match self {
            Self::Core(error) => error_line(error),
            Self::Line(line) => (*line).into(),
            Self::Said(line) => one_line(line),
            Self::Internal => c"ERR internal error; the server log has it".into(),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Core(error)
    }
}

impl From<Misread> for Failure {
    fn from(misread: Misread) -> Self {
        match misread {
            Misread::Syntax => Self::SYNTAX,
            Misread::Value(error) => Self::Core(error),
        }
    }
}
