//! `2fapi rotate`, and what an interrupted rotation leaves for the next command to complete.
//!
//! The new credential is on disk, as `<file>.next`, before the server hears of its commitment, and
//! is never deleted: only the server's yes, or a login that succeeds with it, moves it into the
//! place of the current one, which is kept as `<file>.previous`. Until then every attempt asks for
//! the same new commitment, so a request that arrives late can do no harm.

use std::fmt;

use clap::Args;
use serde::Serialize;
use twofapi_crypto_core::Audience;

use super::{
    Failure, FailureKind, Output,
    credential::{self, CredentialArgs, OpenedCredential},
    exchange::{AccessToken, Exchange},
    http_client::ServerArgs,
};

#[derive(Args)]
#[command(after_help = "\
The new credential is written to FILE.next before the server is asked, takes the place of FILE when
the server has said yes, and the old one is kept as FILE.previous until the next rotation. Cut off
in the middle, run the same command or `2fapi login` again: it finds out which of the two is in
force. Tokens that were given before the rotation are no longer accepted.

Give each server a credential of its own (keygen --out): a rotation at one server leaves the others
with the old commitment.

Example:
  2fapi rotate alice --server https://api.example.com")]
pub(super) struct RotateArgs {
    #[command(flatten)]
    credential: CredentialArgs,
    #[command(flatten)]
    server: ServerArgs,
    /// The server's audience, where the operator says that it is not the origin of the URL
    #[arg(long)]
    audience: Option<Audience>,
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
    let _lock = args.credential.lock(out)?;
    let current = args.credential.open()?;
    let next = match args.credential.open_beside(&current, credential::NEXT)? {
        Some(next) => {
            out.note(format!(
                "taking up the rotation that was begun with {}",
                next.path.display()
            ));
            next
        }
        None => credential::create_next(&current)?,
    };
    let version = match exchange.rotate(&current, &next) {
        Ok(version) => Some(version),
        Err(failure) if failure.kind() == FailureKind::Denied => {
            match exchange.login(&next) {
                Ok(_) => {
                    out.note("an earlier attempt had succeeded; the new credential is in force")
                }
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
    out.answer(&Rotated {
        client_id: next.client_id.to_string(),
        commitment: hex::encode(next.commitment().as_bytes()),
        commitment_version: version,
        file: current.path.display().to_string(),
    })
}

/// Logs in with the credential in force: the current one, or the one that an interrupted rotation
/// left as `.next`, which then takes its place.
pub(super) fn login(
    exchange: &Exchange,
    credentials: &CredentialArgs,
    out: Output,
) -> Result<(OpenedCredential, AccessToken), Failure> {
    let tried = credentials.open()?;
    let denied = match exchange.login(&tried) {
        Ok(token) => return Ok((tried, token)),
        Err(failure) if failure.kind() == FailureKind::Denied => failure,
        Err(failure) => return Err(failure),
    };
    let _lock = credentials.lock(out)?;
    let current = credentials.open_again(&tried)?;
    if current.commitment() != tried.commitment() {
        // A rotation was completed meanwhile.
        let token = exchange.login(&current)?;
        return Ok((current, token));
    }
    let Some(next) = credentials.open_beside(&current, credential::NEXT)? else {
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
    out.note("a rotation that was cut off had succeeded; the new credential is in force");
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
