//! `2fapi keygen`: a new credential, in a file that nobody else may read.

use std::path::PathBuf;

use clap::Args;
use twofapi_crypto_core::ClientId;

use super::{
    Failure, Output,
    credential::{self, PassphraseArgs},
    private_file,
    show::Shown,
};

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
  2fapi keygen alice --passphrase")]
pub(super) struct KeygenArgs {
    /// The name under which the client will enrol: 1 to 128 of A-Z a-z 0-9 . _ - @ +
    client_id: ClientId,
    /// Where to write the credential [default: credentials/CLIENT_ID.json in your data directory]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Ask for a passphrase and put the file under it (Argon2id, XChaCha20-Poly1305)
    #[arg(long)]
    passphrase: bool,
    #[command(flatten)]
    source: PassphraseArgs,
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
    if path.symlink_metadata().is_ok() {
        return Err(private_file::taken(&path));
    }
    let passphrase = if args.passphrase || args.source.is_given() {
        Some(args.source.new_one()?)
    } else {
        None
    };
    let made = credential::create(path, args.client_id, passphrase)?;
    out.answer(&Shown {
        client_id: made.client_id.to_string(),
        commitment: hex::encode(made.commitment().as_bytes()),
        file: made.path.display().to_string(),
        under_passphrase: made.passphrase.is_some(),
    })
}
