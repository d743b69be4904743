//! Rotation, and what an interrupted one leaves for the next attempt to complete.
//!
//! The new credential is on disk, as `<file>.next`, before the server hears of its commitment, and
//! is never deleted: only the server's yes, or a login that succeeds with it, moves it into the
//! place of the current one, which is kept as `<file>.previous`. Until then every attempt asks for
//! the same new commitment, so a request that arrives late can do no harm.

use getrandom::SysRng;
use twofapi_crypto_core::Credential;

use crate::{
    Failure, FailureKind,
    credential::{self, CredentialSource, OpenedCredential},
    exchange::{AccessToken, Exchange},
};

/// How a rotation ended.
pub struct Rotation {
    /// The credential that is in force now; its file has taken the place of the one before.
    pub credential: OpenedCredential,
    /// `None` when an earlier attempt had succeeded, so that the server told its version to nobody.
    pub commitment_version: Option<u64>,
}

/// Replaces the credential by a new one. `note` is told what a person may want to know.
///
/// # Errors
/// Why it did not take place, or that this is not known; the new credential is kept then, and the
/// same call takes it up again.
pub fn rotate(
    exchange: &Exchange,
    source: &CredentialSource<'_>,
    note: &dyn Fn(&str),
) -> Result<Rotation, Failure> {
    begin(exchange, source, None, note)
}

/// Replaces the credential by the one that `follow` gives for it, such as the next generation of a recovery
/// phrase.
///
/// # Errors
/// As [`rotate`]; bad input when a rotation to another credential was begun before, and as `follow` says.
pub fn rotate_to(
    exchange: &Exchange,
    source: &CredentialSource<'_>,
    follow: &dyn Fn(&OpenedCredential) -> Result<Credential, Failure>,
    note: &dyn Fn(&str),
) -> Result<Rotation, Failure> {
    begin(exchange, source, Some(follow), note)
}

type Follow<'a> = &'a dyn Fn(&OpenedCredential) -> Result<Credential, Failure>;

fn begin(
    exchange: &Exchange,
    source: &CredentialSource<'_>,
    follow: Option<Follow<'_>>,
    note: &dyn Fn(&str),
) -> Result<Rotation, Failure> {
    let _lock = source.lock(note)?;
    let current = source.open()?;
    let wanted = follow.map(|follow| follow(&current)).transpose()?;
    let begun = source.open_beside(&current, credential::NEXT)?;
    let next = match (begun, wanted) {
        (Some(next), Some(wanted)) if next.commitment() != wanted.commitment() => {
            return Err(Failure::bad_input(format!(
                "a rotation to another credential was begun with {}: complete it first, by the same \
                 command without the recovery phrase",
                next.path.display()
            )));
        }
        (Some(next), _) => {
            note(&format!(
                "taking up the rotation that was begun with {}",
                next.path.display()
            ));
            next
        }
        (None, Some(wanted)) => credential::keep_next(&current, wanted)?,
        (None, None) => credential::keep_next(&current, Credential::generate(&mut SysRng)?)?,
    };
    let version = match exchange.rotate(&current, &next) {
        Ok(version) => Some(version),
        Err(failure) if failure.kind() == FailureKind::Denied => {
            match exchange.login(&next) {
                Ok(_) => note("an earlier attempt had succeeded; the new credential is in force"),
                Err(again) if again.kind() == FailureKind::Denied => {
                    return Err(failure.with_hint(&kept(&next)));
                }
                Err(other) => return Err(other.with_hint(&kept(&next))),
            }
            None
        }
        Err(failure) if failure.kind() == FailureKind::Unavailable => {
            return Err(failure.with_hint(&format!(
                "whether the rotation took place is not known: {}",
                kept(&next)
            )));
        }
        Err(failure) => return Err(failure.with_hint(&kept(&next))),
    };
    credential::promote(&current.path, &next)?;
    Ok(Rotation {
        credential: OpenedCredential {
            path: current.path,
            ..next
        },
        commitment_version: version,
    })
}

/// Logs in with the credential in force: the current one, or the one that an interrupted rotation
/// left as `.next`, which then takes its place.
///
/// # Errors
/// Denied when neither is accepted; as the server says or the way there fails.
pub fn login(
    exchange: &Exchange,
    source: &CredentialSource<'_>,
    note: &dyn Fn(&str),
) -> Result<(OpenedCredential, AccessToken), Failure> {
    let tried = source.open()?;
    let denied = match exchange.login(&tried) {
        Ok(token) => return Ok((tried, token)),
        Err(failure) if failure.kind() == FailureKind::Denied => failure,
        Err(failure) => return Err(failure),
    };
    let _lock = source.lock(note)?;
    let current = source.open_again(&tried)?;
    if current.commitment() != tried.commitment() {
        // A rotation was completed meanwhile.
        let token = exchange.login(&current)?;
        return Ok((current, token));
    }
    let Some(next) = source.open_beside(&current, credential::NEXT)? else {
        let previous = credential::previous_path(&current.path);
        return Err(if previous.exists() {
            denied.with_hint(&format!(
                "the credential before the last rotation is in {}",
                previous.display()
            ))
        } else {
            denied
        });
    };
    let token = exchange.login(&next)?;
    credential::promote(&current.path, &next)?;
    note("a rotation that was cut off had succeeded; the new credential is in force");
    Ok((
        OpenedCredential {
            path: current.path,
            ..next
        },
        token,
    ))
}

fn kept(next: &OpenedCredential) -> String {
    format!(
        "the new credential is kept in {}, and the same command takes it up again",
        next.path.display()
    )
}
