//! Runs a vector file against `crypto-core`.

use std::fmt;

use sha2::{Digest, Sha512};
use twofapi_crypto_core::{
    ChallengeId, ChallengeKey, ChallengeTtl, ClientId, Commitment, Credential, GENERATOR_G,
    GENERATOR_H, GENERATOR_H_DST, Proof, RecoveryPhrase, TRANSCRIPT_DST, commit,
    curve25519_dalek::Scalar, prove, transcript, verify,
};

use crate::{
    Purpose,
    cases::{
        ChallengeCase, ChallengeFile, ClientIdFile, FileError, RecoveryCase, RecoveryFile,
        SigmaCase, SigmaFile, VectorFile,
    },
};

/// A case that did not come out as the file says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disagreement {
    /// The case.
    pub name: String,
    /// What the file says and what came out.
    pub what: String,
}

impl fmt::Display for Disagreement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.what)
    }
}

/// How a file came out. Displays as `accepted N, rejected N, disagree N`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Cases that must be accepted, and were.
    pub accepted: usize,
    /// Cases that must be refused, and were.
    pub rejected: usize,
    /// All others.
    pub disagreements: Vec<Disagreement>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "accepted {}, rejected {}, disagree {}",
            self.accepted,
            self.rejected,
            self.disagreements.len()
        )
    }
}

/// Runs a vector file of any kind. A case that must be accepted has to agree in every value that
/// the file gives; what cannot even be decoded is refused.
///
/// # Errors
/// [`FileError`] for what is no vector file of ours.
pub fn check(json: &str) -> Result<Report, FileError> {
    let mut report = Report::default();
    match VectorFile::parse(json)? {
        VectorFile::Sigma(file) => {
            constants(&file)?;
            for case in &file.accepted {
                report.must_be_accepted(&case.name, accept(case));
            }
            for case in &file.rejected {
                report.must_be_refused(&case.name, verify_alone(case).map(drop));
            }
        }
        VectorFile::Challenge(ChallengeFile {
            ttl, live, refused, ..
        }) => {
            let ttl = ChallengeTtl::from_seconds(ttl).map_err(|_| FileError::OtherConstants {
                what: "ttl",
                expected: format!("1 to {} seconds", ChallengeTtl::MAX_SECONDS),
            })?;
            for case in &live {
                report.must_be_accepted(&case.name, live_with_its_nonce(case, ttl));
            }
            for case in &refused {
                report.must_be_refused(&case.name, recompute(case, ttl).map(drop));
            }
        }
        VectorFile::ClientId(ClientIdFile { valid, invalid, .. }) => {
            let parse = |text: &str| ClientId::parse(text).map(drop).map_err(refusal);
            for text in &valid {
                report.must_be_accepted(&shortened(text), parse(text));
            }
            for text in &invalid {
                report.must_be_refused(&shortened(text), parse(text));
            }
        }
        VectorFile::Recovery(file) => {
            domain_of_recovery(&file)?;
            for case in &file.valid {
                report.must_be_accepted(&case.name, restores(case));
            }
            for case in &file.invalid {
                let recovered = RecoveryPhrase::parse(&case.phrase);
                report.must_be_refused(&case.name, recovered.map(drop).map_err(refusal));
            }
        }
    }
    Ok(report)
}

impl Report {
    fn must_be_accepted(&mut self, name: &str, outcome: Result<(), String>) {
        match outcome {
            Ok(()) => self.accepted += 1,
            Err(why) => self.disagree(name, format!("must be accepted, but {why}")),
        }
    }

    fn must_be_refused(&mut self, name: &str, outcome: Result<(), String>) {
        match outcome {
            Err(_) => self.rejected += 1,
            Ok(()) => self.disagree(name, "must be refused, but was accepted".into()),
        }
    }

    fn disagree(&mut self, name: &str, what: String) {
        self.disagreements.push(Disagreement {
            name: name.to_owned(),
            what,
        });
    }
}

/// Such a case has no name but itself, which may be long.
fn shortened(text: &str) -> String {
    match text.char_indices().nth(140) {
        Some((end, _)) => format!("{}... ({} bytes)", &text[..end], text.len()),
        None => text.to_owned(),
    }
}

/// A file for other generators or domains would disagree everywhere: say why once.
fn constants(file: &SigmaFile) -> Result<(), FileError> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (g, h) = file
        .generators
        .as_ref()
        .map_or((None, None), |both| (Some(&both.G), Some(&both.H)));
    for (what, given, expected) in [
        (
            "transcript_dst",
            file.transcript_dst.as_ref(),
            text(TRANSCRIPT_DST),
        ),
        (
            "generator_h_dst",
            file.generator_h_dst.as_ref(),
            text(GENERATOR_H_DST),
        ),
        ("generator G", g, hex::encode(GENERATOR_G)),
        ("generator H", h, hex::encode(GENERATOR_H)),
    ] {
        if given.is_some_and(|given| !given.eq_ignore_ascii_case(&expected)) {
            return Err(FileError::OtherConstants { what, expected });
        }
    }
    Ok(())
}

fn domain_of_recovery(file: &RecoveryFile) -> Result<(), FileError> {
    match file.recovery_dst.as_deref() {
        Some(given) if given != RecoveryFile::SUITE => Err(FileError::OtherConstants {
            what: "recovery_dst",
            expected: RecoveryFile::SUITE.into(),
        }),
        _ => Ok(()),
    }
}

fn restores(case: &RecoveryCase) -> Result<(), String> {
    let phrase = RecoveryPhrase::parse(&case.phrase).map_err(refusal)?;
    agree("entropy", Some(&case.entropy), phrase.entropy())?;
    let credential = phrase.credential().map_err(refusal)?;
    agree(
        "secret",
        Some(&case.secret),
        credential.secret_bytes().as_ref(),
    )?;
    agree(
        "blinding",
        Some(&case.blinding),
        credential.blinding_bytes().as_ref(),
    )?;
    agree(
        "commitment",
        Some(&case.commitment),
        credential.commitment().as_bytes(),
    )
}

fn refusal(error: impl fmt::Display) -> String {
    format!("it is refused: {error}")
}

fn bytes(what: &str, digits: &str) -> Result<Vec<u8>, String> {
    hex::decode(digits).map_err(|error| format!("{what} is not hex: {error}"))
}

/// The parts of a case that its types let through.
struct Decoded {
    client_id: ClientId,
    purpose: Purpose,
    commitment: Commitment,
}

/// Decodes and verifies; a refusal is whatever a type or the equation refuses.
fn verify_alone(case: &SigmaCase) -> Result<Decoded, String> {
    let nonce = bytes("nonce", &case.nonce)?;
    let binding = bytes("channel_binding", &case.channel_binding)?;
    let decoded = Decoded {
        client_id: ClientId::parse(&case.client_id).map_err(refusal)?,
        purpose: Purpose::of(&nonce, &binding).map_err(refusal)?,
        commitment: Commitment::from_bytes(&bytes("commitment", &case.commitment)?)
            .map_err(refusal)?,
    };
    let proof = Proof::from_bytes(&bytes("proof", &case.proof)?).map_err(refusal)?;
    let statement = decoded
        .purpose
        .statement(&decoded.client_id)
        .map_err(refusal)?;
    verify(&decoded.commitment, &*statement, &proof).map_err(refusal)?;
    drop(statement);
    Ok(decoded)
}

/// Verifies, and compares every value that the file gives with our own.
fn accept(case: &SigmaCase) -> Result<(), String> {
    let decoded = verify_alone(case)?;
    let commitment = &decoded.commitment;
    let statement = decoded
        .purpose
        .statement(&decoded.client_id)
        .map_err(refusal)?;
    let proof = Proof::from_bytes(&bytes("proof", &case.proof)?).map_err(refusal)?;

    let ours = transcript(commitment.as_bytes(), proof.announcement(), &*statement);
    agree("transcript", case.transcript.as_deref(), &ours)?;
    let digest = Sha512::new_with_prefix(TRANSCRIPT_DST).chain_update(&ours);
    let c = Scalar::from_bytes_mod_order_wide(&digest.finalize().into());
    agree("challenge", case.challenge.as_deref(), c.as_bytes())?;

    let (Some(secret), Some(blinding)) = (&case.secret, &case.blinding) else {
        return Ok(());
    };
    let credential =
        Credential::from_bytes(&bytes("secret", secret)?, &bytes("blinding", blinding)?)
            .map_err(refusal)?;
    agree(
        "commitment",
        Some(&case.commitment),
        credential.commitment().as_bytes(),
    )?;
    if let (Some(k_s), Some(k_r)) = (&case.k_s, &case.k_r) {
        let again = responses(
            [secret, k_s].map(|text| scalar(text)),
            [blinding, k_r].map(|text| scalar(text)),
            &c,
        )?;
        agree("proof", Some(&case.proof), &again)?;
    }
    let fresh = prove(&credential, &*statement, &mut getrandom::SysRng).map_err(refusal)?;
    verify(commitment, &*statement, &fresh)
        .map_err(|error| format!("a fresh proof of ours is refused: {error}"))
}

/// A ‖ z_s ‖ z_r for announcement nonces that the file gives. No prover of ours takes any.
fn responses(
    [s, k_s]: [Result<Scalar, String>; 2],
    [r, k_r]: [Result<Scalar, String>; 2],
    c: &Scalar,
) -> Result<[u8; Proof::LEN], String> {
    let (k_s, k_r) = (k_s?, k_r?);
    let mut proof = [0; Proof::LEN];
    proof[..32].copy_from_slice(commit(&k_s, &k_r).compress().as_bytes());
    proof[32..64].copy_from_slice((k_s + c * s?).as_bytes());
    proof[64..].copy_from_slice((k_r + c * r?).as_bytes());
    Ok(proof)
}

fn scalar(text: &str) -> Result<Scalar, String> {
    let what = "a scalar";
    let bytes = <[u8; 32]>::try_from(bytes(what, text)?)
        .map_err(|bytes| format!("{what} must be 32 bytes, got {}", bytes.len()))?;
    Option::from(Scalar::from_canonical_bytes(bytes))
        .ok_or_else(|| format!("{what} is not canonical"))
}

fn agree(what: &str, theirs: Option<&str>, ours: &[u8]) -> Result<(), String> {
    match theirs {
        Some(theirs) if bytes(what, theirs)? != ours => Err(format!(
            "its {what} is another; ours is {}",
            hex::encode(ours)
        )),
        _ => Ok(()),
    }
}

fn live_with_its_nonce(case: &ChallengeCase, ttl: ChallengeTtl) -> Result<(), String> {
    agree("nonce", case.nonce.as_deref(), &recompute(case, ttl)?)
}

fn recompute(case: &ChallengeCase, ttl: ChallengeTtl) -> Result<Vec<u8>, String> {
    let key = bytes("challenge_key", &case.challenge_key)?;
    let key = <[u8; ChallengeKey::LEN]>::try_from(key)
        .map_err(|key| format!("challenge_key must be 32 bytes, got {}", key.len()))?;
    let client_id = ClientId::parse(&case.client_id).map_err(refusal)?;
    let id = ChallengeId::parse(&case.challenge_id).map_err(refusal)?;
    let challenge = ChallengeKey::from_bytes(key)
        .recompute(&client_id, id, case.now, ttl)
        .map_err(refusal)?;
    Ok(challenge.nonce.as_bytes().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    const SIGMA: &str = include_str!("../vectors/sigma-v1.json");
    const CHALLENGE: &str = include_str!("../vectors/challenge-v1.json");
    const CLIENT_ID: &str = include_str!("../vectors/client-id-v1.json");

    fn sigma() -> Value {
        serde_json::from_str(SIGMA).unwrap()
    }

    fn run(file: &Value) -> Report {
        check(&file.to_string()).unwrap()
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            "\\PC{0,40}".prop_map(Value::from),
            "([0-9a-fA-F]{2}){0,100}".prop_map(Value::from),
        ];
        leaf.prop_recursive(2, 8, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map("[a-z_]{1,9}", inner, 0..4).prop_map(Value::from_iter),
            ]
        })
    }

    /// Every value of a file, as a JSON pointer.
    fn each_place(value: &Value, at: String, places: &mut Vec<String>) {
        match value {
            Value::Object(fields) => {
                for (name, value) in fields {
                    each_place(value, format!("{at}/{name}"), places);
                }
            }
            Value::Array(values) => {
                for (i, value) in values.iter().enumerate() {
                    each_place(value, format!("{at}/{i}"), places);
                }
            }
            _ => {}
        }
        places.push(at);
    }

    #[test]
    fn the_libsodium_files_agree() {
        assert_eq!(
            check(SIGMA).unwrap().to_string(),
            "accepted 16, rejected 83, disagree 0"
        );
        assert_eq!(
            check(CHALLENGE).unwrap().to_string(),
            "accepted 12, rejected 25, disagree 0"
        );
    }

    #[test]
    fn a_rejected_case_that_is_good_disagrees_and_so_does_an_accepted_one_that_is_bad() {
        let mut file = sigma();
        let good = file["accepted"][0].clone();
        let bad = file["rejected"][40].clone();
        file["rejected"].as_array_mut().unwrap().push(good);
        file["accepted"].as_array_mut().unwrap().push(bad);
        let report = run(&file);
        assert_eq!(report.to_string(), "accepted 16, rejected 83, disagree 2");
        assert_eq!(report.disagreements[1].name, "authentication-0");
    }

    #[test]
    fn a_long_text_is_named_by_its_beginning() {
        let file = json!({
            "suite": "2FApi-v1.0-ClientId",
            "valid": ["é".repeat(200), "a b"],
            "invalid": ["alice"],
        });
        let report = run(&file);
        let names: Vec<_> = report.disagreements.iter().map(|d| &*d.name).collect();
        let long = format!("{}... (400 bytes)", "é".repeat(140));
        assert_eq!(names, [&long, "a b", "alice"]);
    }

    #[test]
    fn every_value_that_is_given_is_compared() {
        for field in ["transcript", "challenge", "k_s", "secret", "blinding"] {
            let mut file = sigma();
            let other = file["accepted"][1][field].clone();
            file["accepted"][0][field] = other;
            let report = run(&file);
            assert_eq!(report.disagreements.len(), 1, "{field}");
            assert_eq!(report.disagreements[0].name, "authentication-0");
        }
    }

    #[test]
    fn a_file_of_another_maker_may_leave_out_and_add_and_write_in_capitals() {
        let mut file = sigma();
        for case in file["accepted"].as_array_mut().unwrap() {
            let case = case.as_object_mut().unwrap();
            for optional in [
                "secret",
                "blinding",
                "k_s",
                "k_r",
                "transcript",
                "challenge",
            ] {
                case.remove(optional);
            }
            let capitals = case["proof"].as_str().unwrap().to_uppercase();
            case.insert("proof".into(), capitals.into());
            case.insert("comment".into(), json!({ "anything": [1, 2] }));
        }
        file["generators"] = Value::Null;
        assert_eq!(
            run(&file).to_string(),
            "accepted 16, rejected 83, disagree 0"
        );
    }

    #[test]
    fn what_is_no_vector_file_is_an_error_that_says_so() {
        let mut other = sigma();
        other["generators"]["H"] = other["generators"]["G"].clone();
        for (file, says) in [
            (String::new(), "not a vector file"),
            ("[]".into(), "not a vector file"),
            (r#"{"suite":"x"}"#.into(), "unknown suite"),
            (
                r#"{"suite":"2FApi-v1.0-Sigma"}"#.into(),
                "missing field `accepted`",
            ),
            (other.to_string(), "generator H must be 108d531f"),
            (
                r#"{"suite":"2FApi-v1.0-Challenge","ttl":901,"live":[],"refused":[]}"#.into(),
                "ttl must be 1 to 900 seconds",
            ),
        ] {
            let error = check(&file).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
    }

    proptest! {
        #[test]
        fn damaged_files_never_panic(
            which in 0_usize..3,
            at in any::<prop::sample::Index>(),
            other in any_json(),
            byte in any::<u8>(),
        ) {
            let mut file: Value = serde_json::from_str([SIGMA, CHALLENGE, CLIENT_ID][which]).unwrap();
            for list in ["accepted", "rejected", "live", "refused", "valid", "invalid"] {
                if let Some(list) = file[list].as_array_mut() {
                    list.truncate(2);
                }
            }
            let mut damaged = file.to_string().into_bytes();
            let byte_at = at.index(damaged.len());
            damaged[byte_at] = byte;
            let _ = check(&String::from_utf8_lossy(&damaged));

            let mut places = Vec::new();
            each_place(&file, String::new(), &mut places);
            *file.pointer_mut(&places[at.index(places.len())]).unwrap() = other;
            let _ = check(&file.to_string());
        }

        #[test]
        fn damaged_values_never_panic_and_never_agree_by_accident(
            case in 0_usize..16,
            field in prop::sample::select(vec!["client_id", "nonce", "channel_binding", "commitment", "proof"]),
            value in "\\PC{0,200}",
        ) {
            let mut file = sigma();
            prop_assume!(file["accepted"][case][field] != value.as_str());
            file["accepted"][case][field] = value.into();
            prop_assert_eq!(run(&file).disagreements.len(), 1);
        }
    }
}
