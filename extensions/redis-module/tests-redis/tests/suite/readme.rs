//! The README's examples, as a shell runs them.

use std::{
    env, fs,
    os::unix::fs::symlink,
    process::{Command, Stdio},
};

use twofapi_tests_redis::{OPERATOR_PASSWORD, Server, readme_block};

/// What a block of the README prints.
fn run(block: &str, server: &Server) -> String {
    let script = readme_block(&format!("sh {block}"));

    // The commands as a reader has them: on the path, and Redis on its usual port.
    let home = server.dir().join("home");
    fs::create_dir(&home).unwrap();
    let command = env::var("TWOFAPI_COMMAND").expect("TWOFAPI_COMMAND, set by scripts/run");
    // No program is written by this process: it could not be run while a child of another test still
    // holds the file open (ETXTBSY).
    symlink(command, home.join("2fapi")).unwrap();
    let script = format!(
        "redis-cli() {{ command redis-cli -p {} \"$@\"; }}\n{script}",
        server.port()
    );

    let output = Command::new("bash")
        .args(["-euo", "pipefail", "-c", &script])
        .env(
            "PATH",
            format!("{}:{}", home.display(), env::var("PATH").unwrap()),
        )
        .env("HOME", &home)
        .env_remove("XDG_DATA_HOME")
        .env("TWOFAPI_OPERATOR_PASSWORD", OPERATOR_PASSWORD)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{errors}");
    said
}

/// The answers of Redis among what was printed.
fn answers(said: &str) -> Vec<&str> {
    said.lines()
        .filter_map(|line| line.split(' ').next())
        .filter(|word| ["OK", "alice", "DENIED", "NOPERM"].contains(word))
        .collect()
}

#[test]
fn the_quick_start_works_line_by_line() {
    let said = run("quickstart", &Server::start(""));
    assert_eq!(answers(&said), ["OK", "OK", "alice", "DENIED"], "{said}");
}

#[test]
fn the_hardened_setup_works_line_by_line() {
    let said = run("hardened", &Server::start_hardened(&[]));
    assert_eq!(
        answers(&said),
        ["OK", "OK", "OK", "OK", "OK", "NOPERM"],
        "{said}"
    );
}
