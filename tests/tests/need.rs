//! `scripts/need`, which installs what tests need: it waits for whoever else installs something, and
//! uses sudo only when it was told so.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::{
    fs::{self, File},
    io::Write,
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    thread,
    time::Duration,
};

use rustix::{
    fs::{FlockOperation, fcntl_lock},
    process::geteuid,
};

const MISSING: &str = "no-such-command=twofapi-no-such-package";

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/need")
}

fn has(command: &str) -> bool {
    let there = Command::new("sh")
        .args(["-c", "command -v \"$0\"", command])
        .stdout(Stdio::null())
        .status()
        .unwrap()
        .success();
    if !there {
        eprintln!("not run: there is no {command} here");
    }
    there
}

/// The real apt-get on lists of its own, which are empty: nothing is fetched, and nothing installed.
fn apt_on(directory: &Path) -> PathBuf {
    fs::create_dir_all(directory.join("lists/partial")).unwrap();
    fs::create_dir_all(directory.join("cache/archives/partial")).unwrap();
    let configuration = directory.join("apt.conf");
    let directory = directory.display();
    let text = format!(
        "Dir::State::Lists \"{directory}/lists\";\nDir::Cache \"{directory}/cache\";\n\
         Dir::Etc::SourceList \"/dev/null\";\nDir::Etc::SourceParts \"/dev/null\";\n\
         APT::Sandbox::User \"root\";\n"
    );
    fs::write(&configuration, text).unwrap();
    configuration
}

fn need_as_root(apt: &Path, patience: &str) -> Command {
    let mut command = if geteuid().is_root() {
        Command::new("env")
    } else {
        let mut command = Command::new("unshare");
        command.args(["-r", "env"]);
        command
    };
    command
        .arg(format!("APT_CONFIG={}", apt.display()))
        .arg(format!("NEED_WAIT_SECONDS={patience}"))
        .arg(script())
        .arg(MISSING)
        .stdin(Stdio::null());
    command
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_lock_that_another_process_holds_for_a_moment_is_waited_for() {
    if !has("apt-get") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let apt = apt_on(directory.path());
    let lock = File::create(directory.path().join("lists/lock")).unwrap();
    fcntl_lock(&lock, FlockOperation::LockExclusive).unwrap();

    let output = need_as_root(&apt, "0").output().unwrap();
    assert!(!output.status.success());
    assert!(
        stderr(&output).contains("Could not get lock"),
        "{}",
        stderr(&output)
    );

    let waiting = need_as_root(&apt, "60")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    thread::sleep(Duration::from_secs(1));
    drop(lock);
    let output = waiting.wait_with_output().unwrap();
    // It has come as far as looking for the package, which is nowhere.
    assert!(
        stderr(&output).contains("Unable to locate package"),
        "{}",
        stderr(&output)
    );
    assert!(stderr(&output).contains("please install: twofapi-no-such-package"));
}

#[test]
fn sudo_is_used_at_a_terminal_only_after_a_yes_and_asks_for_no_password_elsewhere() {
    if !geteuid().is_root() || !has("apt-get") || !has("script") {
        eprintln!("not run: becoming another user takes root");
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    fs::set_permissions(path, fs::Permissions::from_mode(0o777)).unwrap();
    // In the place of sudo: it says what it was asked to do, and does nothing.
    // Both programs are put there by a child: one that this process writes cannot be run while a child of
    // another test still holds the file open (ETXTBSY).
    let install = |from: &Path, to: &Path| {
        let done = Command::new("install")
            .args(["-m", "755"])
            .args([from, to])
            .status();
        assert!(done.unwrap().success());
    };
    let draft = path.join("draft");
    fs::write(
        &draft,
        "#!/bin/sh\nprintf '%s\\n' \"$*\" >> \"$(dirname \"$0\")/asked\"\n",
    )
    .unwrap();
    install(&draft, &path.join("sudo"));
    let need = path.join("need");
    install(&script(), &need);
    let asked = || fs::read_to_string(path.join("asked")).unwrap_or_default();
    let stranger = |program: &str| {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", format!("{}:/usr/bin:/bin", path.display()))
            .current_dir(path)
            .uid(65534)
            .gid(65534);
        command
    };
    for (answer, is_yes) in [("", false), ("n\n", false), ("y\n", true)] {
        let mut terminal = stranger("script")
            .args([
                "-qec",
                &format!("{} {MISSING}", need.display()),
                "/dev/null",
            ])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        terminal
            .stdin
            .take()
            .unwrap()
            .write_all(answer.as_bytes())
            .unwrap();
        let output = terminal.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(said.contains("with sudo? [y/N]"), "{said}");
        assert_eq!(
            asked().contains("apt-get"),
            is_yes,
            "{answer:?}: {}",
            asked()
        );
        assert!(!asked().contains("-n "), "{}", asked());
        assert_eq!(output.status.success(), is_yes, "{said}");
    }
    fs::remove_file(path.join("asked")).unwrap();
    let output = stranger(need.to_str().unwrap())
        .arg(MISSING)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(
        asked().lines().all(|line| line.starts_with("-n ")),
        "{}",
        asked()
    );
    assert_eq!(asked().lines().count(), 2);
}
