//! The credential file: JSON that says its format, version and suite, with secret and blinding in
//! the clear or under a passphrase.

use serde::{Deserialize, Serialize};
use twofapi_crypto_core::{ClientId, Commitment, Credential, CredentialId, SUITE};
use zeroize::Zeroizing;

use super::{
    hex_bytes::{Hex, SecretHex},
    passphrase::Passphrase,
    sealed::{Cipher, Kdf, Sealed},
};
use crate::{Failure, FailureKind};

/// The longest file that is read, in bytes; one of ours has less than 1000.
pub(super) const MAX_FILE: usize = 16 * 1024;

const FORMAT: &str = "2fapi-credential";
const VERSION: u64 = 1;

/// A credential file as it was read: the public parts, and the secret ones sealed or not.
#[derive(Debug)]
pub struct CredentialFile {
    client_id: ClientId,
    commitment: Commitment,
    linked: bool,
    body: Body,
}

/// What opening a file gives.
pub(super) struct Contents {
    pub(super) client_id: ClientId,
    pub(super) credential: Credential,
    pub(super) linked: bool,
    /// What it was sealed under.
    pub(super) passphrase: Option<Passphrase>,
}

#[derive(Debug)]
enum Body {
    Plain(Credential),
    Sealed(Sealed),
}

/// What is looked at first, of whatever version the rest is.
#[derive(Deserialize)]
struct Header {
    format: Option<String>,
    version: Option<u64>,
}

/// Every field may be missing, so that it is we who say which one is.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    format: Option<String>,
    version: Option<u64>,
    suite: Option<String>,
    client_id: Option<String>,
    commitment: Option<Hex<32>>,
    /// Of a credential that was linked: what requests name it by.
    #[serde(skip_serializing_if = "Option::is_none")]
    credential_id: Option<Hex<16>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<SecretHex>,
    #[serde(skip_serializing_if = "Option::is_none")]
    blinding: Option<SecretHex>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kdf: Option<Kdf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cipher: Option<Cipher>,
    #[serde(skip_serializing_if = "Option::is_none")]
    nonce: Option<Hex<24>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ciphertext: Option<Hex<80>>,
}

impl CredentialFile {
    /// Reads a file's contents. Nothing of a secret is in the error.
    ///
    /// # Errors
    /// Bad input (code `bad_credential_file`), saying what is wrong with it.
    pub fn parse(contents: &[u8]) -> Result<Self, Failure> {
        let header: Header = serde_json::from_slice(contents).map_err(|error| not_ours(&error))?;
        if header.format.as_deref() != Some(FORMAT) {
            return Err(bad("its \"format\" is not \"2fapi-credential\""));
        }
        let version = header.version.ok_or_else(|| missing("version"))?;
        if version != VERSION {
            return Err(bad(format!(
                "its version is {version}, and this program knows version {VERSION}; use the 2fapi \
                 that made it"
            )));
        }
        let mut wire: Wire = serde_json::from_slice(contents).map_err(|error| not_ours(&error))?;
        let suite = wire.suite.take().ok_or_else(|| missing("suite"))?;
        if suite.as_bytes() != SUITE {
            return Err(bad(format!(
                "it is of another suite than {}",
                String::from_utf8_lossy(SUITE)
            )));
        }
        let client_id = wire.client_id.take().ok_or_else(|| missing("client_id"))?;
        let client_id = ClientId::parse(&client_id).map_err(|error| bad(error.to_string()))?;
        let commitment = wire.commitment.take();
        let commitment = commitment.ok_or_else(|| missing("commitment"))?;
        let commitment =
            Commitment::from_bytes(&commitment.0).map_err(|error| bad(error.to_string()))?;
        let linked = match wire.credential_id.take() {
            None => false,
            Some(id) if id.0 == *CredentialId::of(commitment.as_bytes()).as_bytes() => true,
            Some(_) => return Err(bad("its \"credential_id\" is not that of its commitment")),
        };
        let body = match wire {
            Wire {
                secret: Some(secret),
                blinding: Some(blinding),
                kdf: None,
                cipher: None,
                nonce: None,
                ciphertext: None,
                ..
            } => {
                let credential = Credential::from_bytes(secret.0.as_ref(), blinding.0.as_ref())
                    .map_err(|error| bad(error.to_string()))?;
                Body::Plain(checked(credential, &commitment)?)
            }
            Wire {
                secret: None,
                blinding: None,
                kdf: Some(kdf),
                cipher: Some(cipher),
                nonce: Some(nonce),
                ciphertext: Some(ciphertext),
                ..
            } => {
                kdf.check()?;
                Body::Sealed(Sealed {
                    kdf,
                    cipher,
                    nonce,
                    ciphertext,
                })
            }
            _ => {
                return Err(bad(
                    "it must have either \"secret\" and \"blinding\", or \"kdf\", \"cipher\", \
                     \"nonce\" and \"ciphertext\"",
                ));
            }
        };
        Ok(Self {
            client_id,
            commitment,
            linked,
            body,
        })
    }

    /// Whose it is.
    #[must_use]
    pub const fn client_id(&self) -> &ClientId {
        &self.client_id
    }

    /// What it is enrolled as.
    #[must_use]
    pub const fn commitment(&self) -> &Commitment {
        &self.commitment
    }

    /// What requests name it by, if it was linked.
    #[must_use]
    pub fn credential_id(&self) -> Option<CredentialId> {
        self.linked
            .then(|| CredentialId::of(self.commitment.as_bytes()))
    }

    /// Whether a passphrase is needed.
    #[must_use]
    pub const fn is_sealed(&self) -> bool {
        matches!(self.body, Body::Sealed(_))
    }

    /// The credential; `passphrase` is asked for only if there is one.
    pub(super) fn open(
        self,
        passphrase: impl FnOnce() -> Result<Passphrase, Failure>,
    ) -> Result<Contents, Failure> {
        let Self {
            client_id,
            commitment,
            linked,
            body,
        } = self;
        let (credential, passphrase) = match body {
            Body::Plain(credential) => (credential, None),
            Body::Sealed(sealed) => {
                let passphrase = passphrase()?;
                let public = authenticated(&client_id, &commitment, linked);
                let credential = sealed.open(&passphrase, &public)?;
                (checked(credential, &commitment)?, Some(passphrase))
            }
        };
        Ok(Contents {
            client_id,
            credential,
            linked,
            passphrase,
        })
    }
}

/// The contents of a credential file, under the passphrase if there is one.
pub(super) fn encode(
    client_id: &ClientId,
    credential: &Credential,
    linked: bool,
    passphrase: Option<&Passphrase>,
) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let commitment = credential.commitment();
    let credential_id = CredentialId::of(commitment.as_bytes());
    let mut wire = Wire {
        format: Some(FORMAT.into()),
        version: Some(VERSION),
        suite: Some(String::from_utf8_lossy(SUITE).into()),
        client_id: Some(client_id.as_str().into()),
        commitment: Some(Hex(commitment.to_bytes())),
        credential_id: linked.then(|| Hex(*credential_id.as_bytes())),
        secret: None,
        blinding: None,
        kdf: None,
        cipher: None,
        nonce: None,
        ciphertext: None,
    };
    if let Some(passphrase) = passphrase {
        let public = authenticated(client_id, commitment, linked);
        let sealed = Sealed::seal(credential, passphrase, &public)?;
        wire.kdf = Some(sealed.kdf);
        wire.cipher = Some(sealed.cipher);
        wire.nonce = Some(sealed.nonce);
        wire.ciphertext = Some(sealed.ciphertext);
    } else {
        wire.secret = Some(SecretHex(credential.secret_bytes()));
        wire.blinding = Some(SecretHex(credential.blinding_bytes()));
    }
    // Allocated once: growing would leave copies behind.
    let mut contents = Zeroizing::new(Vec::with_capacity(MAX_FILE));
    serde_json::to_writer_pretty(&mut *contents, &wire)
        .map_err(|error| Failure::unavailable(format!("cannot write JSON: {error}")))?;
    contents.push(b'\n');
    Ok(contents)
}

/// What the seal authenticates beside the secret parts: every public field, length-prefixed.
fn authenticated(client_id: &ClientId, commitment: &Commitment, linked: bool) -> Vec<u8> {
    let version = VERSION.to_be_bytes();
    let credential_id = CredentialId::of(commitment.as_bytes());
    let fields: [&[u8]; 6] = [
        FORMAT.as_bytes(),
        &version,
        SUITE,
        client_id.as_bytes(),
        commitment.as_bytes(),
        credential_id.as_bytes(),
    ];
    // A file that was not linked has no such field.
    let fields = &fields[..if linked { 6 } else { 5 }];
    let mut bytes = Vec::new();
    for field in fields {
        bytes.extend_from_slice(&(field.len() as u32).to_be_bytes());
        bytes.extend_from_slice(field);
    }
    bytes
}

fn checked(credential: Credential, commitment: &Commitment) -> Result<Credential, Failure> {
    if credential.commitment() == commitment {
        Ok(credential)
    } else {
        Err(bad(
            "its commitment does not belong to its secret and blinding",
        ))
    }
}

/// Where the JSON is wrong. How it is wrong would quote what is there, which may be a secret.
fn not_ours(error: &serde_json::Error) -> Failure {
    let what = match error.classify() {
        serde_json::error::Category::Data => {
            "there is a field that does not belong there, is there twice, or has a value of another \
             kind"
        }
        _ => "it is not JSON",
    };
    bad(format!(
        "at line {}, column {}, {what}",
        error.line(),
        error.column()
    ))
}

fn missing(field: &str) -> Failure {
    bad(format!("it has no \"{field}\""))
}

fn bad(problem: impl Into<String>) -> Failure {
    let problem = problem.into();
    Failure::new(
        FailureKind::BadInput,
        "bad_credential_file",
        format!("not a usable credential file: {problem}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use getrandom::SysRng;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn alice() -> ClientId {
        ClientId::parse("alice").unwrap()
    }

    fn credential() -> Credential {
        Credential::generate(&mut SysRng).unwrap()
    }

    fn opened(contents: &[u8], passphrase: &str) -> Result<Credential, Failure> {
        let file = CredentialFile::parse(contents)?;
        file.open(|| Ok(Passphrase::from(passphrase)))
            .map(|contents| contents.credential)
    }

    fn plain() -> Value {
        serde_json::from_slice(&encode(&alice(), &credential(), false, None).unwrap()).unwrap()
    }

    #[test]
    fn a_credential_survives_its_file_with_and_without_a_passphrase() {
        let credential = credential();
        for passphrase in [None, Some(Passphrase::from("correct horse"))] {
            let contents = encode(&alice(), &credential, false, passphrase.as_ref()).unwrap();
            assert!(contents.len() <= MAX_FILE / 2);
            let again = opened(&contents, "correct horse").unwrap();
            assert_eq!(again.secret_bytes(), credential.secret_bytes());
            assert_eq!(again.blinding_bytes(), credential.blinding_bytes());
        }
    }

    #[test]
    fn a_linked_credential_says_its_id_and_an_unlinked_one_has_a_file_as_before() {
        let credential = credential();
        let id = CredentialId::of(credential.commitment().as_bytes());
        for passphrase in [None, Some(Passphrase::from("right"))] {
            let contents = encode(&alice(), &credential, true, passphrase.as_ref()).unwrap();
            let file: Value = serde_json::from_slice(&contents).unwrap();
            assert_eq!(file["credential_id"], id.to_string());
            let parsed = CredentialFile::parse(&contents).unwrap();
            assert_eq!(parsed.credential_id(), Some(id));
            let opened = parsed.open(|| Ok(Passphrase::from("right"))).unwrap();
            assert!(opened.linked);
            // Another's id, and none where there was one under a seal.
            let mut other = file.clone();
            other["credential_id"] = json!("00".repeat(16));
            assert!(CredentialFile::parse(other.to_string().as_bytes()).is_err());
            let mut without = file.clone();
            without.as_object_mut().unwrap().remove("credential_id");
            let without = self::opened(without.to_string().as_bytes(), "right");
            assert_eq!(without.is_ok(), passphrase.is_none());
        }
        let before = plain();
        assert!(before.get("credential_id").is_none());
        let parsed = CredentialFile::parse(before.to_string().as_bytes()).unwrap();
        assert_eq!(parsed.credential_id(), None);
    }

    #[test]
    fn a_sealed_file_shows_neither_secret_nor_blinding_and_needs_its_passphrase() {
        let credential = credential();
        let contents = encode(
            &alice(),
            &credential,
            false,
            Some(&Passphrase::from("right")),
        )
        .unwrap();
        let text = String::from_utf8(contents.to_vec()).unwrap();
        assert!(!text.contains(&hex::encode(credential.secret_bytes())));
        assert!(!text.contains(&hex::encode(credential.blinding_bytes())));
        let failure = opened(&contents, "wrong").unwrap_err();
        assert_eq!(
            (failure.code(), failure.kind()),
            ("wrong_passphrase", FailureKind::Denied)
        );
    }

    #[test]
    fn the_public_parts_of_a_sealed_file_cannot_be_changed() {
        let contents = encode(
            &alice(),
            &credential(),
            false,
            Some(&Passphrase::from("right")),
        )
        .unwrap();
        let file: Value = serde_json::from_slice(&contents).unwrap();
        let other = hex::encode(credential().commitment().as_bytes());
        for (field, value) in [("client_id", "mallory"), ("commitment", other.as_str())] {
            let mut changed = file.clone();
            changed[field] = json!(value);
            let failure = opened(changed.to_string().as_bytes(), "right").unwrap_err();
            assert_eq!(failure.code(), "wrong_passphrase", "{field}");
        }
    }

    #[test]
    fn a_plain_file_with_another_commitment_is_refused() {
        let mut file = plain();
        file["commitment"] = plain()["commitment"].clone();
        let failure = CredentialFile::parse(file.to_string().as_bytes()).unwrap_err();
        assert!(failure.to_string().contains("does not belong"), "{failure}");
    }

    #[test]
    fn a_file_cannot_ask_for_unbounded_work() {
        let contents = encode(
            &alice(),
            &credential(),
            false,
            Some(&Passphrase::from("right")),
        )
        .unwrap();
        let file: Value = serde_json::from_slice(&contents).unwrap();
        for (field, value) in [
            ("memory_kib", json!(u32::MAX)),
            ("memory_kib", json!(MAX_MEMORY_KIB_PLUS_ONE)),
            ("passes", json!(u32::MAX)),
            ("passes", json!(65)),
            ("lanes", json!(17)),
            ("memory_kib", json!(0)),
            ("memory_kib", json!(31)),
            ("passes", json!(0)),
            ("lanes", json!(0)),
        ] {
            let mut changed = file.clone();
            changed["kdf"][field] = value.clone();
            let failure = CredentialFile::parse(changed.to_string().as_bytes()).unwrap_err();
            assert_eq!(failure.kind(), FailureKind::BadInput);
            assert!(failure.to_string().contains("Argon2id"), "{field} {value}");
        }
    }
    const MAX_MEMORY_KIB_PLUS_ONE: u32 = (1 << 20) + 1;

    #[test]
    fn every_missing_or_wrong_field_is_named_without_quoting_a_secret() {
        let file = plain();
        let secret = file["secret"].as_str().unwrap().to_owned();
        let check = |changed: &Value, what: &str| {
            let failure = CredentialFile::parse(changed.to_string().as_bytes()).unwrap_err();
            assert_eq!(failure.code(), "bad_credential_file", "{what}");
            assert!(!failure.to_string().contains(&secret), "{what}: {failure}");
        };
        for field in file.as_object().unwrap().keys() {
            let mut missing = file.clone();
            missing.as_object_mut().unwrap().remove(field);
            check(&missing, field);
            let failure = CredentialFile::parse(missing.to_string().as_bytes()).unwrap_err();
            assert!(failure.to_string().contains(field.as_str()), "{failure}");
            let again = format!("{{{}:{},", json!(field), file[field]);
            let twice = file.to_string().replacen('{', &again, 1);
            let failure = CredentialFile::parse(twice.as_bytes()).unwrap_err();
            assert!(failure.to_string().contains("twice"), "{failure}");
            assert!(!failure.to_string().contains(&secret), "{field}: {failure}");
            for wrong in [
                json!(null),
                json!(7),
                json!([]),
                json!({}),
                json!(" "),
                json!(format!("{secret}:")),
            ] {
                let mut changed = file.clone();
                changed[field] = wrong;
                check(&changed, field);
            }
        }
        // The secret in a wrong place is not quoted either, be it the name of a field.
        let mut changed = file.clone();
        changed[&secret] = json!(1);
        check(&changed, "a secret as a name");
        let cut = file.to_string().replace(&secret, &format!("{secret}\n"));
        let failure = CredentialFile::parse(cut.as_bytes()).unwrap_err();
        assert!(!failure.to_string().contains(&secret), "{failure}");
        for field in ["kdf", "cipher", "version", "suite", "surprise"] {
            let mut changed = file.clone();
            changed[field] = json!(secret);
            check(&changed, field);
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = CredentialFile::parse(&bytes);
        }

        #[test]
        fn a_truncated_or_damaged_file_never_panics_and_never_opens_as_another(
            cut in 0_usize..600,
            at in 0_usize..600,
            byte: u8,
        ) {
            let credential = credential();
            let contents = encode(&alice(), &credential, false, None).unwrap();
            let body = contents.trim_ascii_end();
            prop_assert!(CredentialFile::parse(&body[..cut.min(body.len() - 1)]).is_err());
            let mut damaged = contents.to_vec();
            let at = at % damaged.len();
            damaged[at] = byte;
            if let Ok(other) = opened(&damaged, "") {
                prop_assert_eq!(other.secret_bytes(), credential.secret_bytes());
            }
        }
    }
}
