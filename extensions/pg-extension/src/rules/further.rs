//! The credentials behind the first one, as the JSON of one column: a client with one credential has
//! none of it, and costs nothing for it.

use serde::{Deserialize, Serialize};
use twofapi_crypto_core::{CredentialName, EnrolledCredential, SuiteId};

/// Times are Unix seconds, 0 where nobody knows.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    name: String,
    commitment: String,
    since: u32,
    created: u64,
    expires_at: Option<u64>,
    suite: u8,
}

impl Stored {
    fn of(credential: &EnrolledCredential) -> Self {
        Self {
            name: credential.name().as_str().into(),
            commitment: hex::encode(credential.commitment()),
            since: credential.since(),
            created: credential.created(),
            expires_at: credential.expires_at(),
            suite: credential.suite().number(),
        }
    }

    fn read(&self) -> Option<EnrolledCredential> {
        let mut commitment = [0; 32];
        hex::decode_to_slice(&self.commitment, &mut commitment).ok()?;
        EnrolledCredential::from_parts(
            commitment,
            CredentialName::parse(self.name.as_bytes()).ok()?,
            self.created,
            self.since,
            SuiteId::from_number(self.suite).ok()?,
            self.expires_at,
        )
        .ok()
    }
}

/// What the column says; `None` where there is nothing to say.
pub(crate) fn write(credentials: &[EnrolledCredential]) -> Option<String> {
    let stored: Vec<_> = credentials.iter().map(Stored::of).collect();
    match stored.is_empty() {
        true => None,
        // Numbers and texts are always written.
        false => serde_json::to_string(&stored).ok(),
    }
}

/// The credentials that the column says; `None` where it was damaged.
pub(crate) fn read(text: &str) -> Option<Vec<EnrolledCredential>> {
    let stored: Vec<Stored> = serde_json::from_str(text).ok()?;
    stored.iter().map(Stored::read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use twofapi_crypto_core::{Commitment, Credential, Record};

    fn commitment() -> Commitment {
        let credential = Credential::generate(&mut getrandom::SysRng).unwrap();
        *credential.commitment()
    }

    #[test]
    fn credentials_come_out_as_they_went_in_whatever_they_are_called() {
        let mut record = Record::enrolled(&commitment(), CredentialName::unnamed(), 1);
        for name in ["a \"quoted\" one", "back\\slash", "'); DROP TABLE x; --"] {
            let by = record.first().id();
            record
                .link(&by, &commitment(), name.parse().unwrap(), u64::MAX)
                .unwrap();
        }
        let id = record.credentials()[2].id();
        record.set_expiry(&id, Some(u64::MAX)).unwrap();
        let written = write(&record.credentials()[1..]).unwrap();
        assert_eq!(read(&written).unwrap(), record.credentials()[1..]);
        assert_eq!(write(&[]), None);
    }

    #[test]
    fn what_was_damaged_is_told_from_what_is_there() {
        let record = Record::enrolled(&commitment(), CredentialName::unnamed(), 1);
        let good = write(record.credentials()).unwrap();
        assert!(read(&good).is_some());
        for (from, to) in [
            ("\"suite\":1", "\"suite\":9"),
            ("\"name\":\"first\"", "\"name\":\" first\""),
            ("\"since\":1", "\"since\":-1"),
            ("\"since\":1", "\"since\":1,\"since\":2"),
            ("\"since\":1", "\"since\":1,\"more\":2"),
            ("\"commitment\":\"", "\"commitment\":\"00"),
            ("[", ""),
        ] {
            assert!(good.contains(from), "{from}");
            assert!(read(&good.replacen(from, to, 1)).is_none(), "{to}");
        }
    }
}
