//! Which credential a command works with, and how it is opened.

use std::path::{Path, PathBuf};

use clap::Args;
use twofapi_client::{
    Failure,
    credential::{CredentialFile, CredentialSource, OpenedCredential, Passphrase},
};
use twofapi_crypto_core::ClientId;

use crate::passphrase::PassphraseArgs;

/// Which credential file.
#[derive(Args)]
pub(super) struct CredentialFileArgs {
    /// Whose credential: the one that `2fapi keygen CLIENT_ID` made
    #[arg(
        value_name = "CLIENT_ID",
        required_unless_present = "credential",
        conflicts_with = "credential"
    )]
    client_id: Option<ClientId>,
    /// Credential file, where it is not in its usual place
    #[arg(long, value_name = "FILE")]
    credential: Option<PathBuf>,
}

/// Which credential file, and how it is opened.
#[derive(Args)]
pub(super) struct CredentialArgs {
    #[command(flatten)]
    file: CredentialFileArgs,
    #[command(flatten)]
    passphrase: PassphraseArgs,
}

impl CredentialFileArgs {
    /// As it stands on the command line.
    fn shown(&self) -> String {
        match (&self.credential, &self.client_id) {
            (Some(path), _) => format!("--credential {}", path.display()),
            (None, Some(client_id)) => client_id.to_string(),
            (None, None) => String::new(),
        }
    }

    fn source<'a>(
        &'a self,
        passphrase: &'a dyn Fn(&Path) -> Result<Passphrase, Failure>,
    ) -> Result<CredentialSource<'a>, Failure> {
        match (&self.credential, &self.client_id) {
            (Some(path), _) => Ok(CredentialSource::at(path.clone(), passphrase)),
            (None, Some(client_id)) => CredentialSource::of(client_id, passphrase),
            (None, None) => Err(Failure::bad_input("give CLIENT_ID or --credential FILE")),
        }
    }

    /// Reads the file; its secret parts stay sealed if they are.
    pub(super) fn read(&self) -> Result<(PathBuf, CredentialFile), Failure> {
        let unasked = |_: &Path| Err(Failure::bad_input("no passphrase is needed"));
        let source = self.source(&unasked)?;
        Ok((source.path().to_owned(), source.read()?))
    }
}

impl CredentialArgs {
    /// As it stands on the command line.
    pub(super) fn shown(&self) -> String {
        self.file.shown()
    }

    /// Does something with the credential, whose passphrase is asked for when it is needed.
    pub(super) fn with<T>(
        &self,
        work: impl FnOnce(&CredentialSource<'_>) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let ask = |path: &Path| self.passphrase.existing(path);
        work(&self.file.source(&ask)?)
    }

    /// Reads the file and opens it, asking for its passphrase if it has one.
    pub(super) fn open(&self) -> Result<OpenedCredential, Failure> {
        self.with(|source| source.open())
    }
}
