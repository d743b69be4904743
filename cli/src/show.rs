//! `2fapi show`: the public parts of a credential file.

use std::fmt;

use clap::Args;
use serde::Serialize;

use super::{Output, credential::CredentialFileArgs};
use twofapi_client::Failure;

#[derive(Args)]
#[command(after_help = "\
Neither secret nor blinding is shown, and no passphrase is needed.

Examples:
  2fapi show alice
  2fapi --json show --credential ./alice.json | jq -r .commitment")]
pub(super) struct ShowArgs {
    #[command(flatten)]
    credential: CredentialFileArgs,
}

/// What may be shown of a credential file.
#[derive(Serialize)]
pub(super) struct Shown {
    pub(super) client_id: String,
    pub(super) commitment: String,
    /// Of one that was linked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) credential_id: Option<String>,
    pub(super) file: String,
    pub(super) under_passphrase: bool,
}

pub(super) fn run(args: &ShowArgs, out: Output) -> Result<(), Failure> {
    let (path, file) = args.credential.read()?;
    out.answer(&Shown {
        client_id: file.client_id().to_string(),
        commitment: hex::encode(file.commitment().as_bytes()),
        credential_id: file.credential_id().map(|id| id.to_string()),
        file: path.display().to_string(),
        under_passphrase: file.is_sealed(),
    })
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "client id   {}", self.client_id)?;
        writeln!(f, "commitment  {}", self.commitment)?;
        if let Some(id) = &self.credential_id {
            writeln!(f, "credential  {id}")?;
        }
        write!(f, "file        {}", self.file)?;
        if self.under_passphrase {
            write!(f, " (under a passphrase)")?;
        }
        Ok(())
    }
}
