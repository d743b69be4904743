//! `protocol.md` cannot drift: its worked examples run, and the vector cases that it names exist.

use std::{collections::BTreeMap, convert::Infallible, fs, path::PathBuf};

use rand_chacha::rand_core::{TryCryptoRng, TryRng};
use serde_json::{Value, json};
use sha2::{Digest, Sha512};
use twofapi_crypto_core::{
    Audience, Authentication, AuthenticationBinding, CHANNEL_BINDING_MAX, CLIENT_ID_MAX,
    ChallengeId, ChallengeKey, ChallengeTtl, ClientId, Credential, ELEMENT_LEN, ErrorCode,
    GENERATOR_G, GENERATOR_H, GENERATOR_H_DST, LinkProof, Nonce, Proof, SUITE, TRANSCRIPT_DST,
    curve25519_dalek::Scalar, prove,
};
use twofapi_spec::check;

fn read(path: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The blocks of the worked example as name → value; a line that begins with blanks goes on.
fn examples() -> Vec<BTreeMap<String, String>> {
    let text = read("protocol.md");
    let (_, example) = text
        .split_once("## 15. A worked example")
        .expect("a section 15");
    example
        .split("```text\n")
        .skip(1)
        .map(|block| {
            let (block, _) = block.split_once("```").expect("the block ends");
            let mut values: BTreeMap<String, String> = BTreeMap::new();
            let mut last = String::new();
            for line in block.lines() {
                let (name, value) = line.split_at(17);
                if !name.trim().is_empty() {
                    last = name.trim().to_owned();
                }
                values
                    .entry(last.clone())
                    .or_default()
                    .push_str(value.trim());
            }
            values
        })
        .collect()
}

#[test]
fn the_worked_proof_is_right_in_every_value() {
    let [proof, _] = &examples()[..] else {
        panic!("two blocks")
    };
    let parts = ["announcement", "response_s", "response_r"].map(|part| proof[part].as_str());
    assert_eq!(proof["proof"], parts.concat());
    let mut case = json!(proof);
    case["name"] = "worked example".into();
    case["purpose"] = "authentication".into();
    let file = json!({ "suite": "2FApi-v1.0-Sigma", "accepted": [case], "rejected": [] });
    for optional in [
        "secret",
        "blinding",
        "k_s",
        "k_r",
        "transcript",
        "challenge",
        "random",
    ] {
        assert!(proof.contains_key(optional), "{optional} is not shown");
    }
    let report = check(&file.to_string()).expect("a vector file");
    assert_eq!(report.disagreements, []);
    assert_eq!(report.accepted, 1);
}

fn bytes(values: &BTreeMap<String, String>, name: &str) -> Vec<u8> {
    hex::decode(&values[name]).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn length_prefixed(field: &[u8]) -> Vec<u8> {
    [
        &u32::try_from(field.len()).expect("short").to_be_bytes()[..],
        field,
    ]
    .concat()
}

fn reduced(digest: &[u8]) -> Scalar {
    Scalar::from_bytes_mod_order_wide(digest.try_into().expect("64 bytes"))
}

#[test]
fn the_worked_challenge_scalar_is_its_digest_reduced() {
    let [proof, _] = &examples()[..] else {
        panic!("two blocks")
    };
    let digest = Sha512::new_with_prefix(TRANSCRIPT_DST).chain_update(bytes(proof, "transcript"));
    assert_eq!(bytes(proof, "digest"), digest.finalize().to_vec());
    let c = reduced(&bytes(proof, "digest"));
    assert_eq!(bytes(proof, "challenge"), c.as_bytes());
}

/// A random source that gives bytes once.
struct Once(Vec<u8>);

impl TryRng for Once {
    type Error = Infallible;
    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        panic!("asked for a number")
    }
    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        panic!("asked for a number")
    }
    fn try_fill_bytes(&mut self, dst: &mut [u8]) -> Result<(), Infallible> {
        let given: Vec<u8> = self.0.drain(..dst.len()).collect();
        dst.copy_from_slice(&given);
        Ok(())
    }
}

impl TryCryptoRng for Once {}

#[test]
fn announcement_nonces_are_hedged_as_the_protocol_says() {
    let [proof, _] = &examples()[..] else {
        panic!("two blocks")
    };
    let client_id = ClientId::parse(&proof["client_id"]).expect("a client id");
    let nonce = Nonce::from_bytes(&bytes(proof, "nonce")).expect("a nonce");
    let binding = bytes(proof, "channel_binding");
    let binding = AuthenticationBinding::from_bytes(&binding).expect("a binding");
    let credential = Credential::from_bytes(&bytes(proof, "secret"), &bytes(proof, "blinding"))
        .expect("a credential");
    let statement = Authentication {
        client_id: &client_id,
        nonce: &nonce,
        binding: &binding,
    };
    let proven = prove(&credential, &statement, &mut Once(bytes(proof, "random")));
    assert_eq!(
        proven.expect("a proof").to_bytes().to_vec(),
        bytes(proof, "proof")
    );

    let seed = Sha512::new_with_prefix("2FApi-v1.0-NonceSeed")
        .chain_update(bytes(proof, "secret"))
        .chain_update(bytes(proof, "blinding"))
        .chain_update(bytes(proof, "random"))
        .chain_update(bytes(proof, "commitment"))
        .chain_update(length_prefixed(proof["client_id"].as_bytes()))
        .chain_update(length_prefixed(&bytes(proof, "nonce")))
        .chain_update(length_prefixed(&bytes(proof, "channel_binding")));
    assert_eq!(bytes(proof, "seed"), seed.finalize().to_vec());
    for (name, label) in [("k_s", "s"), ("k_r", "r")] {
        let digest = Sha512::new_with_prefix("2FApi-v1.0-Nonce")
            .chain_update(label)
            .chain_update(bytes(proof, "seed"));
        let k = reduced(&digest.finalize());
        assert_eq!(bytes(proof, name), k.as_bytes(), "{name}");
    }
}

#[test]
fn the_worked_challenge_is_right() {
    let [_, challenge] = &examples()[..] else {
        panic!("two blocks")
    };
    let number = |name: &str| challenge[name].parse::<u64>().expect("a number");
    let mut case = json!(challenge);
    case["name"] = "worked example".into();
    case["now"] = number("now").into();
    let file = json!({
        "suite": "2FApi-v1.0-Challenge", "ttl": number("ttl"), "live": [case], "refused": [],
    });
    let report = check(&file.to_string()).expect("a vector file");
    assert_eq!(report.to_string(), "accepted 1, rejected 0, disagree 0");

    let (_, digits) = challenge["challenge_id"].split_at(3);
    let input = [
        &b"2FApi-v1.0-Challenge"[..],
        &length_prefixed(challenge["client_id"].as_bytes()),
        &hex::decode(digits).expect("hex"),
    ];
    assert_eq!(bytes(challenge, "input"), input.concat());
    let key = <[u8; 32]>::try_from(bytes(challenge, "challenge_key")).expect("32 bytes");
    let client_id = ClientId::parse(&challenge["client_id"]).expect("a client id");
    let id = ChallengeId::parse(&challenge["challenge_id"]).expect("an id");
    let ours = ChallengeKey::from_bytes(key)
        .recompute(&client_id, id, number("now"), ChallengeTtl::default())
        .expect("live");
    let tag = bytes(challenge, "tag");
    assert_eq!(tag.len(), 64);
    assert_eq!(tag[..16], *ours.nonce.as_bytes());
    assert_eq!(tag[16..32], *ours.spent_key.as_bytes());
}

/// The rows of the tables of a section, without their heads, as the text of their cells.
fn tables(section: &str) -> Vec<Vec<String>> {
    let text = read("protocol.md");
    let (_, section) = text.split_once(section).expect("the section");
    let (section, _) = section.split_once("\n## ").expect("the next one");
    let lines: Vec<_> = section.lines().collect();
    lines
        .windows(2)
        .filter(|pair| pair[0].starts_with("| ") && !pair[1].starts_with("|--"))
        .map(|pair| {
            let cells = pair[0].trim_matches('|').split(" | ");
            cells
                .map(|cell| cell.trim().replace(['`', '"'], ""))
                .collect()
        })
        .collect()
}

#[test]
fn constants_and_limits_are_those_of_the_core() {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let expected = [
        ("suite", text(SUITE)),
        ("transcript domain", text(TRANSCRIPT_DST)),
        ("domain of H", text(GENERATOR_H_DST)),
        ("G", hex::encode(GENERATOR_G)),
        ("H", hex::encode(GENERATOR_H)),
        ("encoded element or scalar", format!("{ELEMENT_LEN} bytes")),
        ("encoded proof", format!("{} bytes", Proof::LEN)),
        ("encoded link proof", format!("{} bytes", LinkProof::LEN)),
        ("client id, at most", format!("{CLIENT_ID_MAX} characters")),
        (
            "nonce that a host issues",
            format!("{} bytes", Nonce::ISSUED_LEN),
        ),
        ("nonce, at least", format!("{} bytes", Nonce::MIN)),
        ("nonce, at most", format!("{} bytes", Nonce::MAX)),
        (
            "channel binding, at most",
            format!("{CHANNEL_BINDING_MAX} bytes"),
        ),
        ("audience, at most", format!("{} characters", Audience::MAX)),
        ("challenge key", format!("{} bytes", ChallengeKey::LEN)),
        (
            "life of a challenge, at most",
            format!("{} seconds", ChallengeTtl::MAX_SECONDS),
        ),
        (
            "life of a challenge, by default",
            format!("{} seconds", ChallengeTtl::default().seconds()),
        ),
    ];
    let rows = tables("## 2. Constants");
    for (name, value) in expected {
        assert!(
            rows.iter().any(|row| *row == [name, &value]),
            "{name} is {value}, the document says otherwise or nothing"
        );
    }
    // The remaining ones go into worked examples, vectors and tests as literals.
    assert_eq!(rows.len(), 17 + 19);
}

#[test]
fn the_table_of_errors_has_the_codes_of_the_core_in_order() {
    let rows = tables("## 13. Errors");
    let codes: Vec<_> = rows.iter().map(|row| row[0].as_str()).collect();
    assert_eq!(codes, ErrorCode::ALL.map(ErrorCode::as_str));
}

#[test]
fn every_case_that_the_table_of_refusals_names_exists() {
    let vectors: Value =
        serde_json::from_str(&read("vectors/sigma-generated-v1.json")).expect("JSON");
    let refused = vectors["rejected"].as_array().expect("cases");
    let text = read("protocol.md");
    let (_, section) = text.split_once("## 7. Verifying").expect("a section 7");
    let (section, _) = section.split_once("## 8.").expect("a section 8");
    let rows = section.lines().filter(|line| line.starts_with("| "));
    let mut named = 0;
    for row in rows.skip(1) {
        let examples = row.split('|').nth(3).expect("three columns");
        for name in examples.split('`').skip(1).step_by(2) {
            assert!(
                refused.iter().any(|case| case["name"] == name),
                "there is no case {name}"
            );
            named += 1;
        }
    }
    assert!(named > 30, "the table names {named} cases");
}
