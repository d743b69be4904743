//! Credentials on disk: read and opened, and made so that none is ever lost.

use std::path::{Path, PathBuf};

use directories::ProjectDirs;
use getrandom::SysRng;
use twofapi_crypto_core::{ClientId, Commitment, Credential, CredentialId};

use crate::{Failure, FailureKind, private_file};

mod format;
mod hex_bytes;
mod lock;
mod passphrase;
mod sealed;

pub use format::CredentialFile;
pub use lock::Lock;
pub use passphrase::Passphrase;

/// A credential that was opened, with where it came from.
pub struct OpenedCredential {
    /// Its file.
    pub path: PathBuf,
    /// Whose it is.
    pub client_id: ClientId,
    /// Secret and blinding.
    pub credential: Credential,
    /// Whether it was linked to a client that had another: requests name it then.
    pub linked: bool,
    /// What it was sealed under.
    pub passphrase: Option<Passphrase>,
}

impl OpenedCredential {
    /// What it is enrolled as.
    #[must_use]
    pub const fn commitment(&self) -> &Commitment {
        self.credential.commitment()
    }

    /// Its id, whether it was linked or not.
    #[must_use]
    pub fn id(&self) -> CredentialId {
        CredentialId::of(self.commitment().as_bytes())
    }

    /// What requests name it by, if it was linked; hosts of before know no names of credentials.
    #[must_use]
    pub fn credential_id(&self) -> Option<CredentialId> {
        self.linked.then(|| self.id())
    }
}

/// Where a credential's file is, and where its passphrase comes from should it have one.
pub struct CredentialSource<'a> {
    path: PathBuf,
    client_id: Option<&'a ClientId>,
    passphrase: &'a dyn Fn(&Path) -> Result<Passphrase, Failure>,
}

impl<'a> CredentialSource<'a> {
    /// The file at this path. A rotation replaces the file, and not a symbolic link to it.
    #[must_use]
    pub fn at(path: PathBuf, passphrase: &'a dyn Fn(&Path) -> Result<Passphrase, Failure>) -> Self {
        Self {
            path: private_file::behind_links(path),
            client_id: None,
            passphrase,
        }
    }

    /// The file of this client in its usual place, see [`default_path`].
    ///
    /// # Errors
    /// Unavailable where no home directory is known.
    pub fn of(
        client_id: &'a ClientId,
        passphrase: &'a dyn Fn(&Path) -> Result<Passphrase, Failure>,
    ) -> Result<Self, Failure> {
        Ok(Self {
            client_id: Some(client_id),
            ..Self::at(default_path(client_id)?, passphrase)
        })
    }

    /// Reads the file; its secret parts stay sealed if they are.
    ///
    /// # Errors
    /// Bad input, saying what is wrong with the file.
    pub fn read(&self) -> Result<CredentialFile, Failure> {
        let path = &self.path;
        let file = read(path).map_err(|failure| match self.client_id {
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
        match self.client_id {
            // Where file names have no case, `alice` would find the file of `Alice`.
            Some(client_id) if client_id != file.client_id() => Err(Failure::bad_input(format!(
                "{} is the credential of {}, not of {client_id}",
                path.display(),
                file.client_id()
            ))),
            _ => Ok(file),
        }
    }

    /// The file's path, after its links.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Waits until nobody else rotates the credential.
    ///
    /// # Errors
    /// Unavailable when the file cannot be locked.
    pub fn lock(&self, note: &dyn Fn(&str)) -> Result<Lock, Failure> {
        Lock::wait(&self.path, note)
    }

    /// Reads the file and opens it, asking for its passphrase if it has one.
    ///
    /// # Errors
    /// As [`CredentialSource::read`]; denied when the passphrase is wrong.
    pub fn open(&self) -> Result<OpenedCredential, Failure> {
        self.open_file(self.path.clone(), self.read()?, None)
    }

    /// Reads and opens it again, in case that somebody replaced it.
    ///
    /// # Errors
    /// As [`CredentialSource::open`].
    pub fn open_again(&self, before: &OpenedCredential) -> Result<OpenedCredential, Failure> {
        self.open_file(self.path.clone(), self.read()?, before.passphrase.as_ref())
    }

    /// Opens what was made beside `current`: `None` if there is no such file.
    ///
    /// # Errors
    /// As [`CredentialSource::open`]; bad input when it is of another client.
    pub fn open_beside(
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
            None => (self.passphrase)(&path),
        };
        let contents = file
            .open(passphrase)
            .map_err(|failure| about(&path, &failure))?;
        Ok(OpenedCredential {
            path,
            client_id: contents.client_id,
            credential: contents.credential,
            linked: contents.linked,
            passphrase: contents.passphrase,
        })
    }
}

/// Draws a fresh credential and writes it to a file that did not exist.
///
/// # Errors
/// Bad input when the path is taken, unavailable when the disk says no.
pub fn create(
    path: PathBuf,
    client_id: ClientId,
    passphrase: Option<Passphrase>,
) -> Result<OpenedCredential, Failure> {
    let credential = Credential::generate(&mut SysRng)?;
    keep(path, client_id, credential, passphrase)
}

/// Writes a credential to a file that did not exist.
///
/// # Errors
/// Bad input when the path is taken, unavailable when the disk says no.
pub fn keep(
    path: PathBuf,
    client_id: ClientId,
    credential: Credential,
    passphrase: Option<Passphrase>,
) -> Result<OpenedCredential, Failure> {
    let unlinked = OpenedCredential {
        path,
        client_id,
        credential,
        linked: false,
        passphrase,
    };
    write(unlinked, None)
}

/// Writes a credential that is linked, or to be linked, to a file that did not exist.
///
/// # Errors
/// Bad input when the path is taken, unavailable when the disk says no.
pub fn keep_linked(
    path: PathBuf,
    client_id: ClientId,
    credential: Credential,
    passphrase: Option<Passphrase>,
) -> Result<OpenedCredential, Failure> {
    let linked = OpenedCredential {
        path,
        client_id,
        credential,
        linked: true,
        passphrase,
    };
    write(linked, None)
}

fn write(made: OpenedCredential, owned_like: Option<&Path>) -> Result<OpenedCredential, Failure> {
    let OpenedCredential {
        path,
        client_id,
        credential,
        linked,
        passphrase,
    } = &made;
    let contents = format::encode(client_id, credential, *linked, passphrase.as_ref())?;
    private_file::create(path, &contents, owned_like)?;
    Ok(made)
}

/// Writes the credential that is to follow `current` beside it, sealed and named as that is.
///
/// # Errors
/// Bad input when the path is taken, unavailable when the disk says no.
pub fn keep_next(
    current: &OpenedCredential,
    credential: Credential,
) -> Result<OpenedCredential, Failure> {
    let next = OpenedCredential {
        path: private_file::with_suffix(&current.path, NEXT),
        client_id: current.client_id.clone(),
        credential,
        linked: current.linked,
        passphrase: current.passphrase.clone(),
    };
    write(next, Some(&current.path))
}

/// Puts `next` in the place of `current`, which is kept as `.previous`; to be called under the lock.
/// Interrupted anywhere, both are there under some name, and doing it again completes it.
///
/// # Errors
/// Unavailable when the disk says no.
pub fn promote(current: &Path, next: &OpenedCredential) -> Result<(), Failure> {
    let contents = private_file::read(current, format::MAX_FILE)?;
    private_file::replace(&previous_path(current), &contents, Some(current))?;
    private_file::rename(&next.path, current)
}

/// What the credential before the last rotation is called.
#[must_use]
pub fn previous_path(current: &Path) -> PathBuf {
    private_file::with_suffix(current, ".previous")
}

/// What a credential is called that the server has not yet said yes to.
pub const NEXT: &str = ".next";

/// `credentials/<client id>.json` in the user's data directory; a client id is safe as a file name.
///
/// # Errors
/// Unavailable where no home directory is known.
pub fn default_path(client_id: &ClientId) -> Result<PathBuf, Failure> {
    Ok(data_directory()?
        .join("credentials")
        .join(format!("{client_id}.json")))
}

/// The user's data directory for this program, which need not exist.
///
/// # Errors
/// Unavailable where no home directory is known.
pub fn data_directory() -> Result<PathBuf, Failure> {
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
