//! Where a passphrase comes from: a file, the environment or the terminal, never the command line.

use std::{
    env,
    fs::File,
    io,
    os::unix::ffi::OsStringExt,
    path::{Path, PathBuf},
};

use clap::Args;
use twofapi_client::{Failure, credential::Passphrase, environment, private_file};
use zeroize::Zeroizing;

const VARIABLE: &str = "TWOFAPI_PASSPHRASE";
const MAX: usize = 4096;

#[derive(Args)]
pub(super) struct PassphraseArgs {
    /// File whose first line is the passphrase of the credential file [or set TWOFAPI_PASSPHRASE;
    /// otherwise you are asked]
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
}

impl PassphraseArgs {
    /// Whether there is a passphrase without asking. For a new file a variable that is empty counts,
    /// and is refused: taken as not set, it would leave the file without the passphrase that was meant.
    pub(super) fn is_given(&self) -> bool {
        self.passphrase_file.is_some() || env::var_os(VARIABLE).is_some()
    }

    /// The passphrase of a file that exists.
    pub(super) fn existing(&self, file: &Path) -> Result<Passphrase, Failure> {
        let is_given = self.passphrase_file.is_some() || environment::value(VARIABLE).is_some();
        is_given
            .then(|| self.given())
            .flatten()
            .unwrap_or_else(|| ask(&format!("Passphrase of {}: ", file.display())))
    }

    /// A passphrase for a new file, asked for twice.
    pub(super) fn new_one(&self) -> Result<Passphrase, Failure> {
        self.given().unwrap_or_else(|| {
            let first = ask("New passphrase: ")?;
            let second = ask("The same again: ")?;
            if first == second {
                Ok(first)
            } else {
                Err(Failure::bad_input(
                    "the two passphrases differ; nothing was written",
                ))
            }
        })
    }

    fn given(&self) -> Option<Result<Passphrase, Failure>> {
        if let Some(path) = &self.passphrase_file {
            let read = File::open(path).and_then(|file| private_file::read_bounded(file, MAX));
            return Some(match read {
                Ok(Some(contents)) => {
                    Passphrase::first_line(&contents, &path.display().to_string())
                }
                Ok(None) => Err(Failure::bad_input(format!(
                    "the passphrase file {} is longer than {MAX} bytes",
                    path.display()
                ))),
                Err(error) => Err(Failure::bad_input(format!(
                    "cannot read the passphrase file {}: {error}",
                    path.display()
                ))),
            });
        }
        let value = Zeroizing::new(env::var_os(VARIABLE)?.into_vec());
        Some(Passphrase::first_line(&value, VARIABLE))
    }
}

fn ask(prompt: &str) -> Result<Passphrase, Failure> {
    let typed = rpassword::prompt_password(prompt).map_err(|error| match error.kind() {
        io::ErrorKind::Interrupted | io::ErrorKind::UnexpectedEof => {
            Failure::bad_input("no passphrase was typed")
        }
        _ => Failure::bad_input(format!(
            "a passphrase is needed, and there is no terminal to ask at: give --passphrase-file \
             FILE or set {VARIABLE}"
        )),
    })?;
    Passphrase::first_line(Zeroizing::new(typed).as_bytes(), "the terminal")
}
