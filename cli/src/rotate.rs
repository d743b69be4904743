//! `2fapi rotate`: replaces a credential by a new one.

use std::{fmt, path::PathBuf};

use clap::Args;
use serde::Serialize;
use twofapi_client::{
    Failure, credential::OpenedCredential, exchange::Exchange, recovery, rotation,
};
use twofapi_crypto_core::Audience;

use super::{Output, credential::CredentialArgs, phrase, server_args::ServerArgs};

#[derive(Args)]
#[command(after_help = "\
The new credential is written to FILE.next before the server is asked, takes the place of FILE when
the server has said yes, and the old one is kept as FILE.previous until the next rotation. Cut off
in the middle, run the same command or `2fapi login` again: it finds out which of the two is in
force. Tokens that were given before the rotation are no longer accepted.

With --recover the new credential is the next one of your recovery phrase, which goes on restoring it;
without, a phrase does not restore what comes after a rotation.

Give each server a credential of its own (keygen --out): a rotation at one server leaves the others
with the old commitment.

Examples:
  2fapi rotate alice --server https://api.example.com
  2fapi rotate alice --server https://api.example.com --recover -     (asks for the phrase)")]
pub(super) struct RotateArgs {
    #[command(flatten)]
    credential: CredentialArgs,
    #[command(flatten)]
    server: ServerArgs,
    /// The server's audience, where the operator says that it is not the origin of the URL
    #[arg(long)]
    audience: Option<Audience>,
    /// Take the next credential of the recovery phrase that the current one is of; FILE holds the phrase,
    /// - asks for it
    #[arg(long, value_name = "FILE")]
    recover: Option<PathBuf>,
}

#[derive(Serialize)]
struct Rotated {
    client_id: String,
    commitment: String,
    /// `None` when an earlier attempt had succeeded, so that the server told its version to nobody.
    #[serde(skip_serializing_if = "Option::is_none")]
    commitment_version: Option<u64>,
    file: String,
}

pub(super) fn run(args: &RotateArgs, out: Output) -> Result<(), Failure> {
    let exchange = Exchange::new(
        args.server.client()?,
        args.server.audience(args.audience.as_ref())?,
    );
    let note = |text: &str| out.note(text);
    let phrase = args.recover.as_deref().map(phrase::read).transpose()?;
    let rotated = args.credential.with(|source| match &phrase {
        None => rotation::rotate(&exchange, source, &note),
        Some(phrase) => {
            let follow = |current: &OpenedCredential| {
                recovery::next(phrase, exchange.audience(), current.commitment())
            };
            rotation::rotate_to(&exchange, source, &follow, &note)
        }
    })?;
    let OpenedCredential {
        client_id, path, ..
    } = &rotated.credential;
    out.answer(&Rotated {
        client_id: client_id.to_string(),
        commitment: hex::encode(rotated.credential.commitment().as_bytes()),
        commitment_version: rotated.commitment_version,
        file: path.display().to_string(),
    })
}

impl fmt::Display for Rotated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "client id   {}", self.client_id)?;
        write!(f, "commitment  {}", self.commitment)?;
        if let Some(version) = self.commitment_version {
            write!(f, " (version {version})")?;
        }
        write!(f, "\nfile        {}", self.file)
    }
}
