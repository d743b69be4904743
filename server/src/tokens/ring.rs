//! The signing keys as they are used: each made ready once, since that costs as much as a signature.

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey, Header};
use serde::Serialize;
use twofapi_crypto_core::Error;
use zeroize::Zeroizing;

use super::schedule::KeySchedule;
use crate::store::{SigningKeyRecord, overwrite_stack};

/// Of an Ed25519 signature in base64.
const SIGNATURE_LEN: usize = 86;

/// A key that signs. The library keeps the secret half on the heap and zeroizes it.
pub(super) struct Key {
    kid: String,
    pair: Ed25519KeyPair,
    checking: DecodingKey,
    /// The header of its tokens, in base64.
    header: String,
}

impl Key {
    /// # Errors
    /// [`Error::Unavailable`] for what is no seed.
    pub(super) fn new(record: &SigningKeyRecord) -> Result<Self, Error> {
        let pair = Ed25519KeyPair::from_seed_unchecked(record.seed.as_bytes());
        overwrite_stack();
        let pair = pair.map_err(|_| unavailable("a signing key of the store is no key"))?;
        let header = Header {
            typ: Some("at+jwt".into()),
            kid: Some(record.kid.clone()),
            ..Header::new(Algorithm::EdDSA)
        };
        Ok(Self {
            kid: record.kid.clone(),
            checking: DecodingKey::from_ed_der(pair.public_key().as_ref()),
            header: part(&header)?,
            pair,
        })
    }

    /// What checks its signatures.
    pub(super) const fn checking(&self) -> &DecodingKey {
        &self.checking
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
        let signature = self.pair.try_sign(message.as_bytes());
        overwrite_stack();
        let signature = signature.map_err(|_| unavailable("a token could not be signed"))?;
        // Not good before it is signed, so the message alone is no secret.
        let mut jwt = Zeroizing::new(String::with_capacity(message.len() + 1 + SIGNATURE_LEN));
        jwt.push_str(&message);
        jwt.push('.');
        URL_SAFE_NO_PAD.encode_string(signature.as_ref(), &mut jwt);
        Ok(jwt)
    }

    /// Its public half as a JWK.
    pub(super) fn published(&self) -> serde_json::Value {
        serde_json::json!({
            "kty": "OKP",
            "crv": "Ed25519",
            "alg": "EdDSA",
            "use": "sig",
            "kid": self.kid,
            "x": URL_SAFE_NO_PAD.encode(self.pair.public_key()),
        })
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
    /// Those whose successor has been signing for longer than a token lives.
    pub(super) outlived: Vec<String>,
    pub(super) read_at: u64,
}

impl Ring {
    /// # Errors
    /// [`Error::Unavailable`] when a key is none.
    pub(super) fn new(
        records: &[SigningKeyRecord],
        outlived: Vec<String>,
        read_at: u64,
    ) -> Result<Self, Error> {
        Ok(Self {
            keys: records.iter().map(Key::new).collect::<Result<_, _>>()?,
            times: records.iter().map(|key| key.activates_at).collect(),
            outlived,
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
