//! A real server for the demonstration: this same program as a child process, on a store of its
//! own, both gone when the demonstration is over.

use std::{
    env, fs,
    io::{self, BufRead, BufReader},
    path::{Path, PathBuf},
    process::{self, Child, ChildStdout, Command, Stdio},
    sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc},
    thread,
    time::Duration,
};

use serde_json::Value;
use tokio::signal::unix::{SignalKind, signal};

use twofapi_client::{Failure, ServerUrl};

const STARTS_WITHIN: Duration = Duration::from_secs(10);
const REMOVAL_ATTEMPTS: u32 = 100;

/// What the demonstration leaves on the machine while it runs, and how it goes.
#[derive(Clone, Default)]
pub(super) struct Traces(Arc<Mutex<Left>>);

#[derive(Default)]
struct Left {
    server: Option<Child>,
    directory: Option<PathBuf>,
}

impl Traces {
    fn lock(&self) -> MutexGuard<'_, Left> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a directory that is gone in the end.
    pub(super) fn directory(&self) -> Result<PathBuf, Failure> {
        let mut left = self.lock();
        let directory = tempfile::Builder::new()
            .prefix("2fapi-demo-")
            .tempdir()
            .map_err(|error| Failure::unavailable(format!("cannot make a directory: {error}")))?
            .keep();
        left.directory = Some(directory.clone());
        Ok(directory)
    }

    /// Ends the server and removes the directory.
    pub(super) fn remove(&self) -> Result<(), Failure> {
        self.lock().remove()
    }

    /// The same when a signal says so, and then ends this process.
    pub(super) fn remove_on_signal(&self) -> io::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let (mut interrupt, mut terminate) = {
            let _within = runtime.enter();
            (
                signal(SignalKind::interrupt())?,
                signal(SignalKind::terminate())?,
            )
        };
        let traces = self.clone();
        thread::spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
            });
            // Locked until the end: whoever else would tidy up or report waits.
            let mut left = traces.lock();
            // The process ends whether or not this works.
            let _ = left.remove();
            process::exit(130);
        });
        Ok(())
    }
}

impl Left {
    fn remove(&mut self) -> Result<(), Failure> {
        if let Some(mut server) = self.server.take() {
            // It may have ended by itself.
            let _ = server.kill();
            let _ = server.wait();
        }
        let Some(directory) = self.directory.take() else {
            return Ok(());
        };
        // Something may be written into it at this moment; once it is gone, nothing can be.
        let mut attempts = 0;
        loop {
            match fs::remove_dir_all(&directory) {
                Ok(()) => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
                Err(error) if attempts == REMOVAL_ATTEMPTS => {
                    return Err(Failure::unavailable(format!(
                        "cannot remove {}: {error}",
                        directory.display()
                    )));
                }
                Err(_) => {
                    attempts += 1;
                    thread::sleep(Duration::from_millis(10));
                }
            }
        }
    }
}

pub(super) struct Server {
    traces: Traces,
    pub(super) url: ServerUrl,
    pub(super) store: PathBuf,
}

impl Server {
    /// Starts a server on a free port of the loopback interface and waits until it answers.
    pub(super) fn start(directory: &Path, traces: &Traces) -> Result<Self, Failure> {
        let store = directory.join("store.redb");
        let log = directory.join("server.log");
        let log_file = fs::File::create(&log)
            .map_err(|error| Failure::unavailable(format!("{}: {error}", log.display())))?;
        let mut command = program()?;
        command
            .args(["serve", "--listen", "127.0.0.1:0", "--store"])
            .arg(&store)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log_file);
        let stdout = {
            // Under the lock, so that no signal comes between starting and knowing of it.
            let mut left = traces.lock();
            let mut child = command
                .spawn()
                .map_err(|error| Failure::unavailable(format!("cannot start a server: {error}")))?;
            let stdout = child.stdout.take();
            left.server = Some(child);
            stdout
        };
        let announced = stdout.and_then(first_line);
        let url = announced
            .as_deref()
            .and_then(|line| line.strip_prefix("listening on "))
            .and_then(|url| ServerUrl::parse(url).ok());
        let Some(url) = url else {
            let log = fs::read_to_string(&log).unwrap_or_default();
            return Err(Failure::unavailable(format!(
                "the server did not start: {}",
                log.trim()
            )));
        };
        Ok(Self {
            traces: traces.clone(),
            url,
            store,
        })
    }

    /// Runs a command of the operator on the server's store and gives its answer.
    pub(super) fn operator(&self, arguments: &[&str]) -> Result<Value, Failure> {
        // Under the lock, so that no signal leaves it behind, at work on the store.
        let _until_done = self.traces.lock();
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
}

/// This program, without what the user has set for it in the environment.
pub(super) fn program() -> Result<Command, Failure> {
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

fn first_line(stdout: ChildStdout) -> Option<String> {
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
