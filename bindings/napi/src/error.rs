//! Errors on their way to JavaScript: the `code` property is the core's code.

use napi::Error;
use twofapi_crypto_core::ceremony::Refused;

/// An error whose status, and so its `code` in JavaScript, is one of the core's.
pub(crate) type Fault = Error<&'static str>;

pub(crate) fn fault(error: twofapi_crypto_core::Error) -> Fault {
    Error::new(error.code().as_str(), error.to_string())
}

pub(crate) fn refused(refused: Refused) -> Fault {
    fault(refused.into())
}

pub(crate) fn used() -> Fault {
    Error::new(
        "used",
        "this object of an attempt was used already: each is used once".to_owned(),
    )
}

pub(crate) fn invalid_length(message: &str) -> Fault {
    Error::new("invalid_length", message.to_owned())
}

pub(crate) fn invalid_encoding(message: &str) -> Fault {
    Error::new("invalid_encoding", message.to_owned())
}

/// What Node itself refused, such as memory for an answer.
pub(crate) fn unavailable(error: Error) -> Fault {
    Error::new("unavailable", error.reason.clone())
}
