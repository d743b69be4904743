//! Whether a token is one of an issuer's, for us, and of now.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Validation, decode, decode_header};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::Issuer;

/// The longest token in bytes.
const MAX_LEN: usize = 8192;

/// How far an issuer's clock may be ahead of ours, in seconds.
const AHEAD: u64 = 30;

/// Why a token permits nothing. For the operator's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    Form,
    Issuer,
    Algorithm,
    Key,
    Signature,
    Audience,
    Time,
    Rule,
}

pub(super) struct Checked {
    pub(super) issued_at: u64,
    pub(super) members: Map<String, Value>,
}

/// Of whom a token says that it is, before anything of it is believed.
pub(super) fn issuer(token: &str) -> Result<String, Refused> {
    #[derive(Deserialize)]
    struct Said {
        iss: String,
    }
    let form = || {
        let payload = token.split('.').nth(1).filter(|_| token.len() <= MAX_LEN)?;
        let payload = URL_SAFE_NO_PAD.decode(payload).ok()?;
        serde_json::from_slice(&payload).ok()
    };
    form().map(|said: Said| said.iss).ok_or(Refused::Form)
}

/// The claims of a token that this issuer signed for us, that is not too old and has not expired.
pub(super) async fn check(token: &str, issuer: &Issuer, now: u64) -> Result<Checked, Refused> {
    let header = decode_header(token).map_err(|_| Refused::Form)?;
    let kind = header.typ.as_deref().unwrap_or("JWT");
    let kind_is_right = ["JWT", "JOSE"]
        .iter()
        .any(|known| kind.eq_ignore_ascii_case(known));
    // We understand nothing that would have to be understood (RFC 7515, section 4.1.11).
    if header.crit.is_some() || !kind_is_right {
        return Err(Refused::Form);
    }
    if !issuer.algorithms.contains(&header.alg) {
        return Err(Refused::Algorithm);
    }
    let key = issuer.keys.find(header.kid.as_deref(), header.alg, now);
    let key = key.await.ok_or(Refused::Key)?;
    let mut validation = Validation::new(header.alg);
    // The rest is looked at below: exactly, and by the clock of the store.
    validation.validate_exp = false;
    validation.validate_aud = false;
    validation.required_spec_claims.clear();
    let members = decode::<Map<String, Value>>(token, &key, &validation);
    let members = members.map_err(|_| Refused::Signature)?.claims;

    if members.get("iss").and_then(Value::as_str) != Some(&issuer.name) {
        return Err(Refused::Issuer);
    }
    // Whoever else a token is for could show it here.
    let audience = match members.get("aud") {
        Some(Value::Array(all)) if all.len() == 1 => all.first(),
        one => one,
    };
    if audience.and_then(Value::as_str) != Some(&issuer.audience) {
        return Err(Refused::Audience);
    }
    let time = |name: &str| members.get(name).map(|at| at.as_u64().ok_or(Refused::Time));
    let expires_at = time("exp").ok_or(Refused::Time)??;
    let issued_at = time("iat").ok_or(Refused::Time)??;
    let not_before = time("nbf").transpose()?.unwrap_or(0);
    let latest = now.saturating_add(AHEAD);
    let is_young = now.saturating_sub(issued_at) <= issuer.max_age;
    if now >= expires_at || issued_at > latest || not_before > latest || !is_young {
        return Err(Refused::Time);
    }
    Ok(Checked { issued_at, members })
}
