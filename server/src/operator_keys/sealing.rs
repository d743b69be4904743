//! Sealing: what a shared store keeps of a secret is of no use without the operator's keys.
//!
//! A sealed value is 1 ‖ number of the key ‖ 24 random bytes ‖ XChaCha20-Poly1305 of the secret
//! (draft-irtf-cfrg-xchacha-03), and bound to what it is for: LP(kind) ‖ LP(store id) ‖ LP(name) ‖ a number of 8
//! bytes, big-endian. So none can be put in the place of another.

use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};
use twofapi_crypto_core::Error;
use zeroize::Zeroizing;

use super::{OperatorKeys, SEALING};

const LAYOUT: u8 = 1;
const NONCE_LEN: usize = 24;
const HEAD_LEN: usize = 2 + NONCE_LEN;

/// What a sealed value is for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sealed<'a> {
    pub(crate) kind: &'static str,
    pub(crate) store: &'a [u8],
    pub(crate) name: &'a str,
    /// Since when it counts, or 0.
    pub(crate) number: u64,
}

impl Sealed<'_> {
    fn associated(&self) -> Vec<u8> {
        let mut data = Vec::new();
        for part in [self.kind.as_bytes(), self.store, self.name.as_bytes()] {
            data.extend((part.len() as u32).to_be_bytes());
            data.extend(part);
        }
        data.extend(self.number.to_be_bytes());
        data
    }
}

/// What came of unsealing.
pub(crate) struct Unsealed {
    pub(crate) secret: Zeroizing<Vec<u8>>,
    /// Sealed under a key that is not the current one.
    pub(crate) outdated: bool,
}

impl OperatorKeys {
    /// Seals under the current key.
    pub(crate) fn seal(&self, of: &Sealed<'_>, secret: &[u8]) -> Result<Vec<u8>, Error> {
        let failed = |reason: &str| Error::Unavailable {
            reason: reason.into(),
        };
        let key = self.current();
        let mut nonce = [0; NONCE_LEN];
        getrandom::fill(&mut nonce)
            .map_err(|_| failed("the random source of the operating system failed"))?;
        let associated = of.associated();
        let payload = Payload {
            msg: secret,
            aad: &associated,
        };
        let sealed = XChaCha20Poly1305::new(&(*key.expanded(SEALING)).into())
            .encrypt(&XNonce::from(nonce), payload)
            .map_err(|_| failed("a secret could not be sealed"))?;
        let mut out = Vec::with_capacity(HEAD_LEN + sealed.len());
        out.extend([LAYOUT, key.number]);
        out.extend(nonce);
        out.extend(sealed);
        Ok(out)
    }

    /// Unseals what [`OperatorKeys::seal`] gave for the same use.
    ///
    /// # Errors
    /// [`Error::Unavailable`], saying which key is missing, or that this was not sealed under it for that.
    pub(crate) fn unseal(&self, of: &Sealed<'_>, sealed: &[u8]) -> Result<Unsealed, Error> {
        let failed = |reason: String| Error::Unavailable { reason };
        let unreadable = || failed(format!("the store's {} cannot be read", of.kind));
        let [LAYOUT, number, rest @ ..] = sealed else {
            return Err(unreadable());
        };
        let (nonce, sealed) = rest.split_at_checked(NONCE_LEN).ok_or_else(unreadable)?;
        let nonce: [u8; NONCE_LEN] = nonce.try_into().map_err(|_| unreadable())?;
        let key = self.of_number(*number).ok_or_else(|| {
            failed(format!(
                "the store's {} is sealed under key {number}, and the key file has none of that number",
                of.kind
            ))
        })?;
        let associated = of.associated();
        let payload = Payload {
            msg: sealed,
            aad: &associated,
        };
        let secret = XChaCha20Poly1305::new(&(*key.expanded(SEALING)).into())
            .decrypt(&XNonce::from(nonce), payload)
            .map_err(|_| {
                failed(format!(
                    "the store's {} is not sealed under the key file's key {number}: it is of \
                     another key file, or was changed",
                    of.kind
                ))
            })?;
        Ok(Unsealed {
            secret: Zeroizing::new(secret),
            outdated: *number != self.current().number,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OF: Sealed<'_> = Sealed {
        kind: "signing key",
        store: &[7; 16],
        name: "kid",
        number: 1_795_000_000,
    };

    fn keys(lines: &[(u8, &str)]) -> OperatorKeys {
        let line = |(number, two): &(u8, &str)| format!("{number}: {}\n", two.repeat(32));
        OperatorKeys::parse(&lines.iter().map(line).collect::<String>()).unwrap()
    }

    #[test]
    fn what_is_sealed_is_unsealed_under_the_same_key_and_for_the_same_use_alone() {
        let old = keys(&[(1, "ab")]);
        let sealed = old.seal(&OF, b"secret").unwrap();
        assert_eq!(*old.unseal(&OF, &sealed).unwrap().secret, b"secret");
        assert_ne!(sealed, old.seal(&OF, b"secret").unwrap(), "a nonce twice");
        assert!(!sealed.windows(6).any(|bytes| bytes == b"secret"));
        let other_store = [8; 16];
        for of in [
            Sealed {
                kind: "check",
                ..OF
            },
            Sealed {
                store: &other_store,
                ..OF
            },
            Sealed { name: "kie", ..OF },
            Sealed { number: 1, ..OF },
            // The same bytes, with the boundary elsewhere.
            Sealed {
                kind: "signing keyk",
                name: "id",
                ..OF
            },
        ] {
            assert!(old.unseal(&of, &sealed).is_err(), "{of:?}");
        }
        for changed in 0..sealed.len() {
            let mut sealed = sealed.clone();
            sealed[changed] ^= 1;
            assert!(old.unseal(&OF, &sealed).is_err(), "byte {changed}");
        }
        for short in 0..sealed.len() {
            assert!(old.unseal(&OF, &sealed[..short]).is_err(), "{short} bytes");
        }
    }

    #[test]
    fn after_a_new_key_the_old_one_still_unseals_and_is_called_outdated() {
        let (old, both) = (keys(&[(1, "ab")]), keys(&[(2, "cd"), (1, "ab")]));
        let sealed = old.seal(&OF, b"secret").unwrap();
        assert!(!old.unseal(&OF, &sealed).unwrap().outdated);
        assert!(both.unseal(&OF, &sealed).unwrap().outdated);
        let again = both.seal(&OF, b"secret").unwrap();
        assert!(!both.unseal(&OF, &again).unwrap().outdated);
        let reason = |keys: &OperatorKeys, sealed: &[u8]| {
            keys.unseal(&OF, sealed).err().unwrap().to_string()
        };
        assert!(reason(&old, &again).contains("sealed under key 2"));
        // The same number, another key.
        assert!(reason(&keys(&[(1, "ef")]), &sealed).contains("another key file"));
    }
}
