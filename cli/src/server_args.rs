//! Which server a command speaks with.

use clap::Args;
use twofapi_client::{Failure, HttpClient, ServerUrl};
use twofapi_crypto_core::Audience;

/// Which server, and how far to trust the way to it.
#[derive(Args, Clone)]
pub(super) struct ServerArgs {
    /// URL of the server, such as https://api.example.com
    #[arg(long, value_name = "URL", env = "TWOFAPI_SERVER", value_parser = ServerUrl::parse)]
    server: ServerUrl,
    #[command(flatten)]
    trust: TrustArgs,
}

/// How far to trust the way to the server.
#[derive(Args, Clone)]
pub(super) struct TrustArgs {
    /// Speak plain http to other machines: everyone on the way sees your tokens
    #[arg(long)]
    pub(super) insecure_http: bool,
}

impl ServerArgs {
    pub(super) fn client(&self) -> Result<HttpClient, Failure> {
        HttpClient::new(self.server.clone(), self.trust.insecure_http)
    }

    /// The audience that proofs are bound to unless the user names another: the server's origin.
    pub(super) fn audience(&self, named: Option<&Audience>) -> Result<Audience, Failure> {
        match named {
            Some(audience) => Ok(audience.clone()),
            None => Ok(Audience::parse(self.server.origin())?),
        }
    }
}
