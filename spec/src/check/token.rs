//! Access tokens, as a service that has only the JWK set checks them (protocol.md, section 14).

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ed25519_dalek::{Signature, SigningKey, VerifyingKey};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};
use twofapi_crypto_core::{ClientId, CredentialId};

use super::{Report, array, names_are_unique};
use crate::cases::{FileError, TokenCase, TokenFile};

pub(super) fn run(file: &TokenFile, report: &mut Report) -> Result<(), FileError> {
    let names = file.accepted.iter().chain(&file.rejected);
    names_are_unique(names.map(|case| &case.name))?;
    let mut keys = Vec::new();
    for key in &file.keys {
        match public_key(&key.seed, &key.x) {
            Ok(public) => keys.push((key.kid.as_str(), public)),
            Err(what) => report.disagree(&key.kid, what),
        }
    }
    let service = Service {
        issuer: &file.issuer,
        audience: &file.audience,
        keys,
    };
    for case in &file.accepted {
        let outcome = service.accepts(case);
        report.must_be_accepted(&case.name, outcome);
    }
    for case in &file.rejected {
        match (service.check(&case.token, case.now), &case.reason) {
            (Err(found), Some(expected)) if found == expected => report.rejected += 1,
            (Err(found), expected) => {
                report.disagree(
                    &case.name,
                    format!("refused for {found:?}, not {expected:?}"),
                );
            }
            (Ok(_), _) => report.disagree(&case.name, "must be refused, but was accepted".into()),
        }
    }
    Ok(())
}

fn public_key(seed: &str, x: &str) -> Result<VerifyingKey, String> {
    let public = SigningKey::from_bytes(&array("seed", seed)?).verifying_key();
    let ours = URL_SAFE_NO_PAD.encode(public.as_bytes());
    if ours == x {
        Ok(public)
    } else {
        Err(format!("its public key is {ours}"))
    }
}

struct Service<'f> {
    issuer: &'f str,
    audience: &'f str,
    keys: Vec<(&'f str, VerifyingKey)>,
}

/// What a service reads; further claims are passed over.
#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    client_id: String,
    aud: String,
    iat: u64,
    nbf: u64,
    exp: u64,
    jti: String,
    amr: Vec<String>,
    ver: u32,
    /// Tokens of before have neither.
    #[serde(default, deserialize_with = "there")]
    cred: Option<String>,
    #[serde(default, deserialize_with = "there", rename = "gen")]
    generation: Option<u32>,
}

/// A claim that is there is no null.
fn there<'d, T: Deserialize<'d>, D: Deserializer<'d>>(value: D) -> Result<Option<T>, D::Error> {
    T::deserialize(value).map(Some)
}

impl Service<'_> {
    fn accepts(&self, case: &TokenCase) -> Result<(), String> {
        let claims = self
            .check(&case.token, case.now)
            .map_err(|reason| format!("it is refused for {reason}"))?;
        if Some(&claims.sub) != case.client_id.as_ref() || Some(claims.ver) != case.version {
            return Err(format!("it is of {} in version {}", claims.sub, claims.ver));
        }
        if claims.cred != case.credential || claims.generation != case.generation {
            return Err(format!(
                "it is of the credential {:?} in the generation {:?}",
                claims.cred, claims.generation
            ));
        }
        Ok(())
    }

    /// In the order of the reasons: form, header, key, signature, claims, time.
    fn check(&self, token: &str, now: u64) -> Result<Claims, &'static str> {
        let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| "form");
        let [head, body, signature] = token.split('.').collect::<Vec<_>>()[..] else {
            return Err("form");
        };
        let (header, claims, bytes) = (decode(head)?, decode(body)?, decode(signature)?);
        let header: Map<String, Value> = serde_json::from_slice(&header).map_err(|_| "form")?;
        if header.get("alg") != Some(&"EdDSA".into())
            || header.get("typ") != Some(&"at+jwt".into())
            || header.contains_key("crit")
        {
            return Err("header");
        }
        let named = header.get("kid").and_then(Value::as_str);
        let (_, key) = self
            .keys
            .iter()
            .find(|(kid, _)| Some(*kid) == named)
            .ok_or("key")?;
        let signature = Signature::from_slice(&bytes).map_err(|_| "form")?;
        let signed = &token[..head.len() + 1 + body.len()];
        key.verify_strict(signed.as_bytes(), &signature)
            .map_err(|_| "signature")?;
        let claims: Claims = serde_json::from_slice(&claims).map_err(|_| "claims")?;
        if claims.iss != self.issuer
            || claims.aud != self.audience
            || claims.client_id != claims.sub
            || ClientId::parse(&claims.sub).is_err()
            || !claims.amr.iter().any(|method| method == "zkp")
            || claims.jti.len() != 32
            || claims.iat > claims.exp
            || claims
                .cred
                .as_deref()
                .is_some_and(|id| id.parse::<CredentialId>().is_err())
        {
            return Err("claims");
        }
        if now < claims.nbf || now >= claims.exp {
            return Err("time");
        }
        Ok(claims)
    }
}
