//! The vector files: that they hold, that they are what the generator makes, and that changes are found.
//! `TWOFAPI_WRITE_VECTORS=1 cargo test -p twofapi-chain --test vectors` writes them again.

use std::{env, fs, path::Path};

use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
use twofapi_chain::vectors::{Report, check, sessions, sigma_proofs};

fn made() -> [(&'static str, String); 2] {
    let pretty = |file| serde_json::to_string_pretty(&file).expect("JSON") + "\n";
    let mut random = ChaCha20Rng::from_seed(*b"2FApi vectors: the chain factor.");
    let sessions = serde_json::to_value(sessions(&mut random)).expect("JSON");
    let sigma = serde_json::to_value(sigma_proofs(&mut random)).expect("JSON");
    [
        ("chain-session-v1.json", pretty(sessions)),
        ("chain-sigma-v1.json", pretty(sigma)),
    ]
}

fn run(json: &str) -> Report {
    check(json)
        .expect("a vector file")
        .expect("a suite of ours")
}

#[test]
fn the_files_are_what_the_generator_makes_and_they_agree() {
    let vectors = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../spec/vectors");
    for (name, text) in made() {
        let path = vectors.join(name);
        if env::var_os("TWOFAPI_WRITE_VECTORS").is_some() {
            fs::write(&path, &text).expect("a file that can be written");
        }
        let kept = fs::read_to_string(&path).expect("the file");
        assert!(kept == text, "{name} is not what the generator makes");
        let report = run(&kept);
        assert_eq!(report.disagreements, []);
        assert_eq!(report.accepted, 6);
        assert!(report.rejected >= 6);
    }
}

#[test]
fn every_value_of_a_session_is_compared() {
    let [(_, sessions), _] = made();
    let file: serde_json::Value = serde_json::from_str(&sessions).expect("JSON");
    let case = file["accepted"][1].as_object().expect("a case");
    for (field, value) in case {
        let mut file = file.clone();
        let other = &file["accepted"][2][field];
        if field == "name" || other == value {
            continue;
        }
        file["accepted"][1][field] = other.clone();
        assert_eq!(run(&file.to_string()).disagreements.len(), 1, "{field}");
    }
}

#[test]
fn an_accepted_case_among_the_refused_disagrees() {
    for (_, text) in made() {
        let mut file: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        let good = file["accepted"][0].clone();
        file["rejected"].as_array_mut().expect("a list").push(good);
        assert_eq!(run(&file.to_string()).disagreements.len(), 1);
    }
}

#[test]
fn a_file_of_another_suite_is_left_to_others() {
    assert_eq!(
        check(r#"{"suite":"2FApi-v1.0-Sigma"}"#).expect("JSON"),
        None
    );
    assert!(check("[]").is_err());
}
