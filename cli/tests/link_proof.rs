//! Proofs that are made and looked at without a network: those of links, and that two clients are one.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use std::fs;

use serde_json::Value;
use support::{Home, Run, commitment};

const SHOP: &str = "https://shop.example";
const BANK: &str = "https://bank.example";
const NONCE: &str = "133166f9e02f2a5e6187a605fe27fb39";

/// Two clients of one phrase, and one of another.
struct Scene {
    home: Home,
}

impl Scene {
    fn new() -> Self {
        let home = Home::new();
        let made = home
            .run([
                "--json",
                "keygen",
                "shopper",
                "--mnemonic",
                "--audience",
                SHOP,
            ])
            .succeeds()
            .json();
        let phrase = home.path("phrase");
        fs::write(&phrase, made["recovery_phrase"].as_str().unwrap()).unwrap();
        let phrase = phrase.to_str().unwrap().to_owned();
        home.run(["keygen", "saver", "--recover", &phrase, "--audience", BANK])
            .succeeds();
        home.run(["keygen", "stranger"]).succeeds();
        Self { home }
    }

    fn file(&self, client_id: &str) -> String {
        self.home.credential(client_id).display().to_string()
    }

    fn make(&self, second: &str) -> Run {
        let (first, second) = (self.file("shopper"), self.file(second));
        self.home.run([
            "--json",
            "link-proof",
            "make",
            "--first",
            &first,
            "--first-audience",
            SHOP,
            "--second",
            &second,
            "--second-audience",
            BANK,
            "--nonce",
            NONCE,
        ])
    }

    /// Looks at a proof with these changes to what the one who asked knows.
    fn check(&self, proof: &str, changes: &[(&str, &str)]) -> Run {
        let first = commitment(&self.home.credential("shopper"));
        let second = commitment(&self.home.credential("saver"));
        let mut known = [
            ("--first-client", "shopper"),
            ("--first-audience", SHOP),
            ("--first-commitment", &first),
            ("--second-client", "saver"),
            ("--second-audience", BANK),
            ("--second-commitment", &second),
            ("--nonce", NONCE),
            ("--proof", proof),
        ];
        for (name, value) in changes {
            let place = known.iter_mut().find(|(known, _)| known == name).unwrap();
            place.1 = value;
        }
        let mut command = self.home.command(["link-proof", "check"]);
        command.args(known.iter().flat_map(|(name, value)| [name, value]));
        self.home.run_command(command)
    }
}

#[test]
fn two_clients_of_one_phrase_are_shown_to_be_one_to_who_asked_and_nobody_else() {
    let scene = Scene::new();
    let made = scene.make("saver").succeeds().json();
    let proof = made["proof"].as_str().unwrap();
    assert_eq!(proof.len(), 320);
    assert_eq!(made["second"]["client_id"], "saver");
    scene.check(proof, &[]).succeeds();
    let stranger = commitment(&scene.home.credential("stranger"));
    for change in [
        ("--nonce", "00000000000000000000000000000000"),
        ("--first-client", "saver"),
        ("--second-client", "mallory"),
        ("--first-audience", BANK),
        ("--second-audience", SHOP),
        ("--first-commitment", &stranger),
        ("--second-commitment", &stranger),
    ] {
        scene.check(proof, &[change]).fails(1, "");
    }
    scene.check(&proof[2..], &[]).fails(2, "160 bytes");
}

#[test]
fn two_secrets_are_not_shown_to_be_one() {
    let scene = Scene::new();
    scene
        .make("stranger")
        .fails(2, "as one recovery phrase gives them");
}

#[test]
fn proofs_of_links_are_made_and_verified_offline_and_are_good_for_their_purpose_alone() {
    let scene = Scene::new();
    let home = &scene.home;
    let mine = commitment(&home.credential("shopper"));
    let other = commitment(&home.credential("stranger"));
    let purposes: [&[&str]; 5] = [
        &[],
        &["--rotation", &other],
        &["--linking", &other],
        &["--unlinking", &other],
        &["--joining"],
    ];
    let bound = ["--nonce", NONCE, "--audience", SHOP];
    let mut names = Vec::new();
    for made_for in purposes {
        let mut command = home.command(["--json", "prove", "shopper"]);
        command.args(bound).args(made_for);
        let made: Value = home.run_command(command).succeeds().json();
        let name = made["purpose"].as_str().unwrap().to_owned();
        for taken_for in purposes {
            let mut command = home.command(["verify", "--client-id", "shopper"]);
            command
                .args(["--commitment", &mine])
                .args(["--proof", made["proof"].as_str().unwrap()])
                .args(bound)
                .args(taken_for);
            let run = home.run_command(command);
            assert_eq!(
                run.code,
                i32::from(made_for != taken_for),
                "{name} {taken_for:?}"
            );
        }
        names.push(name);
    }
    assert_eq!(
        names,
        [
            "authentication",
            "rotation",
            "linking",
            "unlinking",
            "joining"
        ]
    );
    for wrong in [
        &["--linking", mine.as_str()][..],
        &["--linking", &other, "--joining"],
        &["--linking", &other, "--unlinking", &other],
    ] {
        let mut command = home.command(["prove", "shopper"]);
        command.args(bound).args(wrong);
        assert_eq!(home.run_command(command).code, 2, "{wrong:?}");
    }
}
