//! `2fapi link`: another credential for a client, at this device or at a second one.

use std::{
    fmt,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use clap::Args;
use getrandom::SysRng;
use serde::Serialize;
use twofapi_crypto_core::{Audience, ClientId, CredentialName, RecoveryPhrase, ceremony::LinkCode};
use zeroize::Zeroizing;

use super::{
    Output, credential::CredentialArgs, new_credential::made_or_begun, phrase::on_paper, qr,
    server_args::ServerArgs, typed,
};
use twofapi_client::{
    Failure, FailureKind,
    credential::{self, CredentialSource, OpenedCredential},
    exchange::Exchange,
    links::{Joined, Linked, Pending},
    rotation,
};

/// How often the server is asked whether a device has joined.
const ASK_EVERY: Duration = Duration::from_secs(1);
/// A code is renewed when it is good for no longer than this, in seconds, but not more often than that.
const RENEW_BEFORE: u64 = 15;
const RENEW_EVERY: Duration = Duration::from_secs(30);

#[derive(Args)]
#[command(after_help = "\
Shows a code, as text and in a terminal as a QR code, and waits for the second device, which runs
`2fapi join`. That one shows a number of six digits. You type it here, and only if it is right is the
device linked: so you know that the device that joined is the one in your hand. Give the code to
nobody else, and never type a number that somebody tells you: whoever is linked has the account.

With --here the new credential is made on this machine, for another program or as a spare. With
--mnemonic as well it is one of a recovery phrase, which is shown once: keep it on paper, away from here.

Examples:
  2fapi link alice --server https://api.example.com
  2fapi link alice --server https://api.example.com --here 'spare key' /media/usb/2fapi.json
  2fapi credentials alice --server https://api.example.com     (what is linked)")]
pub(super) struct LinkArgs {
    #[command(flatten)]
    credential: CredentialArgs,
    #[command(flatten)]
    server: ServerArgs,
    /// The server's audience, where the operator says that it is not the origin of the URL
    #[arg(long)]
    audience: Option<Audience>,
    /// Make the new credential on this machine, in FILE, and call it NAME
    #[arg(long, num_args = 2, value_names = ["NAME", "FILE"])]
    here: Option<Vec<String>>,
    /// With --here: make the new credential from a recovery phrase of 24 words, and show it, once
    #[arg(long, requires = "here")]
    mnemonic: bool,
    /// How long to wait for the second device
    #[arg(
        long,
        value_name = "SECONDS",
        default_value = "600",
        conflicts_with = "here"
    )]
    wait: u64,
}

/// What was linked.
#[derive(Serialize)]
struct Done {
    client_id: String,
    name: String,
    #[serde(flatten)]
    linked: Linked,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    recovery_phrase: Option<Zeroizing<String>>,
}

/// A code for the second device.
#[derive(Serialize)]
struct Shown {
    link_code: String,
    expires_at: u64,
    #[serde(skip)]
    picture: Option<String>,
}

pub(super) fn run(args: &LinkArgs, out: Output) -> Result<(), Failure> {
    let exchange = Exchange::new(
        args.server.client()?,
        args.server.audience(args.audience.as_ref())?,
    );
    let here = match args.here.as_deref() {
        Some([name, file]) => Some((name.parse::<CredentialName>()?, PathBuf::from(file))),
        _ => None,
    };
    let done = args.credential.with(|source| match &here {
        Some((name, file)) => {
            let phrase = args.mnemonic.then(|| RecoveryPhrase::generate(&mut SysRng));
            link_here(&exchange, source, (name, file, phrase.transpose()?), out)
        }
        None => link_another(&exchange, source, Duration::from_secs(args.wait), out),
    })?;
    out.answer(&done)
}

fn link_here(
    exchange: &Exchange,
    source: &CredentialSource<'_>,
    (name, file, phrase): (&CredentialName, &Path, Option<RecoveryPhrase>),
    out: Output,
) -> Result<Done, Failure> {
    let note = |text: &str| out.note(text);
    let (by, _) = rotation::login(exchange, source, &note)?;
    // Sealed as the one that links it.
    let new = match &phrase {
        // One that is there already is of a phrase that nobody can show again.
        Some(phrase) => {
            let credential = phrase.credential_at(exchange.audience(), 0)?;
            let path = file.to_owned();
            credential::keep_linked(
                path,
                by.client_id.clone(),
                credential,
                by.passphrase.clone(),
            )?
        }
        None => {
            let known = |_: &Path| {
                let known = by.passphrase.clone();
                known.ok_or_else(|| Failure::bad_input("the file is under a passphrase of its own"))
            };
            made_or_begun(file.to_owned(), &by.client_id, &known, || {
                Ok(by.passphrase.clone())
            })?
        }
    };
    let kept = format!(
        "the new credential is kept in {}, and the same command takes it up again",
        new.path.display()
    );
    let linked = match exchange.link_here(&by, &new.credential, name) {
        // It may have been linked by an attempt whose answer was lost.
        Err(failure) if failure.kind() == FailureKind::Denied && exchange.login(&new).is_ok() => {
            already(exchange, &new)?
        }
        other => other.map_err(|failure| failure.with_hint(&kept))?,
    };
    Ok(Done {
        client_id: by.client_id.to_string(),
        name: name.to_string(),
        linked,
        file: Some(new.path.display().to_string()),
        recovery_phrase: phrase.map(|phrase| phrase.words()),
    })
}

/// What the server says of a credential that is linked already.
fn already(exchange: &Exchange, new: &OpenedCredential) -> Result<Linked, Failure> {
    let token = exchange.login(new)?.token;
    let listed = exchange.credentials(&new.client_id, &token)?;
    Ok(Linked {
        credential_id: new.id().to_string(),
        commitment_version: listed.commitment_version,
    })
}

fn link_another(
    exchange: &Exchange,
    source: &CredentialSource<'_>,
    wait: Duration,
    out: Output,
) -> Result<Done, Failure> {
    let note = |text: &str| out.note(text);
    let (by, access) = rotation::login(exchange, source, &note)?;
    let joined = wait_for_a_device(exchange, &by.client_id, &access.token, wait, out)?;
    out.note(format!(
        "\nA device has joined that calls itself \"{}\". If it is yours, it shows six digits.",
        joined.name
    ));
    let typed = typed::line("Type them here: ")?;
    if typed.is_empty() {
        return Err(Failure::bad_input(
            "no number was typed; nothing was linked",
        ));
    }
    if !joined.is_shown_as(&typed) {
        return Err(Failure::new(
            FailureKind::Denied,
            "number_mismatch",
            "that is not the number of the device that has joined; nothing was linked. If you typed what your \
             device shows, another one has joined in its place: somebody has seen the code",
        ));
    }
    let linked = exchange.link_joined(&by, &joined).map_err(|failure| {
        if failure.kind() == FailureKind::Denied {
            failure.with_hint("another device may have joined meanwhile, or the time was over")
        } else {
            failure
        }
    })?;
    Ok(Done {
        client_id: by.client_id.to_string(),
        name: joined.name.to_string(),
        linked,
        file: None,
        recovery_phrase: None,
    })
}

/// Shows codes, each until it is renewed, until a device has joined by one.
fn wait_for_a_device(
    exchange: &Exchange,
    client_id: &ClientId,
    token: &str,
    wait: Duration,
    out: Output,
) -> Result<Joined, Failure> {
    let until = Instant::now() + wait;
    loop {
        let offer = exchange.offer(client_id, token)?;
        show(&offer.code, offer.expires_at, out)?;
        let shown = Instant::now();
        loop {
            match exchange.pending(&offer.code, token)? {
                Pending::Joined(joined) => return Ok(*joined),
                Pending::Clashed => {
                    return Err(Failure::new(
                        FailureKind::Denied,
                        "clashed",
                        "two devices have joined by this code, and neither is linked: somebody else has seen \
                         it. Run the command again, and show the new code to your own device alone",
                    ));
                }
                Pending::None => break,
                Pending::Open => {}
            }
            if Instant::now() >= until {
                return Err(Failure::new(
                    FailureKind::Denied,
                    "nobody_joined",
                    "no device has joined; nothing was linked",
                ));
            }
            let is_old = now() + RENEW_BEFORE >= offer.expires_at;
            if is_old && shown.elapsed() >= RENEW_EVERY {
                break;
            }
            thread::sleep(ASK_EVERY);
        }
    }
}

fn show(code: &LinkCode, expires_at: u64, out: Output) -> Result<(), Failure> {
    let link_code = code.to_text();
    let picture = out
        .is_for_a_person()
        .then(|| qr::of(&link_code, out.has_colours()))
        .flatten();
    out.answer(&Shown {
        link_code,
        expires_at,
        picture,
    })?;
    out.note("At the second device run `2fapi join` and give it this code. Waiting for it ...");
    Ok(())
}

fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(picture) = &self.picture {
            writeln!(f, "{picture}\n")?;
        }
        f.write_str(&self.link_code)
    }
}

impl fmt::Display for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "linked \"{}\" to {}", self.name, self.client_id)?;
        write!(f, "credential  {}", self.linked.credential_id)?;
        if let Some(file) = &self.file {
            write!(f, "\nfile        {file}")?;
        }
        if let Some(phrase) = &self.recovery_phrase {
            on_paper(f, phrase, &self.client_id)?;
        }
        Ok(())
    }
}
