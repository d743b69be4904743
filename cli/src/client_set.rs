//! `2fapi clients set`: what an operator says of a client or of one of its credentials.

use clap::{ArgGroup, Args};
use twofapi_crypto_core::{ClientId, CredentialId};
use twofapi_server::admin::Request;

use super::{
    client_said::{SaidArgs, words},
    store::StoreArgs,
};

/// Options of `2fapi clients set`.
#[derive(Args, Debug)]
#[command(
    group(
        ArgGroup::new("said")
            .args(["expires", "scopes", "all_scopes", "claims", "sources", "requests_per_minute", "tenant"])
            .required(true)
            .multiple(true)
    ),
    group(ArgGroup::new("of_credential").args(["expires", "scopes", "all_scopes"]).multiple(true))
)]
pub(crate) struct SetArgs {
    /// Which client
    client_id: ClientId,
    /// Let this credential expire, or have no more of the client's scopes than these, and not the client
    #[arg(
        long,
        value_name = "CREDENTIAL_ID",
        requires = "of_credential",
        conflicts_with_all = ["claims", "sources", "requests_per_minute", "tenant"]
    )]
    credential: Option<CredentialId>,
    /// Let the credential have all scopes of its client again
    #[arg(long, requires = "credential", conflicts_with = "scopes")]
    all_scopes: bool,
    #[command(flatten)]
    said: SaidArgs,
    #[command(flatten)]
    pub(crate) store: StoreArgs,
}

impl SetArgs {
    /// What is asked of the server at this second, one after the other.
    pub(crate) fn requests(&self, now: u64) -> Vec<Request> {
        let client_id = || self.client_id.as_str().to_owned();
        let Some(credential) = &self.credential else {
            return vec![Request::SetAttributes {
                client_id: client_id(),
                said: self.said.said(now),
            }];
        };
        let expiry = self.said.expires.map(|expiry| Request::SetExpiry {
            client_id: client_id(),
            credential_id: credential.to_string(),
            expires_at: expiry.at(now),
        });
        let scopes = match (&self.said.scopes, self.all_scopes) {
            (None, false) => None,
            (scopes, _) => Some(Request::SetScopes {
                client_id: client_id(),
                credential_id: credential.to_string(),
                scopes: scopes.as_deref().map(words),
            }),
        };
        expiry.into_iter().chain(scopes).collect()
    }
}
