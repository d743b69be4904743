//! Proofs and vector files without a network.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use std::{fs, path::Path};

use serde_json::json;
use support::{Home, Run, commitment};

const NONCE: &str = "00112233445566778899aabbccddeeff";
const AUDIENCE: &str = "https://api.example.com";
const EXPORTER: &str = "0badcafe0badcafe0badcafe0badcafe0badcafe0badcafe0badcafe0badcafe";

/// A home with alice's credential and another, and what `prove` and `verify` say there.
struct Scene {
    home: Home,
    commitment: String,
    other: String,
}

impl Scene {
    fn new() -> Self {
        let home = Home::new();
        home.run(["keygen", "alice"]).succeeds();
        home.run(["keygen", "bob"]).succeeds();
        let (commitment, other) = (
            commitment(&home.credential("alice")),
            commitment(&home.credential("bob")),
        );
        Self {
            home,
            commitment,
            other,
        }
    }

    fn prove(&self, options: &[&str]) -> String {
        let mut command = self.home.command(["prove", "alice"]);
        command.args(options);
        self.home.run_command(command).succeeds().line().to_owned()
    }

    fn verify(&self, proof: &str, options: &[&str]) -> Run {
        self.verify_as("alice", &self.commitment, proof, options)
    }

    fn verify_as(&self, client_id: &str, commitment: &str, proof: &str, options: &[&str]) -> Run {
        let arguments = ["verify", "--client-id", client_id, "--proof", proof];
        let mut command = self.home.command(arguments);
        command.args(["--commitment", commitment]).args(options);
        self.home.run_command(command)
    }
}

#[test]
fn what_prove_makes_verify_accepts_for_its_own_purpose_and_binding_alone() {
    let scene = Scene::new();
    let binding = hex::encode(format!("aud:{AUDIENCE}"));
    let statements: [&[&str]; 7] = [
        &["--enrollment"],
        &["--nonce", NONCE],
        &["--nonce", NONCE, "--audience", AUDIENCE],
        &[
            "--nonce",
            NONCE,
            "--audience",
            AUDIENCE,
            "--exporter",
            EXPORTER,
        ],
        &["--nonce", NONCE, "--exporter", EXPORTER],
        &["--nonce", NONCE, "--rotation", &scene.other],
        &[
            "--nonce",
            NONCE,
            "--rotation",
            &scene.other,
            "--audience",
            AUDIENCE,
        ],
    ];
    for (i, proven) in statements.iter().enumerate() {
        let proof = scene.prove(proven);
        assert_eq!(proof.len(), 192);
        for (j, claimed) in statements.iter().enumerate() {
            let run = scene.verify(&proof, claimed);
            assert_eq!(
                run.code,
                i32::from(i != j),
                "{proven:?} {claimed:?} {run:?}"
            );
        }
    }
    // An audience is the same thing as its channel binding.
    let proof = scene.prove(&["--nonce", NONCE, "--audience", AUDIENCE]);
    scene
        .verify(&proof, &["--nonce", NONCE, "--channel-binding", &binding])
        .succeeds();
}

#[test]
fn another_client_commitment_or_nonce_is_denied() {
    let scene = Scene::new();
    let proof = scene.prove(&["--nonce", NONCE]);
    let options = ["--nonce", NONCE];
    scene.verify(&proof, &options).succeeds();
    let denied = |run: Run| run.fails(1, "proof not accepted");
    denied(scene.verify_as("Alice", &scene.commitment, &proof, &options));
    denied(scene.verify_as("alice", &scene.other, &proof, &options));
    denied(scene.verify(&proof, &["--nonce", &format!("{NONCE}00")]));
}

#[test]
fn hex_is_taken_as_postgresql_prints_it_and_in_either_case() {
    let scene = Scene::new();
    let nonce = format!("\\x{NONCE}");
    let proof = scene.prove(&["--nonce", &nonce]);
    let (upper, prefixed) = (proof.to_uppercase(), format!("\\x{proof}"));
    for (proof, nonce) in [
        (&proof, nonce.as_str()),
        (&upper, "0x00112233445566778899AABBCCDDEEFF"),
        (&prefixed, NONCE),
    ] {
        scene.verify(proof, &["--nonce", nonce]).succeeds();
    }
}

#[test]
fn prove_under_json_says_for_what() {
    let scene = Scene::new();
    let run = scene
        .home
        .run(["prove", "alice", "--nonce", NONCE, "--json"])
        .succeeds();
    let answer = run.json();
    assert_eq!(answer["client_id"], "alice");
    assert_eq!(answer["purpose"], "authentication");
    assert_eq!(answer["commitment"], scene.commitment);
    let run = scene.verify(
        answer["proof"].as_str().unwrap(),
        &["--nonce", NONCE, "--json"],
    );
    assert_eq!(run.succeeds().json(), json!({ "accepted": true }));
    let run = scene.verify(
        &scene.prove(&["--enrollment"]),
        &["--nonce", NONCE, "--json"],
    );
    assert_eq!((run.code, run.error_code().as_str()), (1, "denied"));
    assert_eq!(run.stdout, "");
}

#[test]
fn bad_input_is_named_with_what_would_be_right() {
    let scene = Scene::new();
    let long = "00".repeat(1025);
    let reserved = hex::encode("rotation:");
    let cases: [(&[&str], &str); 14] = [
        (&[], "--nonce"),
        (&["--nonce", "0011"], "nonce must be 16 to 64 bytes, got 2"),
        (&["--nonce", "zz"], "'z' at position 1"),
        (&["--nonce", "001"], "even number of hex digits"),
        (&["--nonce", NONCE, "--enrollment"], "cannot be used with"),
        (
            &["--enrollment", "--audience", AUDIENCE],
            "cannot be used with",
        ),
        (&["--enrollment", "--exporter", "00"], "cannot be used with"),
        (
            &["--enrollment", "--channel-binding", "00"],
            "cannot be used with",
        ),
        (
            &[
                "--nonce",
                NONCE,
                "--audience",
                "a",
                "--channel-binding",
                "00",
            ],
            "cannot be used with",
        ),
        (
            &["--nonce", NONCE, "--audience", "with blank"],
            "visible ASCII",
        ),
        (
            &["--nonce", NONCE, "--channel-binding", &long],
            "at most 1024 bytes, got 1025",
        ),
        (
            &["--nonce", NONCE, "--channel-binding", &reserved],
            "not beginning with \"rotation:\"",
        ),
        (
            &["--nonce", NONCE, "--rotation", "00"],
            "commitment must be 32 bytes, got 1",
        ),
        (
            &["--nonce", NONCE, "--rotation", &scene.commitment],
            "a rotation needs another",
        ),
    ];
    for (options, problem) in cases {
        let mut command = scene.home.command(["prove", "alice"]);
        command.args(options);
        scene.home.run_command(command).fails(2, problem);
        let mut command = scene.home.command(["prove", "alice", "--json"]);
        command.args(options);
        scene.home.run_command(command).error_code();
    }
    scene
        .verify("00", &["--nonce", NONCE])
        .fails(2, "proof must be 96 bytes, got 1");
    scene
        .verify(&"ff".repeat(96), &["--nonce", NONCE])
        .fails(2, "announcement must be");
    scene
        .verify_as(
            "alice",
            &"0".repeat(64),
            &scene.prove(&["--enrollment"]),
            &["--enrollment"],
        )
        .fails(2, "other than the identity");
}

#[test]
fn every_command_explains_itself() {
    let home = Home::new();
    let top = home.run(["--help"]).succeeds().stdout;
    for command in [
        "demo",
        "serve",
        "invite",
        "clients",
        "keygen",
        "show",
        "enroll",
        "login",
        "whoami",
        "rotate",
        "prove",
        "verify",
        "vectors",
        "completions",
    ] {
        assert!(top.contains(&format!("\n  {command} ")), "{command}");
        home.run([command, "--help"]).succeeds();
    }
    for command in [
        "keygen", "show", "enroll", "login", "whoami", "rotate", "prove", "verify",
    ] {
        let help = home.run([command, "--help"]).stdout;
        assert!(
            help.contains(&format!("  2fapi {command} ")),
            "no example: {help}"
        );
    }
    assert!(
        home.run(["--version"])
            .succeeds()
            .stdout
            .starts_with("2fapi ")
    );
    assert!(
        home.run(["completions", "bash"])
            .succeeds()
            .stdout
            .contains("keygen")
    );
}

#[test]
fn what_is_no_command_is_bad_input_also_under_json() {
    let home = Home::new();
    home.run(["frobnicate"]).fails(2, "frobnicate");
    let run = home.run(["--json", "frobnicate"]).fails(2, "frobnicate");
    assert_eq!(run.error_code(), "bad_input");
    assert_eq!(home.run([]).code, 2);
}

fn vectors(name: &str) -> String {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../spec/vectors");
    directory.join(name).display().to_string()
}

#[test]
fn the_vectors_of_the_specification_agree() {
    let home = Home::new();
    let mut files = 0;
    for entry in fs::read_dir(vectors("")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let path = path.to_str().unwrap();
        // What only a build with the whole on-chain factor knows.
        if ["chain-session", "chain-sigma"]
            .iter()
            .any(|name| path.contains(name))
            && !cfg!(feature = "chain")
        {
            home.run(["vectors", "check", path])
                .fails(2, "needs a build with the feature `chain`");
            continue;
        }
        let text = home.run(["vectors", "check", path]).succeeds();
        let json = home
            .run(["--json", "vectors", "check", path])
            .succeeds()
            .json();
        assert_eq!(
            text.line(),
            format!(
                "accepted {}, rejected {}, disagree 0",
                json["accepted"], json["rejected"]
            )
        );
        assert!(json["accepted"].as_u64().unwrap() > 0 && json["rejected"].as_u64().unwrap() > 0);
        files += 1;
    }
    assert!(files >= 3);
    let contents = fs::read_to_string(vectors("sigma-v2.json")).unwrap();
    home.run_with_stdin(["vectors", "check", "-"], &contents)
        .succeeds();
}

#[test]
fn a_case_that_disagrees_is_named_and_fails_the_check() {
    let home = Home::new();
    let mut file: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(vectors("sigma-v2.json")).unwrap()).unwrap();
    let accepted = file["accepted"].as_array_mut().unwrap();
    let name = accepted[0]["name"].as_str().unwrap().to_owned();
    let mut proof = accepted[0]["proof"].as_str().unwrap().to_owned();
    let digit = if proof.remove(100) == '0' { '1' } else { '0' };
    proof.insert(100, digit);
    accepted[0]["proof"] = json!(proof);
    let path = home.path("changed.json");
    fs::write(&path, file.to_string()).unwrap();
    let run = home
        .run(["vectors", "check", path.to_str().unwrap()])
        .fails(1, "1 cases");
    let lines: Vec<_> = run.stdout.lines().collect();
    assert!(lines[0].starts_with(&name), "{run:?}");
    assert!(lines.last().unwrap().ends_with(", disagree 1"), "{run:?}");
    let run = home.run(["--json", "vectors", "check", path.to_str().unwrap()]);
    assert_eq!((run.code, run.error_code().as_str()), (1, "disagreement"));
    assert_eq!(run.json()["disagreements"][0]["name"], name);
}

#[test]
fn what_is_no_vector_file_is_bad_input() {
    let home = Home::new();
    let path = home.path("file.json");
    let path = path.to_str().unwrap();
    home.run(["vectors", "check", path])
        .fails(2, "No such file");
    let mut empty: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(vectors("sigma-v2.json")).unwrap()).unwrap();
    empty["accepted"] = json!([]);
    empty["rejected"] = json!([]);
    let empty = empty.to_string();
    for (contents, problem) in [
        (&b""[..], "not a vector file"),
        (b"[]", "not a vector file"),
        (b"{\"suite\":\"another\"}", "unknown suite"),
        (b"\xff\xfe", "not UTF-8"),
        (empty.as_bytes(), "no cases"),
    ] {
        fs::write(path, contents).unwrap();
        home.run(["vectors", "check", path]).fails(2, problem);
    }
}
