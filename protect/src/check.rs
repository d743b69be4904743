//! What a token must be to be taken, and what is known of its client then.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use http::{HeaderMap, header};
use jsonwebtoken::{Validation, crypto::aws_lc, decode, decode_header};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::keys::{Away, Keys};

/// Who makes a request, as its access token says.
#[derive(Clone, Debug)]
pub struct Token {
    /// The client.
    pub client_id: String,
    /// What it may do.
    pub scopes: Vec<String>,
    /// When the token expires, in Unix seconds.
    pub expires_at: u64,
    /// All claims, among them what the operator has tokens say besides.
    pub claims: Map<String, Value>,
}

/// What is asked of a token.
#[derive(Clone)]
pub(crate) struct Check {
    pub(crate) issuer: String,
    pub(crate) audience: String,
    pub(crate) scopes: Vec<String>,
    pub(crate) leeway: Duration,
}

/// Why a request is not let through.
#[derive(Debug)]
pub(crate) enum Refused {
    /// There is no token.
    Missing,
    /// It is not good.
    Invalid,
    /// It is good, and lacks this scope.
    Scope(String),
    /// The keys cannot be had.
    Away,
}

#[derive(Deserialize)]
struct Claims {
    sub: String,
    client_id: String,
    /// Exactly one: a list is refused.
    aud: String,
    nbf: u64,
    exp: u64,
    #[serde(default)]
    scope: String,
}

impl Check {
    pub(crate) async fn of(&self, headers: &HeaderMap, keys: &Arc<Keys>) -> Result<Token, Refused> {
        let jwt = bearer(headers).ok_or(Refused::Missing)?;
        let header = decode_header(jwt).map_err(|_| Refused::Invalid)?;
        if header.typ.as_deref() != Some("at+jwt") || header.crit.is_some() {
            return Err(Refused::Invalid);
        }
        let kid = header.kid.ok_or(Refused::Invalid)?;
        let key = keys.named(&kid).await.map_err(|Away| Refused::Away)?;
        let key = key.ok_or(Refused::Invalid)?;
        // What checks signatures; a provider that was installed before stays.
        let _ = aws_lc::DEFAULT_PROVIDER.install_default();
        // The algorithm is the key's, never the token's.
        let mut validation = Validation::new(key.algorithm);
        validation.set_issuer(&[&self.issuer]);
        // The audience and the times are checked below: one audience, by the clock here.
        validation.validate_aud = false;
        validation.set_required_spec_claims(&["iss", "sub", "aud", "exp", "nbf"]);
        validation.validate_exp = false;
        validation.validate_nbf = false;
        let decoded = decode::<Map<String, Value>>(jwt, &key.checking, &validation);
        let all = decoded.map_err(|_| Refused::Invalid)?.claims;
        let said = Claims::deserialize(Value::Object(all.clone()));
        let said = said.map_err(|_| Refused::Invalid)?;
        let (now, leeway) = (now(), self.leeway.as_secs());
        let is_now =
            said.nbf <= now.saturating_add(leeway) && now < said.exp.saturating_add(leeway);
        // Nothing here sees a proof of the key that a token is bound to, and whoever has a copy of it must not be let in.
        let is_bound = all.contains_key("cnf");
        if !is_now || is_bound || said.aud != self.audience || said.sub != said.client_id {
            return Err(Refused::Invalid);
        }
        let scopes = said.scope.split(' ').filter(|scope| !scope.is_empty());
        let scopes: Vec<String> = scopes.map(str::to_owned).collect();
        if let Some(lacking) = self.scopes.iter().find(|scope| !scopes.contains(scope)) {
            return Err(Refused::Scope(lacking.clone()));
        }
        Ok(Token {
            client_id: said.client_id,
            scopes,
            expires_at: said.exp,
            claims: all,
        })
    }
}

/// The token of a request that has exactly one.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (value, None) = (values.next()?, values.next()) else {
        return None;
    };
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}
