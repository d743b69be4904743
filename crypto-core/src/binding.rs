//! Which channel bindings a host permits that its callers name.

use crate::AuthenticationBinding;

/// Whether a host with the binding `expected` takes `named` for an authentication. With an audience it must
/// be the audience's, or that and LP(exporter), of 32 bytes; without one it is the caller's own affair.
pub(crate) fn permits(expected: &AuthenticationBinding, named: &AuthenticationBinding) -> bool {
    if expected.as_bytes().is_empty() {
        return true;
    }
    match named.as_bytes().strip_prefix(expected.as_bytes()) {
        Some([]) => true,
        Some([0, 0, 0, 32, exporter @ ..]) => exporter.len() == AuthenticationBinding::EXPORTER_LEN,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Audience;

    fn named(bytes: &[u8]) -> AuthenticationBinding {
        AuthenticationBinding::from_bytes(bytes).unwrap()
    }

    #[test]
    fn without_an_audience_the_binding_is_the_callers() {
        let none = AuthenticationBinding::none();
        assert!(permits(&none, &none));
        assert!(permits(&none, &named(b"x")));
    }

    #[test]
    fn with_an_audience_nothing_else_is_permitted() {
        let audience = Audience::parse("db.example").unwrap();
        let ours = AuthenticationBinding::for_audience(&audience);
        assert!(permits(&ours, &ours));
        assert!(permits(&ours, &named(b"aud:db.example")));
        assert!(permits(
            &ours,
            &ours.clone().with_exporter(&[7; 32]).unwrap()
        ));
        for other in [
            b"".as_slice(),
            b"x",
            b"aud:db.exampl",
            b"aud:db.example2",
            b"aud:db.example.org",
            b"aud:db.example\0\0\0\x05four",
            b"aud:db.example\0\0\0\x03four",
            b"aud:db.example\0\0\0\x04four",
            b"aud:db.example\0\0\0\0",
            b"aud:other.example",
        ] {
            assert!(!permits(&ours, &named(other)), "{other:?}");
        }
    }
}
