//! The demonstration: it passes, it says what it saw, and it leaves nothing behind.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use std::{
    fs,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use support::Home;

#[test]
fn every_step_goes_as_it_must_whatever_the_environment_is_set_to() {
    let home = Home::new();
    let temporary = home.path("tmp");
    fs::create_dir(&temporary).unwrap();
    let mut command = home.command(["demo"]);
    command
        .env("TMPDIR", &temporary)
        .env("TWOFAPI_LISTEN", "nonsense")
        .env("TWOFAPI_AUDIENCE", "https://elsewhere.example")
        .env("TWOFAPI_STORE", "/nowhere/store");
    let run = home.run_command(command).succeeds();
    for said in [
        "POST /auth/zkp/enroll",
        "201 Created",
        "POST /auth/zkp/challenge",
        "POST /auth/zkp/verify",
        "GET /auth/zkp/whoami",
        "POST /auth/zkp/rotate",
        "401 Unauthorized",
        "sends it again",
        "one bit of a good proof",
        "rogue server",
        "nobody learns who is enrolled",
        "expectations were met",
        "2fapi serve",
    ] {
        assert!(
            run.stdout.contains(said),
            "{said:?} is not in {}",
            run.stdout
        );
    }
    assert!(
        !run.stdout.contains('\u{1b}'),
        "no colours where there is no terminal"
    );
    assert!(!run.stdout.contains("NOT AS EXPECTED"));
    assert_eq!(fs::read_dir(&temporary).unwrap().count(), 0);
    assert!(!home.path("data").exists());
}

#[test]
fn under_json_the_whole_story_is_one_object() {
    let home = Home::new();
    let story = home.run(["--json", "demo"]).succeeds().json();
    assert_eq!(story["as_expected"], true);
    let events = story["events"].as_array().unwrap();
    let expectations = events.iter().filter(|event| event["as_expected"] == true);
    assert!(expectations.count() >= 12);
    let denials = events
        .iter()
        .filter(|event| event["answer"]["code"] == "denied");
    assert!(denials.count() >= 5);
}

#[test]
fn an_interrupted_demonstration_leaves_neither_files_nor_a_server() {
    let home = Home::new();
    let temporary = home.path("tmp");
    fs::create_dir(&temporary).unwrap();
    for attempt in 0..10 {
        let mut child = home
            .command(["demo"])
            .env("TMPDIR", &temporary)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        thread::sleep(Duration::from_millis(30 + 5 * attempt));
        Command::new("kill")
            .args(["-TERM", &child.id().to_string()])
            .status()
            .unwrap();
        child.wait().unwrap();
    }
    let below = temporary.display().to_string();
    let until = Instant::now() + Duration::from_secs(5);
    let mut servers = running_with(&below);
    while !servers.is_empty() && Instant::now() < until {
        thread::sleep(Duration::from_millis(50));
        servers = running_with(&below);
    }
    for id in &servers {
        Command::new("kill").args(["-KILL", id]).status().unwrap();
    }
    assert!(servers.is_empty(), "servers were left: {servers:?}");
    assert_eq!(fs::read_dir(&temporary).unwrap().count(), 0);
}

/// The ids of the processes with this text in their command line.
fn running_with(text: &str) -> Vec<String> {
    let processes = fs::read_dir("/proc").into_iter().flatten();
    processes
        .filter_map(|process| {
            let path = process.ok()?.path();
            let line = fs::read(path.join("cmdline")).ok()?;
            let id = path.file_name()?.to_str()?.to_owned();
            String::from_utf8_lossy(&line).contains(text).then_some(id)
        })
        .collect()
}
