//! A real server for the demonstration: this same program as a child process, on a store of its
//! own, both gone when the demonstration is over.

use std::{
    env, fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread,
    time::Duration,
};

use serde_json::Value;

use crate::cli::{Failure, server_url::ServerUrl};

const STARTS_WITHIN: Duration = Duration::from_secs(10);

/// The server's process.
#[derive(Clone)]
pub(super) struct Process(Arc<Mutex<Child>>);

pub(super) struct Server {
    child: Process,
    pub(super) url: ServerUrl,
    pub(super) store: PathBuf,
}

impl Server {
    /// Starts a server on a free port of the loopback interface and waits until it answers.
    pub(super) fn start(directory: &Path) -> Result<Self, Failure> {
        let store = directory.join("store.redb");
        let log = directory.join("server.log");
        let log_file = fs::File::create(&log)
            .map_err(|error| Failure::unavailable(format!("{}: {error}", log.display())))?;
        let mut child = program()?
            .args(["serve", "--listen", "127.0.0.1:0", "--store"])
            .arg(&store)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log_file)
            .spawn()
            .map_err(|error| Failure::unavailable(format!("cannot start a server: {error}")))?;
        let announced = child.stdout.take().and_then(first_line);
        let url = announced
            .as_deref()
            .and_then(|line| line.strip_prefix("listening on "))
            .and_then(|url| ServerUrl::parse(url).ok());
        match url {
            Some(url) => Ok(Self {
                child: Process(Arc::new(Mutex::new(child))),
                url,
                store,
            }),
            None => {
                end(&mut child);
                let log = fs::read_to_string(&log).unwrap_or_default();
                Err(Failure::unavailable(format!(
                    "the server did not start: {}",
                    log.trim()
                )))
            }
        }
    }

    /// Runs a command of the operator on the server's store and gives its answer.
    pub(super) fn operator(&self, arguments: &[&str]) -> Result<Value, Failure> {
        let output = program()?
            .arg("--json")
            .args(arguments)
            .arg("--store")
            .arg(&self.store)
            .stdin(Stdio::null())
            .output()
            .map_err(|error| Failure::unavailable(format!("cannot run a command: {error}")))?;
        serde_json::from_slice(&output.stdout).map_err(|_| {
            Failure::unavailable(format!(
                "2fapi {} failed: {}",
                arguments.join(" "),
                String::from_utf8_lossy(&output.stderr).trim()
            ))
        })
    }

    /// The process, for whoever has to end it in a hurry.
    pub(super) fn process(&self) -> Process {
        self.child.clone()
    }
}

impl Process {
    pub(super) fn end(&self) {
        end(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.end();
    }
}

/// This program, without what the user has set for it in the environment.
fn program() -> Result<Command, Failure> {
    let path = env::current_exe()
        .map_err(|error| Failure::unavailable(format!("where is this program? {error}")))?;
    let mut command = Command::new(path);
    for (name, _) in env::vars_os() {
        if name.to_string_lossy().starts_with("TWOFAPI_") {
            command.env_remove(name);
        }
    }
    Ok(command)
}

fn first_line(stdout: std::process::ChildStdout) -> Option<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut line = String::new();
        let _ = BufReader::new(stdout).read_line(&mut line);
        // Whoever waited may have given up.
        let _ = sender.send(line);
    });
    let line = receiver.recv_timeout(STARTS_WITHIN).ok()?;
    Some(line.trim_end().to_owned())
}

fn end(child: &mut Child) {
    // It may have ended by itself.
    let _ = child.kill();
    let _ = child.wait();
}
