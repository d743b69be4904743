//! Variables of the environment, read in one way everywhere: one that is empty is not set, as compose
//! files and units write what they leave out.

use std::{
    env,
    ffi::{OsStr, OsString},
};

use crate::Failure;

/// The value of a variable that is set and not empty.
#[must_use]
pub fn value(name: impl AsRef<OsStr>) -> Option<OsString> {
    env::var_os(name).filter(|value| !value.is_empty())
}

/// The same as text.
///
/// # Errors
/// Bad input when it is not UTF-8.
pub fn text(name: &str) -> Result<Option<String>, Failure> {
    value(name)
        .map(OsString::into_string)
        .transpose()
        .map_err(|_| Failure::bad_input(format!("{name} is not a text in UTF-8")))
}
