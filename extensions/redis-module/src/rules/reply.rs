//! How answers look to a Redis client: what a command does, or of the core's errors a prefix to branch on and then
//! the message.

use std::ffi::CString;

use twofapi_crypto_core::{Error, ErrorCode};

/// What a command says that lets a proof decide, once it is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Ok,
    Number(u64),
}

/// The first word of an error reply.
pub(crate) const fn prefix(code: ErrorCode) -> &'static str {
    match code {
        ErrorCode::AlreadyEnrolled => "EXISTS",
        ErrorCode::NotEnrolled => "NOCLIENT",
        ErrorCode::NotActive => "INACTIVE",
        ErrorCode::Throttled => "LIMIT",
        ErrorCode::Denied => "DENIED",
        _ => "ERR",
    }
}

/// The whole error line, without the leading `-`.
pub(crate) fn error_line(error: &Error) -> CString {
    one_line(&format!("{} {error}", prefix(error.code())))
}

/// A line that holds nothing which would end it.
pub(crate) fn one_line(text: &str) -> CString {
    let bytes: Vec<u8> = text
        .bytes()
        .map(|b| if b.is_ascii_control() { b' ' } else { b })
        .collect();
    CString::new(bytes).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_are_those_of_the_specification() {
        let expected = [
            "ERR", "ERR", "ERR", "EXISTS", "NOCLIENT", "INACTIVE", "LIMIT", "DENIED", "ERR",
        ];
        assert_eq!(ErrorCode::ALL.map(prefix), expected);
    }

    #[test]
    fn a_line_cannot_be_ended_early() {
        let error = Error::Unavailable {
            reason: "a\r\n+OK\0".into(),
        };
        assert_eq!(error_line(&error).as_bytes(), b"ERR a  +OK ");
    }
}
