//! `2fapi unlink`: takes a credential of a client away.

use std::fmt;

use clap::Args;
use serde::Serialize;
use twofapi_client::{
    Failure, FailureKind, credential::OpenedCredential, exchange::Exchange, rotation,
};
use twofapi_crypto_core::{Audience, Commitment, CredentialId};

use super::{Output, credential::CredentialArgs, server_args::ServerArgs};

#[derive(Args)]
#[command(after_help = "\
Its sessions and tokens end, those of the others go on. The last credential of a client is not
unlinked. The file of a credential that was unlinked stays where it is.

Examples:
  2fapi credentials alice --server https://api.example.com     (which there are)
  2fapi unlink alice --server https://api.example.com --id 4f6b...
  2fapi unlink alice --server https://api.example.com --this")]
pub(super) struct UnlinkArgs {
    #[command(flatten)]
    credential: CredentialArgs,
    #[command(flatten)]
    server: ServerArgs,
    /// The server's audience, where the operator says that it is not the origin of the URL
    #[arg(long)]
    audience: Option<Audience>,
    #[command(flatten)]
    which: WhichArgs,
}

#[derive(Args)]
#[group(required = true, multiple = false)]
struct WhichArgs {
    /// The credential of this id
    #[arg(long, value_name = "CREDENTIAL_ID")]
    id: Option<CredentialId>,
    /// The credential that proves, itself
    #[arg(long)]
    this: bool,
}

#[derive(Serialize)]
struct Unlinked {
    client_id: String,
    credential_id: String,
    commitment_version: u64,
}

pub(super) fn run(args: &UnlinkArgs, out: Output) -> Result<(), Failure> {
    let exchange = Exchange::new(
        args.server.client()?,
        args.server.audience(args.audience.as_ref())?,
    );
    let note = |text: &str| out.note(text);
    let unlinked = args.credential.with(|source| {
        let (by, access) = rotation::login(&exchange, source, &note)?;
        let old = match &args.which.id {
            None => *by.commitment(),
            Some(id) => commitment_of(&exchange, &by, &access.token, id)?,
        };
        let version = exchange.unlink(&by, &old).map_err(|failure| {
            if failure.kind() == FailureKind::Denied {
                failure.with_hint("the last credential of a client is not unlinked")
            } else {
                failure
            }
        })?;
        Ok(Unlinked {
            client_id: by.client_id.to_string(),
            credential_id: CredentialId::of(old.as_bytes()).to_string(),
            commitment_version: version,
        })
    })?;
    out.answer(&unlinked)
}

/// The server lists it; that it is of this id is seen to here, so that the server cannot have another unlinked.
fn commitment_of(
    exchange: &Exchange,
    by: &OpenedCredential,
    token: &str,
    id: &CredentialId,
) -> Result<Commitment, Failure> {
    let list = exchange.credentials(&by.client_id, token)?;
    let listed = list.credentials.iter();
    let mut commitments = listed.filter_map(|listed| listed.commitment());
    commitments
        .find(|commitment| CredentialId::of(commitment.as_bytes()) == *id)
        .ok_or_else(|| {
            Failure::bad_input(format!(
                "{} has no credential {id}: `2fapi credentials` lists them",
                by.client_id
            ))
        })
}

impl fmt::Display for Unlinked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unlinked {} of {}", self.credential_id, self.client_id)
    }
}
