//! The signing keys as they are used: each made ready once, since that costs as much as a signature.

use aws_lc_rs::{
    agreement::{ECDH_P256, PrivateKey},
    error::Unspecified,
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey, Header};
use serde::Serialize;
use twofapi_crypto_core::Error;
use zeroize::Zeroizing;

use super::schedule::KeySchedule;
use crate::store::{Seed, SigningAlgorithm, SigningKeyRecord, overwrite_stack};

/// Of a signature in base64: 64 bytes, by either algorithm.
const SIGNATURE_LEN: usize = 86;

/// A key that signs. The library keeps the secret half on the heap and zeroizes it.
pub(super) struct Key {
    kid: String,
    pair: Pair,
    checking: DecodingKey,
    /// The header of its tokens, in base64.
    header: String,
}

enum Pair {
    Ed25519(Ed25519KeyPair),
    P256(EcdsaKeyPair),
}

impl Pair {
    fn new(algorithm: SigningAlgorithm, seed: &Seed) -> Result<Self, Error> {
        let pair = match algorithm {
            SigningAlgorithm::EdDsa => {
                let pair = Ed25519KeyPair::from_seed_unchecked(seed.as_bytes());
                pair.map(Self::Ed25519).ok()
            }
            SigningAlgorithm::Es256 => p256(seed.as_bytes()).map(Self::P256).ok(),
        };
        overwrite_stack();
        pair.ok_or_else(|| unavailable("a signing key of the store is no key"))
    }

    fn sign(&self, message: &[u8]) -> Result<impl AsRef<[u8]> + use<>, Error> {
        let signature = match self {
            Self::Ed25519(pair) => pair.try_sign(message),
            Self::P256(pair) => pair.sign(&SystemRandom::new(), message),
        };
        overwrite_stack();
        signature.map_err(|_| unavailable("a token could not be signed"))
    }

    /// As keys are written: 32 bytes, or the point with a 4 before it.
    fn public(&self) -> &[u8] {
        match self {
            Self::Ed25519(pair) => pair.public_key().as_ref(),
            Self::P256(pair) => pair.public_key().as_ref(),
        }
    }
}

/// The library takes a private key with its public one, and computes that where keys are agreed on.
fn p256(private: &[u8]) -> Result<EcdsaKeyPair, Unspecified> {
    let key = PrivateKey::from_private_key(&ECDH_P256, private)?;
    let public = key.compute_public_key()?;
    EcdsaKeyPair::from_private_key_and_public_key(
        &ECDSA_P256_SHA256_FIXED_SIGNING,
        private,
        public.as_ref(),
    )
    .map_err(|_| Unspecified)
}

impl Key {
    /// # Errors
    /// [`Error::Unavailable`] for what is no key.
    pub(super) fn new(record: &SigningKeyRecord) -> Result<Self, Error> {
        let pair = Pair::new(record.algorithm, &record.seed)?;
        let algorithm = named(record.algorithm);
        let header = Header {
            typ: Some("at+jwt".into()),
            kid: Some(record.kid.clone()),
            ..Header::new(algorithm)
        };
        let checking = match &pair {
            Pair::Ed25519(_) => DecodingKey::from_ed_der(pair.public()),
            Pair::P256(_) => DecodingKey::from_ec_der(pair.public()),
        };
        Ok(Self {
            kid: record.kid.clone(),
            checking,
            header: part(&header)?,
            pair,
        })
    }

    /// What checks its signatures.
    pub(super) const fn checking(&self) -> &DecodingKey {
        &self.checking
    }

    /// The algorithm that it signs by, and the only one by which its tokens are checked.
    pub(super) const fn algorithm(&self) -> Algorithm {
        match self.pair {
            Pair::Ed25519(_) => Algorithm::EdDSA,
            Pair::P256(_) => Algorithm::ES256,
        }
    }

    /// A JWT in compact form (RFC 7515, section 3.1). Put together here, because the JWT library takes
    /// its key as a document that it parses for every token.
    pub(super) fn sign(&self, claims: &impl Serialize) -> Result<Zeroizing<String>, Error> {
        self.sign_under(&self.header, claims)
    }

    pub(super) fn sign_under(
        &self,
        header: &str,
        claims: &impl Serialize,
    ) -> Result<Zeroizing<String>, Error> {
        let message = format!("{header}.{}", part(claims)?);
        let signature = self.pair.sign(message.as_bytes())?;
        // Not good before it is signed, so the message alone is no secret.
        let mut jwt = Zeroizing::new(String::with_capacity(message.len() + 1 + SIGNATURE_LEN));
        jwt.push_str(&message);
        jwt.push('.');
        URL_SAFE_NO_PAD.encode_string(signature.as_ref(), &mut jwt);
        Ok(jwt)
    }

    /// Its public half as a JWK.
    pub(super) fn published(&self) -> serde_json::Value {
        let public = self.pair.public();
        let encoded = |bytes| URL_SAFE_NO_PAD.encode(bytes);
        match &self.pair {
            Pair::Ed25519(_) => serde_json::json!({
                "kty": "OKP",
                "crv": "Ed25519",
                "alg": "EdDSA",
                "use": "sig",
                "kid": self.kid,
                "x": encoded(public),
            }),
            Pair::P256(_) => serde_json::json!({
                "kty": "EC",
                "crv": "P-256",
                "alg": "ES256",
                "use": "sig",
                "kid": self.kid,
                "x": encoded(&public[1..33]),
                "y": encoded(&public[33..]),
            }),
        }
    }
}

const fn named(algorithm: SigningAlgorithm) -> Algorithm {
    match algorithm {
        SigningAlgorithm::EdDsa => Algorithm::EdDSA,
        SigningAlgorithm::Es256 => Algorithm::ES256,
    }
}

/// A part of a JWT.
pub(super) fn part(part: &impl Serialize) -> Result<String, Error> {
    let json = serde_json::to_vec(part).map_err(|_| unavailable("a token could not be written"))?;
    Ok(URL_SAFE_NO_PAD.encode(json))
}

/// The keys that there were when the store was last read.
#[derive(Default)]
pub(super) struct Ring {
    /// By the time at which they activate.
    keys: Vec<Key>,
    /// In the same order.
    pub(super) times: Vec<u64>,
    pub(super) algorithms: Vec<SigningAlgorithm>,
    /// Those whose successor has been signing for longer than a token lives, and when that was first seen.
    pub(super) outlived: Vec<(String, u64)>,
    /// The number of the list, or a smaller one.
    pub(super) number: u64,
    pub(super) read_at: u64,
}

impl Ring {
    /// # Errors
    /// [`Error::Unavailable`] when a key is none.
    pub(super) fn new(
        records: &[SigningKeyRecord],
        outlived: Vec<(String, u64)>,
        number: u64,
        read_at: u64,
    ) -> Result<Self, Error> {
        Ok(Self {
            keys: records.iter().map(Key::new).collect::<Result<_, _>>()?,
            times: records.iter().map(|key| key.activates_at).collect(),
            algorithms: records.iter().map(|key| key.algorithm).collect(),
            outlived,
            number,
            read_at,
        })
    }

    pub(super) fn keys(&self) -> &[Key] {
        &self.keys
    }

    /// The key that signs at `now`.
    pub(super) fn signing(&self, now: u64) -> Option<&Key> {
        self.keys.get(KeySchedule::signing(&self.times, now)?)
    }

    pub(super) fn named(&self, kid: &str) -> Option<&Key> {
        self.keys.iter().find(|key| key.kid == kid)
    }
}

pub(super) fn unavailable(reason: &str) -> Error {
    Error::Unavailable {
        reason: reason.into(),
    }
}
