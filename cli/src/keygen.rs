//! `2fapi keygen`: a new credential, in a file that nobody else may read.

use std::{
    fmt,
    fs::File,
    io::{self, IsTerminal, Read},
    path::{Path, PathBuf},
};

use clap::Args;
use serde::Serialize;
use twofapi_crypto_core::{ClientId, Credential, RecoveryPhrase};
use zeroize::Zeroizing;

use super::{Output, passphrase::PassphraseArgs, show::Shown};
use twofapi_client::{Failure, FailureKind, credential, private_file};

/// More than any 24 words have in bytes, blanks among them.
const MAX_PHRASE: usize = 4096;

#[derive(Args)]
#[command(after_help = "\
The file is the client: whoever has it can authenticate. It is made with mode 0600, never
overwritten, and nothing in it ever leaves this machine but the commitment, when you enrol.

A passphrase protects the file, and only the file. The secret itself is random and has nothing to
do with the passphrase: from a stolen commitment, or from all that a server knows, no passphrase
can be guessed at.

Examples:
  2fapi keygen alice
  2fapi keygen build-server --out /etc/myapp/2fapi.json
  2fapi keygen alice --passphrase
  2fapi keygen alice --mnemonic         (shows 24 words: write them on paper)
  2fapi keygen alice --recover -        (asks for them, and makes the same credential)")]
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
    let path = match args.out {
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
    let (credential, recovery_phrase) = match &args.recover {
        Some(file) => (recover(file)?, None),
        None if args.mnemonic => draw_with_phrase()?,
        None => (Credential::generate(&mut getrandom::SysRng)?, None),
    };
    let made = credential::keep(path, args.client_id, credential, passphrase)?;
    let shown = Shown {
        client_id: made.client_id.to_string(),
        commitment: hex::encode(made.commitment().as_bytes()),
        file: made.path.display().to_string(),
        under_passphrase: made.passphrase.is_some(),
    };
    out.answer(&Made {
        shown,
        recovery_phrase,
    })
}

fn draw_with_phrase() -> Result<(Credential, Option<Zeroizing<String>>), Failure> {
    let phrase = RecoveryPhrase::generate(&mut getrandom::SysRng)?;
    Ok((phrase.credential()?, Some(phrase.words())))
}

fn recover(file: &Path) -> Result<Credential, Failure> {
    let phrase = RecoveryPhrase::parse(&read_phrase(file)?).map_err(|error| {
        Failure::new(FailureKind::BadInput, "invalid_phrase", error.to_string())
    })?;
    Ok(phrase.credential()?)
}

fn read_phrase(file: &Path) -> Result<Zeroizing<String>, Failure> {
    let from_stdin = file == Path::new("-");
    if from_stdin && io::stdin().is_terminal() {
        return rpassword::prompt_password("Recovery phrase (24 words, not shown): ")
            .map(Zeroizing::new)
            .map_err(|_| Failure::bad_input("no recovery phrase was typed"));
    }
    let source: io::Result<Box<dyn Read>> = if from_stdin {
        Ok(Box::new(io::stdin()))
    } else {
        File::open(file).map(|file| Box::new(file) as Box<dyn Read>)
    };
    let name = file.display();
    let contents = source
        .and_then(|source| private_file::read_bounded(source, MAX_PHRASE))
        .map_err(|error| {
            Failure::bad_input(format!(
                "cannot read the recovery phrase from {name}: {error}"
            ))
        })?
        .ok_or_else(|| {
            Failure::bad_input(format!(
                "the recovery phrase from {name} is longer than {MAX_PHRASE} bytes"
            ))
        })?;
    match std::str::from_utf8(&contents) {
        Ok(text) => Ok(Zeroizing::new(text.to_owned())),
        Err(_) => Err(Failure::bad_input(format!("{name} is not a text in UTF-8"))),
    }
}

impl fmt::Display for Made {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shown.fmt(f)?;
        let Some(phrase) = &self.recovery_phrase else {
            return Ok(());
        };
        write!(
            f,
            "\n\nRecovery phrase. Write it on paper: it is not shown again, and whoever has it\n\
                   can authenticate as {}.\n",
            self.shown.client_id
        )?;
        for (i, word) in phrase.split(' ').enumerate() {
            let separator = if i % 6 == 0 { "\n" } else { "" };
            write!(f, "{separator}  {:>2} {word:<8}", i + 1)?;
        }
        Ok(())
    }
}
