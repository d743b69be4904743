//! What the operator writes of issuers: whose tokens, for which client ids, and what these may do.

use std::{collections::BTreeMap, path::PathBuf};

use jsonwebtoken::Algorithm;
use serde::Deserialize;
use serde_json::{Map, Value};
use twofapi_crypto_core::{Attributes, ClientId, Scopes, Tenant};

use super::template::Template;

/// A rule that cannot be meant.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct RuleError(String);

impl RuleError {
    /// What is wrong, and what would be right.
    pub fn new(what: impl Into<String>) -> Self {
        Self(what.into())
    }
}

/// All issuers that are trusted.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkloadRules {
    /// Each of them.
    pub issuer: Vec<IssuerRules>,
}

/// An issuer that is trusted, and for what.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IssuerRules {
    /// Its `iss`, exactly.
    pub issuer: String,
    /// The `aud` that its tokens must have, and no other beside it.
    pub audience: String,
    /// What it signs with.
    pub algorithms: Vec<IssuerAlgorithm>,
    /// Where its keys are, as a JWK set over https.
    pub jwks_url: Option<String>,
    /// Or as a file.
    pub jwks_file: Option<PathBuf>,
    /// How old a token may be, in seconds.
    #[serde(default = "ten_minutes")]
    pub max_age: u64,
    /// What its tokens permit. The first that fits decides.
    pub rule: Vec<WorkloadRule>,
}

const fn ten_minutes() -> u64 {
    600
}

/// Signatures by a key that only the issuer has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[allow(missing_docs, reason = "names of RFC 7518 and RFC 8037")]
pub enum IssuerAlgorithm {
    RS256,
    RS384,
    RS512,
    PS256,
    PS384,
    PS512,
    ES256,
    ES384,
    EdDSA,
}

impl From<IssuerAlgorithm> for Algorithm {
    fn from(algorithm: IssuerAlgorithm) -> Self {
        match algorithm {
            IssuerAlgorithm::RS256 => Self::RS256,
            IssuerAlgorithm::RS384 => Self::RS384,
            IssuerAlgorithm::RS512 => Self::RS512,
            IssuerAlgorithm::PS256 => Self::PS256,
            IssuerAlgorithm::PS384 => Self::PS384,
            IssuerAlgorithm::PS512 => Self::PS512,
            IssuerAlgorithm::ES256 => Self::ES256,
            IssuerAlgorithm::ES384 => Self::ES384,
            IssuerAlgorithm::EdDSA => Self::EdDSA,
        }
    }
}

/// For which tokens, which client id, and what that client may do.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkloadRule {
    /// What the token must say: each claim by its name, or as a JSON pointer where it begins with a slash; one value,
    /// or a list of those that are permitted.
    pub claims: BTreeMap<String, Value>,
    /// The client id, with claims in braces: `ci.{repository}`.
    pub client_id: String,
    /// The scopes of the client.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// Its tenant.
    pub tenant: Option<String>,
    /// After how many seconds the client expires.
    pub expires_after: Option<u64>,
    /// Whether a token may also replace the credentials of a client that is enrolled already, for a workload that lost
    /// its key.
    #[serde(default)]
    pub reset: bool,
}

impl WorkloadRules {
    pub(super) fn check(&self) -> Result<(), RuleError> {
        for (n, issuer) in self.issuer.iter().enumerate() {
            issuer.check()?;
            for other in &self.issuer[..n] {
                if other.issuer == issuer.issuer {
                    let name = &issuer.issuer;
                    return Err(RuleError::new(format!(
                        "the issuer {name:?} is there twice"
                    )));
                }
                no_id_of_two(issuer, other)?;
            }
        }
        Ok(())
    }
}

/// An issuer vouches for its own workloads only.
fn no_id_of_two(one: &IssuerRules, two: &IssuerRules) -> Result<(), RuleError> {
    for rule in &one.rule {
        let template = Template::parse(&rule.client_id)?;
        for other in &two.rule {
            if template.overlaps(&Template::parse(&other.client_id)?) {
                return Err(RuleError::new(format!(
                    "{:?} of {:?} and {:?} of {:?} could be one client id: let each issuer's begin with a text \
                     of its own",
                    rule.client_id, one.issuer, other.client_id, two.issuer
                )));
            }
        }
    }
    Ok(())
}

impl IssuerRules {
    fn check(&self) -> Result<(), RuleError> {
        let wrong = |what: &str| RuleError::new(format!("issuer {:?}: {what}", self.issuer));
        if self.issuer.is_empty() || self.audience.is_empty() {
            return Err(wrong("issuer and audience have to be said"));
        }
        if self.algorithms.is_empty() {
            return Err(wrong(
                "say what it signs with, such as algorithms = [\"RS256\"]",
            ));
        }
        if self.jwks_url.is_some() == self.jwks_file.is_some() {
            return Err(wrong(
                "say where its keys are: jwks_url or jwks_file, one of the two",
            ));
        }
        if !(1..=86_400).contains(&self.max_age) {
            return Err(wrong("max_age is 1 to 86400 seconds"));
        }
        if self.rule.is_empty() {
            return Err(wrong("it has no rule, so that nobody could enrol"));
        }
        self.rule
            .iter()
            .try_for_each(|rule| Rule::new(rule).map(drop))
            .map_err(|error| wrong(&error.to_string()))
    }
}

/// A rule that was read.
pub(super) struct Rule {
    /// Each claim, and the values that it may have.
    claims: Vec<(String, Vec<Value>)>,
    client_id: Template,
    scopes: Scopes,
    tenant: Option<Tenant>,
    expires_after: Option<u64>,
    pub(super) resets: bool,
}

impl Rule {
    pub(super) fn new(rule: &WorkloadRule) -> Result<Self, RuleError> {
        if rule.claims.is_empty() {
            return Err(RuleError::new(
                "a rule without claims would let in everybody for whom the issuer makes tokens",
            ));
        }
        let claims = rule.claims.iter().map(|(name, wanted)| {
            let values = match wanted {
                Value::Array(values) => values.clone(),
                one => vec![one.clone()],
            };
            let plain = |value: &Value| value.is_string() || value.is_number() || value.is_boolean();
            if values.is_empty() || !values.iter().all(plain) {
                return Err(RuleError::new(format!(
                    "the claim {name:?} has to have a text, a number or a truth value, or a list of them"
                )));
            }
            Ok((name.clone(), values))
        });
        if rule.scopes.iter().any(|scope| Scopes::is_reserved(scope)) {
            return Err(RuleError::new(
                "scopes that begin with 2fapi: are given by hand only",
            ));
        }
        let scopes = Scopes::new(rule.scopes.iter().map(String::as_str));
        let tenant = rule.tenant.as_deref().map(str::parse).transpose();
        Ok(Self {
            claims: claims.collect::<Result<_, _>>()?,
            client_id: Template::parse(&rule.client_id)?,
            scopes: scopes.map_err(|error| RuleError::new(error.to_string()))?,
            tenant: tenant
                .map_err(|error: twofapi_crypto_core::Error| RuleError::new(error.to_string()))?,
            expires_after: rule.expires_after,
            resets: rule.reset,
        })
    }

    /// Whether these claims are those of a workload that may be this client.
    pub(super) fn permits(&self, claims: &Map<String, Value>, client_id: &ClientId) -> bool {
        let holds = |(name, values): &(String, Vec<Value>)| {
            claim(claims, name).is_some_and(|said| values.contains(said))
        };
        self.claims.iter().all(holds)
            && self.client_id.client_id(claims).as_ref() == Some(client_id)
    }

    pub(super) fn attributes(&self, now: u64) -> Attributes {
        Attributes {
            scopes: self.scopes.clone(),
            tenant: self.tenant.clone(),
            expires_at: self
                .expires_after
                .map(|seconds| now.saturating_add(seconds)),
            ..Attributes::default()
        }
    }
}

/// A claim by its name, or by a JSON pointer (RFC 6901).
pub(super) fn claim<'c>(claims: &'c Map<String, Value>, name: &str) -> Option<&'c Value> {
    let Some(pointer) = name.strip_prefix('/') else {
        return claims.get(name);
    };
    let mut steps = pointer
        .split('/')
        .map(|step| step.replace("~1", "/").replace("~0", "~"));
    let first = claims.get(&steps.next()?)?;
    steps.try_fold(first, |value, step| value.as_object()?.get(&step))
}
