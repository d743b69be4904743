//! What every way has around it: when a client has been authenticated, an access token as ours.

use std::{
    hint::black_box,
    time::{SystemTime, UNIX_EPOCH},
};

use aws_lc_rs::signature::Ed25519KeyPair;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use serde::Serialize;

pub(crate) const AUDIENCE: &str = "https://api.example.com";

/// A server that has authenticated somebody.
pub(crate) struct Host {
    pair: Ed25519KeyPair,
    header: String,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    sub: &'a str,
    client_id: &'a str,
    aud: &'a str,
    iat: u64,
    nbf: u64,
    exp: u64,
    jti: String,
    amr: [&'a str; 1],
}

impl Host {
    pub(crate) fn new() -> Self {
        Self {
            pair: Ed25519KeyPair::generate().expect("a key"),
            header: BASE64.encode(r#"{"typ":"at+jwt","alg":"EdDSA","kid":"0123456789abcdef"}"#),
        }
    }

    /// The client has its token.
    pub(crate) fn let_in(&self, client_id: &str) {
        let now = now();
        let claims = Claims {
            iss: AUDIENCE,
            sub: client_id,
            client_id,
            aud: AUDIENCE,
            iat: now,
            nbf: now,
            exp: now + 900,
            jti: BASE64.encode(random::<16>()),
            amr: ["pwd"],
        };
        let claims = BASE64.encode(serde_json::to_vec(&claims).expect("JSON"));
        let mut token = format!("{}.{claims}", self.header);
        let signature = self.pair.sign(token.as_bytes());
        token.push('.');
        BASE64.encode_string(signature.as_ref(), &mut token);
        black_box(token);
    }
}

pub(crate) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.expect("a clock").as_secs()
}

pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("randomness");
    bytes
}
