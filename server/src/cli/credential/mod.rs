//! Credentials on disk: which file, read and opened how, and made so that none is ever lost.

use std::path::{Path, PathBuf};

use clap::Args;
use directories::ProjectDirs;
use getrandom::SysRng;
use twofapi_crypto_core::{ClientId, Commitment, Credential};

use super::{Failure, FailureKind, Output, private_file};

mod format;
mod hex_bytes;
mod lock;
mod passphrase;
mod sealed;

pub(super) use format::CredentialFile;
pub(super) use lock::Lock;
pub(super) use passphrase::{Passphrase, PassphraseArgs};

pub(super) fn is_credential_file(contents: &[u8]) -> bool {
    CredentialFile::parse(contents).is_ok()
}

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

/// A credential that was opened, with where it came from.
pub(super) struct OpenedCredential {
    pub(super) path: PathBuf,
    pub(super) client_id: ClientId,
    pub(super) credential: Credential,
    /// What it was sealed under.
    pub(super) passphrase: Option<Passphrase>,
}

impl OpenedCredential {
    pub(super) const fn commitment(&self) -> &Commitment {
        self.credential.commitment()
    }
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

    fn path(&self) -> Result<PathBuf, Failure> {
        let path = match (&self.credential, &self.client_id) {
            (Some(path), _) => path.clone(),
            (None, Some(client_id)) => default_path(client_id)?,
            (None, None) => {
                return Err(Failure::bad_input("give CLIENT_ID or --credential FILE"));
            }
        };
        // A rotation is to replace the file, and not a link to it.
        Ok(private_file::behind_links(path))
    }

    /// Reads the file; its secret parts stay sealed if they are.
    pub(super) fn read(&self) -> Result<(PathBuf, CredentialFile), Failure> {
        let path = self.path()?;
        let file = read(&path).map_err(|failure| match &self.client_id {
            Some(client_id) if failure.code() == "no_such_file" => Failure::new(
                FailureKind::BadInput,
                "no_such_file",
                format!(
                    "there is no credential for {client_id} at {}: make one with `2fapi keygen \
                     {client_id}`, or name its file with --credential FILE",
                    path.display()
                ),
            ),
            _ => failure,
        })?;
        match &self.client_id {
            // Where file names have no case, `alice` would find the file of `Alice`.
            Some(client_id) if client_id != file.client_id() => Err(Failure::bad_input(format!(
                "{} is the credential of {}, not of {client_id}",
                path.display(),
                file.client_id()
            ))),
            _ => Ok((path, file)),
        }
    }
}

impl CredentialArgs {
    /// As it stands on the command line.
    pub(super) fn shown(&self) -> String {
        self.file.shown()
    }

    /// Waits until nobody else rotates the credential.
    pub(super) fn lock(&self, out: Output) -> Result<Lock, Failure> {
        Lock::wait(&self.file.path()?, out)
    }

    /// Reads the file and opens it, asking for its passphrase if it has one.
    pub(super) fn open(&self) -> Result<OpenedCredential, Failure> {
        let (path, file) = self.file.read()?;
        self.open_file(path, file, None)
    }

    /// Reads and opens it again, in case that somebody replaced it.
    pub(super) fn open_again(
        &self,
        before: &OpenedCredential,
    ) -> Result<OpenedCredential, Failure> {
        let (path, file) = self.file.read()?;
        self.open_file(path, file, before.passphrase.as_ref())
    }

    /// Opens what was made beside `current`: `None` if there is no such file.
    pub(super) fn open_beside(
        &self,
        current: &OpenedCredential,
        suffix: &str,
    ) -> Result<Option<OpenedCredential>, Failure> {
        let path = private_file::with_suffix(&current.path, suffix);
        let file = match read(&path) {
            Ok(file) => file,
            Err(failure) if failure.code() == "no_such_file" => return Ok(None),
            Err(failure) => return Err(failure),
        };
        if file.client_id() != &current.client_id {
            return Err(Failure::bad_input(format!(
                "{} is the credential of {}, and {} that of {}: move one of them away",
                path.display(),
                file.client_id(),
                current.path.display(),
                current.client_id
            )));
        }
        self.open_file(path, file, current.passphrase.as_ref())
            .map(Some)
    }

    fn open_file(
        &self,
        path: PathBuf,
        file: CredentialFile,
        known: Option<&Passphrase>,
    ) -> Result<OpenedCredential, Failure> {
        let passphrase = || match known {
            Some(known) => Ok(known.clone()),
            None => self.passphrase.existing(&path),
        };
        let (client_id, credential, passphrase) = file
            .open(passphrase)
            .map_err(|failure| about(&path, &failure))?;
        Ok(OpenedCredential {
            path,
            client_id,
            credential,
            passphrase,
        })
    }
}

/// Draws a fresh credential and writes it to a file that did not exist.
pub(super) fn create(
    path: PathBuf,
    client_id: ClientId,
    passphrase: Option<Passphrase>,
) -> Result<OpenedCredential, Failure> {
    let credential = Credential::generate(&mut SysRng)?;
    keep(path, client_id, credential, passphrase)
}

/// Writes a credential to a file that did not exist.
pub(super) fn keep(
    path: PathBuf,
    client_id: ClientId,
    credential: Credential,
    passphrase: Option<Passphrase>,
) -> Result<OpenedCredential, Failure> {
    write(path, client_id, credential, passphrase, None)
}

fn write(
    path: PathBuf,
    client_id: ClientId,
    credential: Credential,
    passphrase: Option<Passphrase>,
    owned_like: Option<&Path>,
) -> Result<OpenedCredential, Failure> {
    let contents = format::encode(&client_id, &credential, passphrase.as_ref())?;
    private_file::create(&path, &contents, owned_like)?;
    Ok(OpenedCredential {
        path,
        client_id,
        credential,
        passphrase,
    })
}

/// Draws the credential that is to follow `current`, sealed as that is, and writes it beside it.
pub(super) fn create_next(current: &OpenedCredential) -> Result<OpenedCredential, Failure> {
    write(
        private_file::with_suffix(&current.path, NEXT),
        current.client_id.clone(),
        Credential::generate(&mut SysRng)?,
        current.passphrase.clone(),
        Some(&current.path),
    )
}

/// Puts `next` in the place of `current`, which is kept as `.previous`; to be called under the lock.
/// Interrupted anywhere, both are there under some name, and doing it again completes it.
pub(super) fn promote(current: &Path, next: &OpenedCredential) -> Result<(), Failure> {
    let contents = private_file::read(current, format::MAX_FILE)?;
    private_file::replace(&previous_path(current), &contents, Some(current))?;
    private_file::rename(&next.path, current)
}

pub(super) fn previous_path(current: &Path) -> PathBuf {
    private_file::with_suffix(current, ".previous")
}

/// What a credential is called that the server has not yet said yes to.
pub(super) const NEXT: &str = ".next";

/// `credentials/<client id>.json` in the user's data directory; a client id is safe as a file name.
pub(super) fn default_path(client_id: &ClientId) -> Result<PathBuf, Failure> {
    Ok(data_directory()?
        .join("credentials")
        .join(format!("{client_id}.json")))
}

/// The user's data directory for this program, which need not exist.
pub(super) fn data_directory() -> Result<PathBuf, Failure> {
    ProjectDirs::from("", "", "2fapi")
        .map(|directories| directories.data_dir().to_owned())
        .ok_or_else(|| {
            Failure::unavailable(
                "no home directory is known (is HOME set?): name the file yourself",
            )
        })
}

fn read(path: &Path) -> Result<CredentialFile, Failure> {
    let contents = private_file::read(path, format::MAX_FILE)?;
    CredentialFile::parse(&contents).map_err(|failure| about(path, &failure))
}

/// The failure with the file's name before it.
fn about(path: &Path, failure: &Failure) -> Failure {
    Failure::new(
        failure.kind(),
        failure.code().to_owned(),
        format!("{}: {failure}", path.display()),
    )
}
