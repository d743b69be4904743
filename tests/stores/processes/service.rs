//! Servers of one store, each a process of the command.

use std::{
    env, fs,
    io::{BufRead, BufReader},
    net::TcpListener,
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread,
};

use tempfile::TempDir;

use super::host::Host;

pub(super) const AUDIENCE: &str = "https://api.example.com";

/// A store that was made by the command, and what a command needs to work on it.
pub struct Store {
    url: String,
    home: TempDir,
    environment: Vec<(&'static str, &'static str)>,
}

impl Store {
    /// At this URL, with more in the environment of each command.
    ///
    /// # Panics
    /// When it cannot be made.
    #[must_use]
    pub fn at(url: String, environment: &[(&'static str, &'static str)]) -> Self {
        let store = Self {
            url,
            home: tempfile::tempdir().expect("a directory"),
            environment: environment.to_vec(),
        };
        let key_file = store.key_file().display().to_string();
        let _ = store.command(&["keys", "new", &key_file]);
        let said = store.command(&["store", "migrate"]);
        assert!(said.contains("was made"), "{said}");
        store
    }

    fn key_file(&self) -> PathBuf {
        self.home.path().join("keys")
    }

    fn prepared(&self) -> Command {
        let mut command =
            Command::new(env::var("TWOFAPI_COMMAND").expect("set by tests/stores/run"));
        for (name, _) in env::vars_os() {
            if name.to_string_lossy().starts_with("TWOFAPI_") {
                command.env_remove(name);
            }
        }
        command
            .env("HOME", self.home.path())
            .env("TWOFAPI_STORE", &self.url)
            .env_remove("PGPASSWORD")
            .envs(self.environment.iter().copied())
            .stdin(Stdio::null());
        command
    }

    fn run(&self, mut command: Command, arguments: &[&str]) -> (bool, String) {
        if arguments[..2] != ["keys", "new"] {
            command.env("TWOFAPI_KEY_FILE", self.key_file());
        }
        let ended = command.args(arguments).output().expect("the command");
        let said = [ended.stdout, ended.stderr].concat();
        (
            ended.status.success(),
            String::from_utf8(said).expect("text"),
        )
    }

    /// Runs `2fapi` on the store, and gives what it says.
    ///
    /// # Panics
    /// When it is refused.
    #[must_use]
    pub fn command(&self, arguments: &[&str]) -> String {
        let (done, said) = self.run(self.prepared(), arguments);
        assert!(done, "{arguments:?}: {said}");
        said
    }

    /// As [`Store::command`], where it may be refused.
    ///
    /// # Errors
    /// What it says then.
    pub fn try_command(&self, arguments: &[&str]) -> Result<String, String> {
        match self.run(self.prepared(), arguments) {
            (true, said) => Ok(said),
            (false, said) => Err(said),
        }
    }

    /// As [`Store::command`], where it is refused.
    ///
    /// # Panics
    /// When it is not.
    #[must_use]
    pub fn refused(&self, arguments: &[&str]) -> String {
        let (done, said) = self.run(self.prepared(), arguments);
        assert!(!done, "{arguments:?}: {said}");
        said
    }

    /// As [`Store::refused`], with another value of a variable.
    ///
    /// # Panics
    /// When it is not refused.
    #[must_use]
    pub fn refused_with(&self, variable: &str, value: &str, arguments: &[&str]) -> String {
        let mut command = self.prepared();
        command.env(variable, value);
        let (done, said) = self.run(command, arguments);
        assert!(!done, "{arguments:?}: {said}");
        said
    }
}

/// `2fapi serve`, always at the same address.
pub struct Replica {
    pub(super) address: String,
    log: PathBuf,
    command: Command,
    process: Option<Child>,
}

impl Replica {
    /// Starts one on this machine.
    #[must_use]
    pub fn start(store: &Store) -> Self {
        Self::start_on(&Host::here(), store)
    }

    /// Starts one on a machine.
    ///
    /// # Panics
    /// When it does not come up.
    #[must_use]
    pub fn start_on(host: &Host, store: &Store) -> Self {
        let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let port = free.expect("a free port").port();
        let address = format!("{}:{port}", host.front);
        let mut command = host.run(store.prepared());
        command
            .env("TWOFAPI_KEY_FILE", store.key_file())
            .args(["serve", "--behind-tls-proxy", "--audience", AUDIENCE])
            .args(["--rate-limit", "0", "--listen", &address])
            .stdout(Stdio::piped());
        let mut replica = Self {
            log: store.home.path().join(format!("log-{address}")),
            address,
            command,
            process: None,
        };
        replica.launch();
        replica
    }

    /// Where it answers.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Starts it after it ended.
    ///
    /// # Panics
    /// When it does not come up.
    pub fn launch(&mut self) {
        let log = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.log);
        self.command.stderr(log.expect("a file"));
        let mut process = self.command.spawn().expect("2fapi serve");
        let mut line = String::new();
        BufReader::new(process.stdout.take().expect("a pipe"))
            .read_line(&mut line)
            .expect("a line");
        assert!(line.contains("listening"), "{line:?}");
        self.process = Some(process);
    }

    fn end(&mut self, signal: &str) {
        if let Some(mut process) = self.process.take() {
            let id = process.id().to_string();
            let _ = Command::new("kill").args(["-s", signal, &id]).status();
            let _ = process.wait();
        }
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        self.end("KILL");
    }

    /// Tells it to end, and starts it again.
    pub fn restart(&mut self) {
        self.end("TERM");
        self.launch();
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        if thread::panicking() {
            let log = fs::read_to_string(&self.log).unwrap_or_default();
            let denied = log.lines().filter(|line| !line.contains("authenticated"));
            eprintln!("--- {} ---", self.log.display());
            denied.for_each(|line| eprintln!("{line}"));
        }
        self.end("KILL");
    }
}
