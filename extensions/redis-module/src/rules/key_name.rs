//! The key that a client is kept under: `2fapi:{<client id>}`, so that its slot is the client id's.

use twofapi_crypto_core::{CLIENT_ID_MAX, ClientId, Error};

const PREFIX: &[u8] = b"2fapi:{";
const SUFFIX: &[u8] = b"}";

/// The key of a client, without an allocation: it is made for every command.
pub(crate) struct KeyName {
    bytes: [u8; PREFIX.len() + CLIENT_ID_MAX + SUFFIX.len()],
    len: usize,
}

impl KeyName {
    pub(crate) fn of(client_id: &ClientId) -> Self {
        let mut name = Self {
            bytes: [0; _],
            len: 0,
        };
        for part in [PREFIX, client_id.as_bytes(), SUFFIX] {
            // A client id is never longer than the place for it.
            if let Some(place) = name.bytes.get_mut(name.len..name.len + part.len()) {
                place.copy_from_slice(part);
                name.len += part.len();
            }
        }
        name
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

/// A client id as a command's argument. In a cluster the argument arrives as the key's name, put
/// there by the command filter so that Redis routes by the key that is meant; no client id can look
/// like one.
pub(crate) fn client_argument(argument: &[u8], in_cluster: bool) -> Result<ClientId, Error> {
    let inner = argument
        .strip_prefix(PREFIX)
        .and_then(|rest| rest.strip_suffix(SUFFIX))
        .filter(|_| in_cluster);
    ClientId::from_bytes(inner.unwrap_or(argument))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_in_a_cluster_may_the_argument_be_the_keys_name() {
        let id = client_argument(b"2fapi:{alice}", true).unwrap();
        assert_eq!(id.as_str(), "alice");
        assert!(client_argument(b"2fapi:{alice}", false).is_err());
        for bad in [
            &b"2fapi:{2fapi:{alice}}"[..],
            b"2fapi:{}",
            b"2fapi:{a",
            b"2fapi:a}",
        ] {
            assert!(client_argument(bad, true).is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn the_hash_tag_of_the_key_is_the_client_id(id in "[A-Za-z0-9][A-Za-z0-9_@+-]{0,127}") {
            prop_assume!(ClientId::parse(&id).is_ok());
            let id = ClientId::parse(&id).unwrap();
            let name = KeyName::of(&id);
            let expected = format!("2fapi:{{{id}}}");
            prop_assert_eq!(name.as_bytes(), expected.as_bytes());
            prop_assert_eq!(client_argument(name.as_bytes(), true).unwrap(), id);
        }
    }
}
