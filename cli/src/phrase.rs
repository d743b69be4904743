//! Where a recovery phrase comes from, a file, standard input or the terminal and never the command line; and
//! how one is shown.

use std::{
    fmt,
    fs::File,
    io::{self, IsTerminal, Read},
    path::Path,
};

use twofapi_client::{Failure, FailureKind, private_file};
use twofapi_crypto_core::RecoveryPhrase;
use zeroize::Zeroizing;

/// More than any 24 words have in bytes, blanks among them.
const MAX: usize = 4096;

/// The phrase in this file; `-` asks for it, or reads standard input.
pub(super) fn read(file: &Path) -> Result<RecoveryPhrase, Failure> {
    RecoveryPhrase::parse(&text_of(file)?)
        .map_err(|error| Failure::new(FailureKind::BadInput, "invalid_phrase", error.to_string()))
}

fn text_of(file: &Path) -> Result<Zeroizing<String>, Failure> {
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
        .and_then(|source| private_file::read_bounded(source, MAX))
        .map_err(|error| {
            Failure::bad_input(format!(
                "cannot read the recovery phrase from {name}: {error}"
            ))
        })?
        .ok_or_else(|| {
            Failure::bad_input(format!(
                "the recovery phrase from {name} is longer than {MAX} bytes"
            ))
        })?;
    match std::str::from_utf8(&contents) {
        Ok(text) => Ok(Zeroizing::new(text.to_owned())),
        Err(_) => Err(Failure::bad_input(format!("{name} is not a text in UTF-8"))),
    }
}

/// Shows a phrase behind what was made from it.
pub(super) fn on_paper(f: &mut fmt::Formatter<'_>, phrase: &str, client_id: &str) -> fmt::Result {
    write!(
        f,
        "\n\nRecovery phrase. Write it on paper: it is not shown again, and whoever has it\n\
         can authenticate as {client_id}.\n",
    )?;
    for (i, word) in phrase.split(' ').enumerate() {
        let separator = if i % 6 == 0 { "\n" } else { "" };
        write!(f, "{separator}  {:>2} {word:<8}", i + 1)?;
    }
    Ok(())
}
