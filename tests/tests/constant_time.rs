//! Under valgrind, with every secret marked undefined, committing and proving branch on none of them
//! and use none as an address. In release builds, which are what ships: a debug build checks arithmetic by
//! branching on it.
#![cfg(all(target_os = "linux", target_arch = "x86_64", not(debug_assertions)))]

use std::process::{Command, Output};

fn under_valgrind(what: &str) -> Output {
    Command::new("valgrind")
        .args(["--error-exitcode=99", "--quiet"])
        .arg(concat!(
            "--suppressions=",
            env!("CARGO_MANIFEST_DIR"),
            "/constant-time/public.supp"
        ))
        .arg(env!("CARGO_BIN_EXE_constant-time"))
        .args(["memcheck", what])
        .output()
        .expect("valgrind is installed: scripts/need valgrind=valgrind")
}

fn report(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn committing_does_not_branch_on_secrets() {
    let output = under_valgrind("commit");
    assert!(output.status.success(), "{}", report(&output));
}

#[test]
fn proving_does_not_branch_on_secrets_or_announcement_nonces() {
    let output = under_valgrind("prove");
    assert!(output.status.success(), "{}", report(&output));
}

#[test]
fn a_commitment_in_variable_time_is_found() {
    let output = under_valgrind("leak");
    assert_eq!(output.status.code(), Some(99), "{}", report(&output));
    assert!(report(&output).contains("depends on uninitialised value"));
}
