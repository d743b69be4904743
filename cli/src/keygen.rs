//! `2fapi keygen`: a new credential, in a file that nobody else may read.

use std::{fmt, path::PathBuf};

use clap::Args;
use serde::Serialize;
use twofapi_crypto_core::{Audience, ClientId, Credential, RecoveryPhrase};
use zeroize::Zeroizing;

use super::{Output, passphrase::PassphraseArgs, phrase, server_args::TrustArgs, show::Shown};
use twofapi_client::{
    Failure, HttpClient, ServerUrl, credential,
    exchange::Exchange,
    private_file,
    recovery::{self, Recovered},
};

#[derive(Args)]
#[command(after_help = "\
The file is the client: whoever has it can authenticate. It is made with mode 0600, never
overwritten, and nothing in it ever leaves this machine but the commitment, when you enrol.

A passphrase protects the file, and only the file. The secret itself is random and has nothing to
do with the passphrase: from a stolen commitment, or from all that a server knows, no passphrase
can be guessed at.

A recovery phrase makes another commitment at each server, so that servers that compare notes learn
nothing, if it is told which: by --server, or by --audience. It restores the credential only where it
is told the same again. With --recover and --server, the server is asked which of the phrase's
credentials it knows.

Examples:
  2fapi keygen alice
  2fapi keygen build-server --out /etc/myapp/2fapi.json
  2fapi keygen alice --passphrase
  2fapi keygen alice --mnemonic --server https://api.example.com
                                        (shows 24 words: write them on paper)
  2fapi keygen alice --recover - --server https://api.example.com
                                        (asks for them, and makes the same credential)
  2fapi keygen alice --recover -        (of a phrase that was made without --server)")]
pub(super) struct KeygenArgs {
    /// The name under which the client will enrol: 1 to 128 of A-Z a-z 0-9 . _ - @ +
    client_id: ClientId,
    /// Where to write the credential [default: credentials/CLIENT_ID.json in your data directory]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Ask for a passphrase and put the file under it (Argon2id, XChaCha20-Poly1305)
    #[arg(long)]
    passphrase: bool,
    /// Make the credential from a recovery phrase of 24 words, and show it, once
    #[arg(long, conflicts_with = "recover")]
    mnemonic: bool,
    /// Make the credential that a recovery phrase restores; FILE holds it, - asks for it
    #[arg(long, value_name = "FILE")]
    recover: Option<PathBuf>,
    /// URL of the server that the phrase is for; with --recover it is asked what it knows
    #[arg(long, value_name = "URL", value_parser = ServerUrl::parse)]
    server: Option<ServerUrl>,
    #[command(flatten)]
    trust: TrustArgs,
    /// Audience that the phrase is for, where it is not the origin of --server
    #[arg(long)]
    audience: Option<Audience>,
    /// With --recover and --audience, without asking a server: how often was rotated under the phrase
    #[arg(long, value_name = "NUMBER", requires_all = ["recover", "audience"], conflicts_with = "server")]
    generation: Option<u32>,
    #[command(flatten)]
    source: PassphraseArgs,
}

/// What was made, and how to make it again.
#[derive(Serialize)]
struct Made {
    #[serde(flatten)]
    shown: Shown,
    #[serde(skip_serializing_if = "Option::is_none")]
    recovery_phrase: Option<Zeroizing<String>>,
}

pub(super) fn run(args: KeygenArgs, out: Output) -> Result<(), Failure> {
    let path = match args.out.clone() {
        Some(path) => path,
        None => {
            let path = credential::default_path(&args.client_id)?;
            if let Some(directory) = path.parent() {
                private_file::create_directory(directory)?;
            }
            path
        }
    };
    // Said before a passphrase is asked for; the file system has the last word when it is written.
    private_file::can_be_made(&path)?;
    let passphrase = if args.passphrase || args.source.is_given() {
        Some(args.source.new_one()?)
    } else {
        None
    };
    let audience = args.audience()?;
    let (recovered, recovery_phrase) = match &args.recover {
        Some(file) => (args.recovered(&phrase::read(file)?, audience)?, None),
        None if args.mnemonic => {
            let phrase = RecoveryPhrase::generate(&mut getrandom::SysRng)?;
            (of(&phrase, audience.as_ref(), 0)?, Some(phrase.words()))
        }
        None => {
            let credential = Credential::generate(&mut getrandom::SysRng)?;
            let linked = false;
            (Recovered { credential, linked }, None)
        }
    };
    let keep = match recovered.linked {
        true => credential::keep_linked,
        false => credential::keep,
    };
    let made = keep(path, args.client_id, recovered.credential, passphrase)?;
    let shown = Shown {
        client_id: made.client_id.to_string(),
        commitment: hex::encode(made.commitment().as_bytes()),
        credential_id: made.credential_id().map(|id| id.to_string()),
        file: made.path.display().to_string(),
        under_passphrase: made.passphrase.is_some(),
    };
    out.answer(&Made {
        shown,
        recovery_phrase,
    })
}

impl KeygenArgs {
    /// The audience that a phrase is for, if it is known.
    fn audience(&self) -> Result<Option<Audience>, Failure> {
        let origin = self
            .server
            .as_ref()
            .map(|url| Audience::parse(url.origin()));
        match &self.audience {
            Some(audience) => Ok(Some(audience.clone())),
            None => Ok(origin.transpose()?),
        }
    }

    fn recovered(
        &self,
        phrase: &RecoveryPhrase,
        audience: Option<Audience>,
    ) -> Result<Recovered, Failure> {
        match (&self.server, audience) {
            (Some(url), Some(audience)) => {
                let http = HttpClient::new(url.clone(), self.trust.insecure_http)?;
                recovery::find(&Exchange::new(http, audience), &self.client_id, phrase)
            }
            (_, audience) => of(phrase, audience.as_ref(), self.generation.unwrap_or(0)),
        }
    }
}

/// What a phrase gives without asking anybody.
fn of(
    phrase: &RecoveryPhrase,
    audience: Option<&Audience>,
    generation: u32,
) -> Result<Recovered, Failure> {
    let credential = match audience {
        Some(audience) => phrase.credential_at(audience, generation)?,
        None => phrase.credential()?,
    };
    let linked = false;
    Ok(Recovered { credential, linked })
}

impl fmt::Display for Made {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shown.fmt(f)?;
        match &self.recovery_phrase {
            Some(phrase) => phrase::on_paper(f, phrase, &self.shown.client_id),
            None => Ok(()),
        }
    }
}
