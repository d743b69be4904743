//! A token that is given to a command: from a file, standard input, the environment or, where it
//! must be, the command line.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

use zeroize::Zeroizing;

use twofapi_client::{Failure, environment, private_file};

const MAX: usize = 16 * 1024;

/// Where a token may come from, in the order in which they are tried.
pub(super) struct Sources<'a> {
    /// What it is, for messages.
    pub(super) what: &'static str,
    /// The value itself, or `-` for standard input.
    pub(super) value: Option<&'a str>,
    /// A file whose contents it is, or `-` for standard input.
    pub(super) file: Option<&'a Path>,
    /// The variable of the environment.
    pub(super) variable: &'static str,
}

impl Sources<'_> {
    /// The token without the blanks around it: visible ASCII, as an HTTP header can carry it.
    /// `None` when no source is given.
    pub(super) fn read(&self) -> Result<Option<Zeroizing<String>>, Failure> {
        let contents = match (self.value, self.file) {
            (Some("-"), _) => self.bounded("standard input", io::stdin())?,
            (Some(value), _) => Zeroizing::new(value.into()),
            (None, Some(path)) if path == Path::new("-") => {
                self.bounded("standard input", io::stdin())?
            }
            (None, Some(path)) => {
                let name = path.display().to_string();
                let file = File::open(path).map_err(|error| self.unreadable(&name, &error))?;
                self.bounded(&name, file)?
            }
            (None, None) => match environment::value(self.variable) {
                Some(value) => Zeroizing::new(value.into_encoded_bytes()),
                None => return Ok(None),
            },
        };
        let token = contents.trim_ascii();
        match std::str::from_utf8(token) {
            Ok(text) if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic()) => {
                Ok(Some(Zeroizing::new(text.into())))
            }
            _ => Err(Failure::bad_input(format!(
                "the {} must be one line of visible ASCII characters without blanks",
                self.what
            ))),
        }
    }

    fn bounded(&self, name: &str, source: impl Read) -> Result<Zeroizing<Vec<u8>>, Failure> {
        private_file::read_bounded(source, MAX)
            .map_err(|error| self.unreadable(name, &error))?
            .ok_or_else(|| {
                Failure::bad_input(format!(
                    "the {} from {name} is longer than {MAX} bytes",
                    self.what
                ))
            })
    }

    fn unreadable(&self, name: &str, error: &io::Error) -> Failure {
        Failure::bad_input(format!(
            "cannot read the {} from {name}: {error}",
            self.what
        ))
    }
}
