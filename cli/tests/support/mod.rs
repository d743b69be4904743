//! What the tests of the command share: a home directory of their own, the real binary run in it,
//! and a real server.
#![allow(dead_code, reason = "each test file uses a part of it")]

pub(crate) mod meddler;

use std::{
    ffi::OsStr,
    fs,
    io::{BufRead, BufReader, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Run {
    #[track_caller]
    pub(crate) fn succeeds(self) -> Self {
        assert_eq!(self.code, 0, "{self:?}");
        self
    }

    /// Ended with this exit code, and the message has this text.
    #[track_caller]
    pub(crate) fn fails(self, code: i32, text: &str) -> Self {
        assert_eq!(self.code, code, "{self:?}");
        assert!(self.stderr.contains(text), "no {text:?} in {self:?}");
        self
    }

    /// What was answered under `--json`.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The code of the error under `--json`.
    #[track_caller]
    pub(crate) fn error_code(&self) -> String {
        let error: Value =
            serde_json::from_str(&self.stderr).unwrap_or_else(|error| panic!("{error}: {self:?}"));
        assert!(error["error"]["message"].is_string(), "{self:?}");
        error["error"]["code"].as_str().unwrap().to_owned()
    }

    /// The one line of stdout.
    #[track_caller]
    pub(crate) fn line(&self) -> &str {
        let line = self.stdout.trim_end();
        assert!(!line.contains('\n'), "{self:?}");
        line
    }
}

/// A user's home directory, gone when dropped.
pub(crate) struct Home(TempDir);

impl Home {
    pub(crate) fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Where `keygen` puts a credential.
    pub(crate) fn credential(&self, client_id: &str) -> PathBuf {
        self.path(&format!("data/2fapi/credentials/{client_id}.json"))
    }

    /// The binary, without anything from the environment of whoever runs the tests.
    pub(crate) fn command(
        &self,
        arguments: impl IntoIterator<Item = impl AsRef<OsStr>>,
    ) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_2fapi"));
        self.settle(&mut command);
        command.args(arguments);
        command
    }

    /// The same in a session of its own, so that there is no terminal to ask at.
    pub(crate) fn command_without_terminal(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("setsid");
        self.settle(&mut command);
        command
            .arg("--wait")
            .arg(env!("CARGO_BIN_EXE_2fapi"))
            .args(arguments);
        command
    }

    fn settle(&self, command: &mut Command) {
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("TWOFAPI_") {
                command.env_remove(name);
            }
        }
        for scheme in ["HTTP", "HTTPS", "ALL", "NO"] {
            let name = format!("{scheme}_PROXY");
            command.env_remove(name.to_lowercase()).env_remove(name);
        }
        command
            .env("HOME", self.0.path())
            .env("XDG_DATA_HOME", self.path("data"))
            .stdin(Stdio::null());
    }

    pub(crate) fn run<const N: usize>(&self, arguments: [&str; N]) -> Run {
        self.finish(self.command(arguments).output().unwrap())
    }

    pub(crate) fn run_command(&self, mut command: Command) -> Run {
        self.finish(command.output().unwrap())
    }

    pub(crate) fn run_with_stdin<const N: usize>(&self, arguments: [&str; N], stdin: &str) -> Run {
        let mut child = self
            .command(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A command that needs no input may be gone already.
        let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
        self.finish(child.wait_with_output().unwrap())
    }

    /// Every output of every test goes through here: none may panic, and none may show a secret.
    pub(crate) fn finish(&self, output: Output) -> Run {
        let run = Run {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        };
        assert!(!run.stderr.contains("panicked"), "{run:?}");
        let shown = format!("{}{}", run.stdout, run.stderr).to_ascii_lowercase();
        for secret in secrets_below(self.0.path()) {
            assert!(!shown.contains(&secret), "a secret was shown: {run:?}");
        }
        run
    }
}

/// Whether namespaces of one's own can be had here, which some containers forbid.
pub(crate) fn has_namespaces() -> bool {
    let made = Command::new("unshare")
        .args(["-r", "-m", "-n", "true"])
        .stderr(Stdio::null())
        .status();
    let has = made.is_ok_and(|status| status.success());
    if !has {
        eprintln!("not run: there are no namespaces to be had here");
    }
    has
}

/// The secrets and blindings in all credential files, in lower-case hex.
fn secrets_below(directory: &Path) -> Vec<String> {
    let mut secrets = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            secrets.extend(secrets_below(&path));
        } else if let Ok(file) = read_json(&path) {
            let values =
                ["secret", "blinding"].map(|field| file[field].as_str().map(str::to_owned));
            secrets.extend(
                values
                    .into_iter()
                    .flatten()
                    .filter(|value| value.len() == 64),
            );
        }
    }
    secrets
}

pub(crate) fn read_json(path: &Path) -> Result<Value, Box<dyn std::error::Error>> {
    Ok(serde_json::from_slice(&fs::read(path)?)?)
}

/// The commitment in a credential file.
#[track_caller]
pub(crate) fn commitment(path: &Path) -> String {
    read_json(path).unwrap()["commitment"]
        .as_str()
        .unwrap()
        .to_owned()
}

pub(crate) fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

/// `2fapi serve` as a process, killed when dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) url: String,
    store: PathBuf,
}

impl Server {
    pub(crate) fn start(home: &Home) -> Self {
        Self::start_with(home, &[])
    }

    /// With more options.
    pub(crate) fn start_with(home: &Home, options: &[&str]) -> Self {
        let store = home.path("store.redb");
        let mut child = home
            .command([
                "serve",
                "--listen",
                "127.0.0.1:0",
                "--rate-limit",
                "0",
                "--store",
            ])
            .arg(&store)
            .args(options)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let url = line
            .trim()
            .strip_prefix("listening on ")
            .unwrap()
            .to_owned();
        Self { child, url, store }
    }

    pub(crate) fn operator<const N: usize>(&self, home: &Home, arguments: [&str; N]) -> Run {
        let mut command = home.command(arguments);
        command.arg("--store").arg(&self.store);
        home.run_command(command)
    }

    /// An enrolment token.
    pub(crate) fn invite(&self, home: &Home, client_id: &str) -> String {
        let run = self.operator(home, ["invite", client_id]).succeeds();
        run.line().to_owned()
    }

    /// Makes a credential and enrols it.
    pub(crate) fn enrolled(&self, home: &Home, client_id: &str) {
        home.run(["keygen", client_id]).succeeds();
        let token = self.invite(home, client_id);
        let arguments = ["enroll", client_id, "--server", &self.url, "--token", "-"];
        home.run_with_stdin(arguments, &token).succeeds();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
