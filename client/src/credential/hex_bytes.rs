//! Bytes of a fixed number that stand in JSON as hex: public ones, and secret ones that are gone
//! when dropped.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use zeroize::Zeroizing;

/// Public bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hex<const N: usize>(pub(super) [u8; N]);

/// Secret bytes: silent in Debug and in errors.
pub(super) struct SecretHex(pub(super) Zeroizing<[u8; 32]>);

impl<const N: usize> Serialize for Hex<N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::encode(self.0))
    }
}

impl Serialize for SecretHex {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut digits = Zeroizing::new([0; 64]);
        hex::encode_to_slice(self.0.as_ref(), digits.as_mut())
            .map_err(serde::ser::Error::custom)?;
        let text = std::str::from_utf8(digits.as_ref()).map_err(serde::ser::Error::custom)?;
        serializer.serialize_str(text)
    }
}

impl<'de, const N: usize> Deserialize<'de> for Hex<N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut bytes = [0; N];
        deserializer.deserialize_str(Digits(&mut bytes))?;
        Ok(Self(bytes))
    }
}

impl<'de> Deserialize<'de> for SecretHex {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut bytes = Zeroizing::new([0; 32]);
        deserializer.deserialize_str(Digits(bytes.as_mut()))?;
        Ok(Self(bytes))
    }
}

impl fmt::Debug for SecretHex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretHex(secret)")
    }
}

/// Decodes straight into the place where the bytes are to be.
struct Digits<'a>(&'a mut [u8]);

impl de::Visitor<'_> for Digits<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} hex digits", 2 * self.0.len())
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<(), E> {
        let digits = 2 * self.0.len();
        // The text may be a secret, so the error does not quote it.
        hex::decode_to_slice(text, self.0)
            .map_err(|_| E::custom(format_args!("expected {digits} hex digits")))
    }
}
