//! `2fapi doctor` finds what is wrong, and `2fapi man` writes what `man` reads.

use std::{collections::BTreeMap, fs, process::Command};

use serde_json::Value;

use crate::process::{Process, command, run, stderr};

/// The verdicts, and what it exits with.
fn findings(mut doctor: Command) -> (BTreeMap<String, String>, Option<i32>) {
    let output = doctor.output().unwrap();
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        panic!("{error}: {}", stderr(&output));
    });
    let mut found = BTreeMap::new();
    for finding in answer["findings"].as_array().unwrap() {
        let text = |name: &str| finding[name].as_str().unwrap().to_owned();
        assert_eq!(
            finding["advice"].is_null(),
            text("verdict") == "good",
            "{finding}"
        );
        let about = text("about");
        // The worst that was found of each.
        let rank = |verdict: &str| {
            ["good", "doubtful", "wrong"]
                .iter()
                .position(|it| *it == verdict)
        };
        let verdict: &mut String = found.entry(about).or_default();
        if rank(&text("verdict")) > rank(verdict) {
            *verdict = text("verdict");
        }
    }
    (found, output.status.code())
}

#[test]
fn a_server_that_is_well_is_said_to_be_well_while_it_runs() {
    let directory = tempfile::tempdir().unwrap();
    let store = directory.path().join("2fapi.redb");
    let _server = Process::start(&store, &[]);
    let mut doctor = command(&["--json", "doctor", "--audience", "https://a.example"]);
    doctor.arg("--store").arg(&store);
    let (found, code) = findings(doctor);
    assert_eq!(code, Some(0), "{found:?}");
    for about in [
        "configuration",
        "clock",
        "store",
        "keys",
        "audience",
        "proxies",
    ] {
        assert_eq!(found[about], "good", "{about}");
    }
}

#[test]
fn what_is_wrong_is_found_with_what_to_do() {
    let directory = tempfile::tempdir().unwrap();
    let store = directory.path().join("2fapi.redb");
    let mut doctor = command(&["--json", "doctor", "--trusted-proxies", "0.0.0.0/0"]);
    doctor
        .args(["--key-file", "/nowhere/keys", "--store"])
        .arg(&store)
        .env("TWOFAPI_AUDIENSE", "https://a.example")
        .env("TWOFAPI_SERVICE_HOST", "10.0.0.1");
    let (found, code) = findings(doctor);
    assert_eq!(code, Some(3));
    for (about, verdict) in [
        ("configuration", "wrong"),
        ("environment", "wrong"),
        ("proxies", "wrong"),
        ("store", "doubtful"),
        ("audience", "doubtful"),
        ("clock", "good"),
    ] {
        assert_eq!(found[about], verdict, "{about}");
    }
    assert!(!store.exists(), "looking made a store");
    let mut behind = command(&[
        "--json",
        "doctor",
        "--behind-tls-proxy",
        "--audience",
        "https://a",
    ]);
    behind.arg("--store").arg(&store);
    assert_eq!(findings(behind).0["proxies"], "doubtful");
}

#[cfg(feature = "tls")]
#[test]
fn a_certificate_for_another_host_or_time_is_found() {
    let directory = tempfile::tempdir().unwrap();
    let store = directory.path().join("2fapi.redb");
    for (until, audience, verdict) in [
        (2090, "https://localhost:7250", "good"),
        (2090, "https://a.example", "wrong"),
        (2001, "https://localhost:7250", "wrong"),
    ] {
        let [certificate, key] = crate::network::certificate(directory.path(), until);
        let mut doctor = command(&["--json", "doctor", "--audience", audience]);
        doctor.args([
            "--tls-certificate",
            &certificate,
            "--tls-key",
            &key,
            "--store",
        ]);
        doctor.arg(&store);
        assert_eq!(
            findings(doctor).0["certificate"],
            verdict,
            "{until} {audience}"
        );
    }
}

#[test]
fn every_command_has_a_manual_page() {
    let directory = tempfile::tempdir().unwrap();
    let pages = directory.path().join("man1");
    let output = run(&["man", pages.to_str().unwrap()]);
    assert!(output.status.success(), "{}", stderr(&output));
    for (page, says) in [
        ("2fapi.1", "2fapi\\-serve(1)"),
        ("2fapi-serve.1", "\\-\\-audience"),
        ("2fapi-clients-revoke.1", "for ever"),
    ] {
        let text = fs::read_to_string(pages.join(page)).unwrap();
        assert!(text.contains(says), "{page}");
    }
}
