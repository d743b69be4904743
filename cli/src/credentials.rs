//! `2fapi credentials`: what a client's credentials are, as its server has them.

use std::{
    fmt,
    time::{Duration, UNIX_EPOCH},
};

use clap::Args;
use serde::Serialize;
use twofapi_client::{
    Failure,
    exchange::Exchange,
    links::{Credentials, Listed},
    rotation,
};
use twofapi_crypto_core::Audience;

use super::{Output, credential::CredentialArgs, server_args::ServerArgs};

#[derive(Args)]
#[command(after_help = "\
A credential that you do not know is a device of somebody who has the account: `2fapi unlink` takes it
away. Names are what their owners chose, and nothing is proven about them.

Example:
  2fapi credentials alice --server https://api.example.com")]
pub(super) struct CredentialsArgs {
    #[command(flatten)]
    credential: CredentialArgs,
    #[command(flatten)]
    server: ServerArgs,
    /// The server's audience, where the operator says that it is not the origin of the URL
    #[arg(long)]
    audience: Option<Audience>,
}

/// The list, and which of them this device has.
#[derive(Serialize)]
struct List {
    #[serde(flatten)]
    all: Credentials,
    this: String,
}

pub(super) fn run(args: &CredentialsArgs, out: Output) -> Result<(), Failure> {
    let exchange = Exchange::new(
        args.server.client()?,
        args.server.audience(args.audience.as_ref())?,
    );
    let note = |text: &str| out.note(text);
    let list = args.credential.with(|source| {
        let (by, access) = rotation::login(&exchange, source, &note)?;
        Ok(List {
            all: exchange.credentials(&by.client_id, &access.token)?,
            this: by.id().to_string(),
        })
    })?;
    out.answer(&list)
}

fn time(seconds: u64) -> String {
    match UNIX_EPOCH.checked_add(Duration::from_secs(seconds)) {
        Some(time) if seconds > 0 => humantime::format_rfc3339_seconds(time).to_string(),
        _ => "unknown".into(),
    }
}

impl fmt::Display for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = self.all.credentials.iter().map(|listed| {
            let Listed {
                credential_id,
                name,
                created,
                expires_at,
                ..
            } = listed;
            let until = expires_at.map(|at| format!(", until {}", time(at)));
            let this = (*credential_id == self.this).then_some("   (this one)");
            format!(
                "{credential_id}  {name:<20}  since {}{}{}",
                time(*created),
                until.unwrap_or_default(),
                this.unwrap_or_default()
            )
        });
        f.write_str(&lines.collect::<Vec<_>>().join("\n"))
    }
}
