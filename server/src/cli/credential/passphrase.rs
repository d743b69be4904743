//! Where a passphrase comes from: a file, the environment or the terminal, never the command line.

use std::{
    env,
    fs::File,
    io,
    os::unix::ffi::OsStringExt,
    path::{Path, PathBuf},
};

use clap::Args;
use zeroize::Zeroizing;

use crate::cli::{Failure, environment, private_file};

const VARIABLE: &str = "TWOFAPI_PASSPHRASE";
const MAX: usize = 4096;

/// The passphrase of a credential file, not empty.
#[derive(Clone)]
pub(in crate::cli) struct Passphrase(Zeroizing<Vec<u8>>);

impl Passphrase {
    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

#[cfg(test)]
impl From<&str> for Passphrase {
    fn from(text: &str) -> Self {
        Self(Zeroizing::new(text.into()))
    }
}

#[derive(Args)]
pub(in crate::cli) struct PassphraseArgs {
    /// File whose first line is the passphrase of the credential file [or set TWOFAPI_PASSPHRASE;
    /// otherwise you are asked]
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
}

impl PassphraseArgs {
    /// Whether there is a passphrase without asking. For a new file a variable that is empty counts,
    /// and is refused: taken as not set, it would leave the file without the passphrase that was meant.
    pub(in crate::cli) fn is_given(&self) -> bool {
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
    pub(in crate::cli) fn new_one(&self) -> Result<Passphrase, Failure> {
        self.given().unwrap_or_else(|| {
            let first = ask("New passphrase: ")?;
            let second = ask("The same again: ")?;
            if first.0 == second.0 {
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
                Ok(Some(contents)) => first_line(&contents, &path.display().to_string()),
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
        Some(first_line(&value, VARIABLE))
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
    first_line(Zeroizing::new(typed).as_bytes(), "the terminal")
}

fn first_line(contents: &[u8], source: &str) -> Result<Passphrase, Failure> {
    let line = contents.split(|&byte| byte == b'\n').next().unwrap_or(&[]);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if line.is_empty() {
        return Err(Failure::bad_input(format!(
            "the passphrase from {source} is empty"
        )));
    }
    Ok(Passphrase(Zeroizing::new(line.into())))
}
