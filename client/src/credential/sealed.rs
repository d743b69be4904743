//! A credential under a passphrase: Argon2id (RFC 9106) gives the key, XChaCha20-Poly1305 seals.

use argon2::{Algorithm, Argon2, Block, Params, Version};
use chacha20poly1305::{
    Key, KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};
use serde::{Deserialize, Serialize};
use twofapi_crypto_core::Credential;
use zeroize::Zeroizing;

use super::{hex_bytes::Hex, passphrase::Passphrase};
use crate::{Failure, FailureKind};

/// How much memory a file may ask for, in KiB: 1 GiB.
const MAX_MEMORY_KIB: u32 = 1 << 20;
/// How much memory times passes a file may ask for, in KiB: some seconds of work.
const MAX_WORK_KIB: u64 = 1 << 22;
/// How many lanes a file may ask for.
const MAX_LANES: u32 = 16;

/// How the key is derived from the passphrase.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Kdf {
    name: KdfName,
    /// Memory m in KiB.
    memory_kib: u32,
    /// Passes t over the memory.
    passes: u32,
    /// Lanes p.
    lanes: u32,
    salt: Hex<16>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum KdfName {
    /// Version 1.3 (0x13), the one of RFC 9106.
    #[serde(rename = "argon2id")]
    Argon2id,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Cipher {
    #[serde(rename = "XChaCha20-Poly1305")]
    XChaCha20Poly1305,
}

/// What stands in the file in the place of secret and blinding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sealed {
    pub(super) kdf: Kdf,
    pub(super) cipher: Cipher,
    pub(super) nonce: Hex<24>,
    /// Secret ‖ blinding, and the tag of 16 bytes.
    pub(super) ciphertext: Hex<{ Credential::LEN + 16 }>,
}

impl Kdf {
    /// The second recommended option of RFC 9106, section 4: 64 MiB, 3 passes, 4 lanes.
    fn recommended() -> Result<Self, Failure> {
        Ok(Self {
            name: KdfName::Argon2id,
            memory_kib: 1 << 16,
            passes: 3,
            lanes: 4,
            salt: Hex(random()?),
        })
    }

    /// Refuses what a hostile file may ask for before any of it is allocated.
    pub(super) fn check(&self) -> Result<(), Failure> {
        let work = u64::from(self.memory_kib) * u64::from(self.passes);
        let fits = self.memory_kib <= MAX_MEMORY_KIB
            && work <= MAX_WORK_KIB
            && self.lanes <= MAX_LANES
            && self.params().is_ok();
        if fits {
            return Ok(());
        }
        Err(Failure::bad_input(format!(
            "the credential file asks for Argon2id with {} KiB, {} passes and {} lanes; this \
             program goes from 8 KiB a lane to {MAX_MEMORY_KIB} KiB, from 1 pass to \
             {MAX_WORK_KIB} KiB in all passes, and from 1 to {MAX_LANES} lanes",
            self.memory_kib, self.passes, self.lanes
        )))
    }

    fn params(&self) -> Result<Params, Failure> {
        Params::new(self.memory_kib, self.passes, self.lanes, Some(32))
            .map_err(|error| Failure::bad_input(format!("Argon2id: {error}")))
    }

    fn derive(&self, passphrase: &Passphrase) -> Result<Zeroizing<[u8; 32]>, Failure> {
        let KdfName::Argon2id = self.name;
        let params = self.params()?;
        // An allocation that fails is an error here, not an abort.
        let mut memory: Zeroizing<Vec<Block>> = Zeroizing::default();
        let blocks = params.block_count();
        memory.try_reserve_exact(blocks).map_err(|_| {
            Failure::unavailable(format!(
                "Argon2id needs {} KiB of memory, and there is not so much",
                self.memory_kib
            ))
        })?;
        memory.resize(blocks, Block::default());
        let mut key = Zeroizing::new([0; 32]);
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into_with_memory(
                passphrase.as_bytes(),
                &self.salt.0,
                key.as_mut(),
                memory.as_mut_slice(),
            )
            .map_err(|error| Failure::unavailable(format!("Argon2id: {error}")))?;
        Ok(key)
    }
}

impl Sealed {
    /// Seals a credential with a fresh salt and nonce; `public` is authenticated with it.
    pub(super) fn seal(
        credential: &Credential,
        passphrase: &Passphrase,
        public: &[u8],
    ) -> Result<Self, Failure> {
        let kdf = Kdf::recommended()?;
        let nonce = random::<24>()?;
        let mut plain = Zeroizing::new([0; Credential::LEN]);
        let (secret, blinding) = plain.split_at_mut(Credential::LEN / 2);
        secret.copy_from_slice(credential.secret_bytes().as_ref());
        blinding.copy_from_slice(credential.blinding_bytes().as_ref());
        let payload = Payload {
            msg: plain.as_ref(),
            aad: public,
        };
        let ciphertext = cipher(&kdf, passphrase)?
            .encrypt(&XNonce::from(nonce), payload)
            .ok()
            .and_then(|ciphertext| ciphertext.try_into().ok())
            .ok_or_else(|| Failure::unavailable("cannot encrypt the credential"))?;
        Ok(Self {
            kdf,
            cipher: Cipher::XChaCha20Poly1305,
            nonce: Hex(nonce),
            ciphertext: Hex(ciphertext),
        })
    }

    /// # Errors
    /// Denied (code `wrong_passphrase`) when the tag does not fit.
    pub(super) fn open(
        &self,
        passphrase: &Passphrase,
        public: &[u8],
    ) -> Result<Credential, Failure> {
        let Cipher::XChaCha20Poly1305 = self.cipher;
        let payload = Payload {
            msg: &self.ciphertext.0,
            aad: public,
        };
        let plain = cipher(&self.kdf, passphrase)?
            .decrypt(&XNonce::from(self.nonce.0), payload)
            .map(Zeroizing::new)
            .map_err(|_| {
                Failure::new(
                    FailureKind::Denied,
                    "wrong_passphrase",
                    "the passphrase is wrong, or the credential file was changed",
                )
            })?;
        let (secret, blinding) = plain.split_at(plain.len() / 2);
        Ok(Credential::from_bytes(secret, blinding)?)
    }
}

fn cipher(kdf: &Kdf, passphrase: &Passphrase) -> Result<XChaCha20Poly1305, Failure> {
    let key = kdf.derive(passphrase)?;
    let key: &Key = (&*key).into();
    Ok(XChaCha20Poly1305::new(key))
}

fn random<const N: usize>() -> Result<[u8; N], Failure> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)
        .map_err(|_| Failure::unavailable("the random source of the operating system failed"))?;
    Ok(bytes)
}
