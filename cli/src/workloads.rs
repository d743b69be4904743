//! The rules by which workloads enrol, as the operator's file has them, and the keys of their issuers.

use std::{fs, path::Path, sync::Arc};

use twofapi_client::{Failure, HttpClient, ServerUrl};
use twofapi_server::{IssuerRules, KeySetFile, KeySetSource, RuleError, WorkloadRules, Workloads};

/// Reads rules and checks them. Nothing is asked of the issuers yet.
pub(crate) fn read(file: &Path) -> Result<Arc<Workloads>, Failure> {
    let wrong = |error: &dyn std::fmt::Display| {
        Failure::bad_input(format!("the workload rules of {}: {error}", file.display()))
    };
    let text = fs::read_to_string(file).map_err(|error| wrong(&error))?;
    let rules: WorkloadRules = toml::from_str(&text).map_err(|error| wrong(&error))?;
    let folder = file.parent().unwrap_or(Path::new("."));
    Workloads::new(rules, |issuer| source(issuer, folder))
        .map(Arc::new)
        .map_err(|error| wrong(&error))
}

fn source(issuer: &IssuerRules, folder: &Path) -> Result<Arc<dyn KeySetSource>, RuleError> {
    match (&issuer.jwks_file, &issuer.jwks_url) {
        (Some(file), _) => Ok(Arc::new(KeySetFile(folder.join(file)))),
        (None, url) => {
            let url = ServerUrl::parse(url.as_deref().unwrap_or_default())
                .map_err(|error| RuleError::new(format!("jwks_url: {error}")))?;
            let http = HttpClient::new(url, false)
                .map_err(|failure| RuleError::new(format!("jwks_url: {failure}")))?;
            Ok(Arc::new(KeySetUrl(Arc::new(http))))
        }
    }
}

/// A JWK set over https, or over plain http from this machine.
struct KeySetUrl(Arc<HttpClient>);

#[async_trait::async_trait]
impl KeySetSource for KeySetUrl {
    async fn read(&self) -> Result<Vec<u8>, String> {
        let http = self.0.clone();
        let answer = tokio::task::spawn_blocking(move || http.get_raw("", None)).await;
        let answer = answer.map_err(|error| error.to_string())?;
        let answer = answer.map_err(|failure| failure.to_string())?;
        match answer.status().is_success() {
            true => Ok(answer.into_body()),
            false => Err(format!("{} answered {}", self.0.url(), answer.status())),
        }
    }
}
