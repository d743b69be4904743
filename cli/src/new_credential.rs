//! The credential of a device that is to be linked: on disk before a server hears of it, and taken up again
//! where a link was cut off.

use std::path::{Path, PathBuf};

use getrandom::SysRng;
use twofapi_client::{
    Failure, FailureKind,
    credential::{self, CredentialSource, OpenedCredential, Passphrase},
};
use twofapi_crypto_core::{ClientId, Credential, CredentialName};

/// The credential in this file, which is made if it is not there. `existing` gives the passphrase of one that is,
/// `new` of one that is made.
pub(super) fn made_or_begun(
    path: PathBuf,
    client_id: &ClientId,
    existing: &dyn Fn(&Path) -> Result<Passphrase, Failure>,
    new: impl FnOnce() -> Result<Option<Passphrase>, Failure>,
) -> Result<OpenedCredential, Failure> {
    if !path.exists() {
        let credential = Credential::generate(&mut SysRng)?;
        return credential::keep_linked(path, client_id.clone(), credential, new()?);
    }
    let begun = CredentialSource::at(path, existing).open()?;
    if begun.client_id == *client_id && begun.linked {
        return Ok(begun);
    }
    Err(Failure::new(
        FailureKind::BadInput,
        "file_exists",
        format!(
            "{} is a credential of {} that no link has made, and is never overwritten: name another file",
            begun.path.display(),
            begun.client_id
        ),
    ))
}

/// What a credential is called if its owner does not say: as this machine is.
pub(super) fn name_of_this_machine() -> Result<CredentialName, Failure> {
    let uname = rustix::system::uname();
    CredentialName::parse(uname.nodename().to_bytes()).map_err(|_| {
        Failure::bad_input("this machine has no name that a credential can have: give --name NAME")
    })
}
