//! The design that is nearest to ours: a token signed with Ed25519 is checked
//! once per session, and policies ask whose it was. No revocation, no single use, no audience.

use std::{
    cell::RefCell,
    time::{SystemTime, UNIX_EPOCH},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ed25519_dalek::{Signature, VerifyingKey};
use pgrx::pg_extern;
use serde::Deserialize;

#[derive(Deserialize)]
struct Header {
    alg: String,
}

#[derive(Deserialize)]
struct Claims {
    sub: String,
    exp: u64,
}

thread_local! {
    static CLAIMS: RefCell<Option<Claims>> = const { RefCell::new(None) };
}

/// Opens the session of a token that the key signed; false if it did not or the token has expired.
#[pg_extern]
fn jwt_session_open(token: &str, key: &[u8]) -> bool {
    let claims = accepted(token, key);
    let open = claims.is_some();
    CLAIMS.set(claims);
    open
}

/// Whose token it was.
#[pg_extern]
fn jwt_sub() -> Option<String> {
    let now = unix_seconds();
    CLAIMS.with_borrow(|claims| {
        let claims = claims.as_ref().filter(|claims| now < claims.exp)?;
        Some(claims.sub.clone())
    })
}

fn accepted(token: &str, key: &[u8]) -> Option<Claims> {
    let (signed, signature) = token.rsplit_once('.')?;
    let (header, claims) = signed.split_once('.')?;
    let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).ok();
    let header: Header = serde_json::from_slice(&decode(header)?).ok()?;
    if header.alg != "EdDSA" {
        return None;
    }
    let signature = Signature::from_slice(&decode(signature)?).ok()?;
    VerifyingKey::from_bytes(key.try_into().ok()?)
        .ok()?
        .verify_strict(signed.as_bytes(), &signature)
        .ok()?;
    let claims: Claims = serde_json::from_slice(&decode(claims)?).ok()?;
    (unix_seconds() < claims.exp).then_some(claims)
}

fn unix_seconds() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}
