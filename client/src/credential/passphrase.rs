//! The passphrase that a credential file is under.

use zeroize::Zeroizing;

use crate::Failure;

/// The passphrase of a credential file, not empty.
#[derive(Clone)]
pub struct Passphrase(Zeroizing<Vec<u8>>);

impl Passphrase {
    /// The first line of what a source holds.
    ///
    /// # Errors
    /// Bad input when it is empty.
    pub fn first_line(contents: &[u8], source: &str) -> Result<Self, Failure> {
        let line = contents.split(|&byte| byte == b'\n').next().unwrap_or(&[]);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            return Err(Failure::bad_input(format!(
                "the passphrase from {source} is empty"
            )));
        }
        Ok(Self(Zeroizing::new(line.into())))
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl PartialEq for Passphrase {
    /// For what was typed twice by one person: nobody measures its time.
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

#[cfg(test)]
impl From<&str> for Passphrase {
    fn from(text: &str) -> Self {
        Self(Zeroizing::new(text.into()))
    }
}
