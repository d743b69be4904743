//! `private_key_jwt` (RFC 7523): the client signs an assertion, which is good once.

use std::collections::{HashMap, HashSet};

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ED25519, EcdsaKeyPair,
        Ed25519KeyPair, KeyPair, ParsedPublicKey,
    },
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use serde::{Deserialize, Serialize};

use super::{CLIENTS, client};
use crate::host::{AUDIENCE, Host, now, random};

/// More than are shown at all.
const ASSERTIONS: usize = 30_000;

/// By what assertions are signed.
#[derive(Clone, Copy)]
pub(crate) enum Signed {
    Ed25519,
    Es256,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
}

#[derive(Deserialize, Serialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: String,
    jti: String,
    iat: u64,
    exp: u64,
}

enum Pair {
    Ed25519(Ed25519KeyPair),
    Es256(EcdsaKeyPair),
}

impl Pair {
    fn new(signed: Signed) -> Self {
        match signed {
            Signed::Ed25519 => Self::Ed25519(Ed25519KeyPair::generate().expect("a key")),
            Signed::Es256 => {
                let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING);
                Self::Es256(pair.expect("a key"))
            }
        }
    }

    /// Made ready once.
    fn public(&self) -> ParsedPublicKey {
        let key = match self {
            Self::Ed25519(pair) => ParsedPublicKey::new(&ED25519, pair.public_key().as_ref()),
            Self::Es256(pair) => {
                ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, pair.public_key().as_ref())
            }
        };
        key.expect("a public key")
    }

    fn assertion(&self, id: &str) -> String {
        let alg = match self {
            Self::Ed25519(_) => "EdDSA",
            Self::Es256(_) => "ES256",
        };
        let header = BASE64.encode(format!("{{\"typ\":\"JWT\",\"alg\":\"{alg}\"}}"));
        let claims = Claims {
            iss: id.into(),
            sub: id.into(),
            aud: AUDIENCE.into(),
            jti: BASE64.encode(random::<16>()),
            iat: now(),
            exp: now() + 3600,
        };
        let claims = BASE64.encode(serde_json::to_vec(&claims).expect("JSON"));
        let message = format!("{header}.{claims}");
        let signature = match self {
            Self::Ed25519(pair) => pair.sign(message.as_bytes()).as_ref().to_vec(),
            Self::Es256(pair) => {
                let signature = pair.sign(&SystemRandom::new(), message.as_bytes());
                signature.expect("a signature").as_ref().to_vec()
            }
        };
        format!("{message}.{}", BASE64.encode(signature))
    }
}

pub(crate) fn private_key_jwt(signed: Signed) -> impl FnMut(&Host) {
    let pairs: Vec<_> = (0..CLIENTS).map(|_| Pair::new(signed)).collect();
    let clients: HashMap<_, _> = pairs
        .iter()
        .enumerate()
        .map(|(number, pair)| (client(number), pair.public()))
        .collect();
    let mut assertions: Vec<_> = (0..ASSERTIONS)
        .map(|number| pairs[number % CLIENTS].assertion(&client(number % CLIENTS)))
        .collect();
    let mut seen = HashSet::new();
    move |host| {
        let assertion = assertions.pop().expect("enough were signed");
        let (message, signature) = assertion.rsplit_once('.').expect("three parts");
        let (header, claims) = message.split_once('.').expect("three parts");
        let decoded = |part: &str| BASE64.decode(part).expect("base64");
        let header: Header = serde_json::from_slice(&decoded(header)).expect("a header");
        assert!(matches!(header.alg.as_str(), "EdDSA" | "ES256"));
        let claims: Claims = serde_json::from_slice(&decoded(claims)).expect("claims");
        let key = &clients[&claims.sub];
        key.verify_sig(message.as_bytes(), &decoded(signature))
            .expect("a signature");
        let now = now();
        assert!(claims.iss == claims.sub && claims.aud == AUDIENCE);
        assert!(claims.iat <= now && now < claims.exp);
        assert!(seen.insert(claims.jti), "it is good once");
        host.let_in(&claims.sub);
    }
}
