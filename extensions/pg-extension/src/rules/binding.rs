//! What a proof must be bound to: the host's audience, and what a client may add to it.

use twofapi_crypto_core::{Audience, AuthenticationBinding, Denied, Error};

/// The binding that this host tells its clients of: empty without an audience.
pub(crate) fn expected(audience: &str) -> Result<AuthenticationBinding, Error> {
    if audience.is_empty() {
        return Ok(AuthenticationBinding::none());
    }
    Ok(AuthenticationBinding::for_audience(&Audience::parse(
        audience,
    )?))
}

/// The binding of an attempt: the expected one unless the caller names another. With an audience,
/// another one must be the audience's, or that followed by LP(exporter); without, it is the
/// caller's own affair.
pub(crate) fn of_attempt(
    expected: AuthenticationBinding,
    named: Option<AuthenticationBinding>,
) -> Result<AuthenticationBinding, Denied> {
    let Some(named) = named else {
        return Ok(expected);
    };
    if expected.as_bytes().is_empty() {
        return Ok(named);
    }
    match named.as_bytes().strip_prefix(expected.as_bytes()) {
        Some([]) => Ok(named),
        Some([a, b, c, d, exporter @ ..])
            if u32::from_be_bytes([*a, *b, *c, *d]) as usize == exporter.len() =>
        {
            Ok(named)
        }
        _ => Err(Denied),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(bytes: &[u8]) -> Option<AuthenticationBinding> {
        Some(AuthenticationBinding::from_bytes(bytes).unwrap())
    }

    #[test]
    fn without_an_audience_the_binding_is_empty_or_the_callers() {
        let none = expected("").unwrap();
        assert_eq!(of_attempt(none.clone(), None), Ok(none.clone()));
        assert_eq!(
            of_attempt(none, named(b"x")).unwrap().as_bytes(),
            b"x".as_slice()
        );
    }

    #[test]
    fn with_an_audience_nothing_else_is_accepted() {
        let ours = expected("db.example").unwrap();
        assert_eq!(of_attempt(ours.clone(), None), Ok(ours.clone()));
        assert!(of_attempt(ours.clone(), named(b"aud:db.example")).is_ok());
        let exporter = ours.clone().with_exporter(&[7; 32]).unwrap();
        assert!(of_attempt(ours.clone(), Some(exporter)).is_ok());
        for other in [
            b"".as_slice(),
            b"x",
            b"aud:db.exampl",
            b"aud:db.example2",
            b"aud:db.example.org",
            b"aud:db.example\0\0\0\x05four",
            b"aud:db.example\0\0\0\x03four",
            b"aud:other.example",
        ] {
            assert_eq!(
                of_attempt(ours.clone(), named(other)),
                Err(Denied),
                "{other:?}"
            );
        }
    }

    #[test]
    fn an_audience_that_is_none_is_an_error() {
        assert!(expected("two words").is_err());
        assert!(expected(&"x".repeat(513)).is_err());
    }
}
