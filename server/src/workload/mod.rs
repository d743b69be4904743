//! Workloads: who may enrol by the token of an OpenID Connect issuer that the operator trusts, as Kubernetes,
//! GitHub Actions and SPIFFE give them to what they run.

mod key_set;
mod rules;
mod template;
mod token;

use std::sync::Arc;

use twofapi_crypto_core::{Attributes, ClientId};

use key_set::KeySet;
pub use key_set::{KeySetFile, KeySetSource};
use rules::Rule;
pub use rules::{IssuerAlgorithm, IssuerRules, RuleError, WorkloadRule, WorkloadRules};
use token::Refused;

/// The issuers that the operator trusts, and what it has their tokens permit.
pub struct Workloads(Vec<Issuer>);

struct Issuer {
    name: String,
    audience: String,
    algorithms: Vec<jsonwebtoken::Algorithm>,
    max_age: u64,
    rules: Vec<Rule>,
    keys: KeySet,
}

/// What a token permits for one client id.
pub(crate) struct WorkloadPermit {
    /// When the issuer made it, in Unix seconds.
    pub(crate) issued_at: u64,
    /// Whether it may replace the credentials of a client that is there.
    pub(crate) resets: bool,
    /// What is to be said of the client.
    pub(crate) attributes: Attributes,
}

impl Workloads {
    /// Checks rules. `source` says where the keys of an issuer are read.
    ///
    /// # Errors
    /// [`RuleError`], which says what would be right.
    pub fn new(
        rules: WorkloadRules,
        source: impl Fn(&IssuerRules) -> Result<Arc<dyn KeySetSource>, RuleError>,
    ) -> Result<Self, RuleError> {
        rules.check()?;
        let issuers = rules.issuer.into_iter().map(|issuer| {
            Ok(Issuer {
                keys: KeySet::new(source(&issuer)?),
                rules: issuer
                    .rule
                    .iter()
                    .map(Rule::new)
                    .collect::<Result<_, _>>()?,
                name: issuer.issuer,
                audience: issuer.audience,
                algorithms: issuer.algorithms.into_iter().map(Into::into).collect(),
                max_age: issuer.max_age,
            })
        });
        Ok(Self(issuers.collect::<Result<_, _>>()?))
    }

    /// Whether this has the form of an issuer's token. Ours have one dot at most.
    pub(crate) fn is_one(token: &str) -> bool {
        token.bytes().filter(|byte| *byte == b'.').count() == 2
    }

    /// What this token permits for this client id, if anything. Why not is told to the operator alone.
    pub(crate) async fn permit(
        &self,
        token: &str,
        client_id: &ClientId,
        now: u64,
    ) -> Option<WorkloadPermit> {
        let permit = self.judge(token, client_id, now).await;
        permit
            .inspect_err(|refused| tracing::info!(%client_id, ?refused, "a workload is refused"))
            .ok()
    }

    async fn judge(
        &self,
        token: &str,
        client_id: &ClientId,
        now: u64,
    ) -> Result<WorkloadPermit, Refused> {
        let named = token::issuer(token)?;
        let issuer = self.0.iter().find(|issuer| issuer.name == named);
        let issuer = issuer.ok_or(Refused::Issuer)?;
        let claims = token::check(token, issuer, now).await?;
        let rule = issuer
            .rules
            .iter()
            .find(|rule| rule.permits(&claims.members, client_id))
            .ok_or(Refused::Rule)?;
        Ok(WorkloadPermit {
            issued_at: claims.issued_at,
            resets: rule.resets,
            attributes: rule.attributes(now),
        })
    }
}

impl std::fmt::Debug for Workloads {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names = self.0.iter().map(|issuer| &issuer.name);
        f.debug_list().entries(names).finish()
    }
}
