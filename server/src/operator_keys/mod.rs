//! The operator's keys: from them every server of a store derives its challenges, and under them a shared
//! store keeps the seeds that sign tokens. They are in a file, and never in a store.

#[cfg(feature = "sealing")]
mod sealing;

use std::{fmt, io::Read, os::unix::fs::MetadataExt, path::Path, str, sync::Arc};

use hkdf::Hkdf;
use sha2::Sha512;
use twofapi_crypto_core::{Error, ceremony::Root};
use zeroize::Zeroizing;

#[cfg(feature = "sealing")]
pub(crate) use sealing::Sealed;

const LEN: usize = 32;
/// More than 256 lines have.
const MAX_FILE: u64 = 64 * 1024;

/// What each key is expanded to, and for what: HKDF-SHA-512 (RFC 5869) with this as `info`.
const CHALLENGES: &[u8] = b"2FApi-v1.0-OperatorKey-Challenges";
#[cfg(feature = "sealing")]
const SEALING: &[u8] = b"2FApi-v1.0-OperatorKey-Sealing";

/// The keys of a key file: a line each, `number: 64 hex digits`, the current one first. Numbers are 0 to 255.
/// Silent in `Debug`, zeroized on drop.
#[derive(Clone)]
pub struct OperatorKeys(Arc<[OperatorKey]>);

struct OperatorKey {
    number: u8,
    bytes: Zeroizing<[u8; LEN]>,
}

impl OperatorKeys {
    /// Draws one key, which gets this number.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the random source fails.
    pub fn generate(number: u8) -> Result<Self, Error> {
        let mut bytes = Zeroizing::new([0; LEN]);
        getrandom::fill(bytes.as_mut()).map_err(|_| Error::Unavailable {
            reason: "the random source of the operating system failed".into(),
        })?;
        Ok(Self(Arc::new([OperatorKey { number, bytes }])))
    }

    /// Reads a key file, which nobody but its owner may be able to read.
    ///
    /// # Errors
    /// [`Error::Unavailable`], saying what the operator can do; it names lines and quotes none.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let wrong = |reason: String| Error::Unavailable {
            reason: format!("cannot use the key file {}: {reason}", path.display()),
        };
        let file = std::fs::File::open(path).map_err(|error| wrong(error.to_string()))?;
        let about = file.metadata().map_err(|error| wrong(error.to_string()))?;
        if !about.is_file() {
            return Err(wrong("it is no file".into()));
        }
        if about.mode() & 0o077 != 0 {
            return Err(wrong(
                "others than its owner can read or write it; chmod 600 makes it private".into(),
            ));
        }
        // Read into memory that does not grow, so that no copy of it is left behind.
        let mut text = Zeroizing::new(Vec::with_capacity(MAX_FILE as usize + 1));
        file.take(MAX_FILE + 1)
            .read_to_end(&mut text)
            .map_err(|error| wrong(error.to_string()))?;
        if text.len() as u64 > MAX_FILE {
            return Err(wrong("it is longer than a key file can be".into()));
        }
        let text = str::from_utf8(&text).map_err(|_| wrong("it is not text".into()))?;
        Self::parse(text).map_err(wrong)
    }

    /// Reads what a key file says. The error says what is wrong with which line, and quotes none.
    fn parse(text: &str) -> Result<Self, String> {
        let mut keys: Vec<OperatorKey> = Vec::new();
        for (at, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let wrong = |what: &str| format!("line {}: {what}", at + 1);
            let form = "expected `number: 64 hex digits`, such as `0: 5a…`";
            let (number, digits) = line.split_once(':').ok_or_else(|| wrong(form))?;
            let number = number
                .trim()
                .parse()
                .map_err(|_| wrong("the number of a key is 0 to 255"))?;
            if keys.iter().any(|key| key.number == number) {
                return Err(wrong("a line above has the same number"));
            }
            let mut bytes = Zeroizing::new([0; LEN]);
            hex::decode_to_slice(digits.trim(), bytes.as_mut()).map_err(|_| wrong(form))?;
            keys.push(OperatorKey { number, bytes });
        }
        match keys.is_empty() {
            true => Err("there is no key in it; `2fapi keys new FILE` makes one".into()),
            false => Ok(Self(keys.into())),
        }
    }

    /// What the file has to say for these keys.
    #[must_use]
    pub fn to_text(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(self.0.len() * (2 * LEN + 8)));
        for key in &*self.0 {
            let digits = Zeroizing::new(hex::encode(key.bytes.as_ref()));
            text.push_str(&key.number.to_string());
            text.push_str(": ");
            text.push_str(&digits);
            text.push('\n');
        }
        text
    }

    /// The roots of challenge keys: the first issues, all are recognized.
    #[must_use]
    pub fn roots(&self) -> Vec<Root> {
        let root = |key: &OperatorKey| {
            let bytes = key.expanded(CHALLENGES);
            Root::new(key.number, *bytes)
        };
        self.0.iter().map(root).collect()
    }

    #[cfg(feature = "sealing")]
    fn current(&self) -> &OperatorKey {
        // There are none without one.
        &self.0[0]
    }

    #[cfg(feature = "sealing")]
    fn of_number(&self, number: u8) -> Option<&OperatorKey> {
        self.0.iter().find(|key| key.number == number)
    }
}

impl OperatorKey {
    fn expanded(&self, info: &[u8]) -> Zeroizing<[u8; LEN]> {
        let mut key = Zeroizing::new([0; LEN]);
        let expanded = Hkdf::<Sha512>::new(None, self.bytes.as_ref()).expand(info, key.as_mut());
        // It refuses more than 255 hashes, and this is less than one.
        debug_assert!(expanded.is_ok());
        key
    }
}

impl fmt::Debug for OperatorKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let numbers = self.0.iter().map(|key| key.number);
        f.debug_list().entries(numbers).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::{io::Write, os::unix::fs::OpenOptionsExt};

    use super::*;

    #[test]
    fn a_key_file_is_read_as_it_was_written_the_first_line_first() {
        let drawn = OperatorKeys::generate(0).unwrap();
        let again = OperatorKeys::parse(&drawn.to_text()).unwrap();
        assert_eq!(again.0[0].bytes, drawn.0[0].bytes);
        let text = format!(
            "# of this year\n 7: {}\n\n255:{}\n",
            "ab".repeat(32),
            "CD".repeat(32)
        );
        let keys = OperatorKeys::parse(&text).unwrap();
        let numbers: Vec<_> = keys.roots().iter().map(Root::number).collect();
        assert_eq!(numbers, [7, 255]);
        assert_eq!(format!("{keys:?}"), "[7, 255]");
    }

    #[test]
    fn what_is_no_key_file_is_refused_by_its_line_and_not_quoted() {
        let digits = "ab".repeat(32);
        for (text, said) in [
            (String::new(), "there is no key in it"),
            ("# nothing\n".into(), "there is no key in it"),
            (digits.clone(), "line 1: expected"),
            (format!("0: {digits}\n256: {digits}"), "line 2: the number"),
            (format!("0: {digits}\n0: {digits}"), "line 2: a line above"),
            (format!("0: {}", &digits[2..]), "line 1: expected"),
            (format!("0: {digits}ab"), "line 1: expected"),
            (format!("0: {}zz", &digits[2..]), "line 1: expected"),
        ] {
            let reason = OperatorKeys::parse(&text).unwrap_err();
            assert!(reason.contains(said), "{reason}");
            assert!(!reason.contains("abab"), "{reason}");
        }
    }

    #[test]
    fn a_key_file_that_others_can_read_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("keys");
        let mut file = std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .unwrap();
        write!(file, "0: {}", "ab".repeat(32)).unwrap();
        assert!(OperatorKeys::read(&path).is_ok());
        let wider = std::os::unix::fs::PermissionsExt::from_mode(0o640);
        file.set_permissions(wider).unwrap();
        let reason = OperatorKeys::read(&path).unwrap_err().to_string();
        assert!(reason.contains("chmod 600"), "{reason}");
        assert!(OperatorKeys::read(directory.path()).is_err());
        assert!(OperatorKeys::read(&directory.path().join("none")).is_err());
    }

    #[cfg(feature = "sealing")]
    #[test]
    fn what_a_key_is_expanded_to_for_one_use_tells_nothing_of_another() {
        let keys = OperatorKeys::generate(0).unwrap();
        let key = keys.current();
        assert_ne!(key.expanded(CHALLENGES), key.expanded(SEALING));
        assert_ne!(key.expanded(CHALLENGES), key.bytes);
    }
}
