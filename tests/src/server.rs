//! A real `2fapi serve` as a child process, on a port of its own, killed when it is dropped.

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::{Mutex, OnceLock},
    thread,
};

/// The command, built once per test process with the profile that the tests have.
fn executable() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| {
        let mut build = Command::new(env!("CARGO"));
        build
            .args(["build", "--locked", "-p", "twofapi-cli", "--bin", "2fapi"])
            .args(["--message-format", "json-render-diagnostics"])
            .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
            .stderr(Stdio::inherit());
        if !cfg!(debug_assertions) {
            build.arg("--release");
        }
        let output = build.output().expect("cargo starts");
        assert!(output.status.success(), "the command 2fapi does not build");
        String::from_utf8_lossy(&output.stdout)
            .lines()
            .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
            .filter_map(|message| message["executable"].as_str().map(PathBuf::from))
            .find(|path| path.file_stem().is_some_and(|stem| stem == "2fapi"))
            .expect("cargo names the executable it built")
    })
}

/// Runs `2fapi` with these arguments to its end.
///
/// # Panics
/// When it cannot be started.
#[must_use]
pub fn run_2fapi(args: &[&str]) -> Output {
    Command::new(executable())
        .args(args)
        .stdin(Stdio::null())
        .output()
        .expect("2fapi starts")
}

/// How a server is started; the defaults are those of the command.
#[derive(Clone, Debug, Default)]
pub struct ServerOptions {
    /// Further arguments of `2fapi serve`.
    pub args: Vec<String>,
}

/// A running server.
pub struct Server {
    child: Mutex<Child>,
    base_url: String,
    store: PathBuf,
    log: std::sync::Arc<Mutex<String>>,
}

impl Server {
    /// Starts a server on `store`, on a free port of the loopback interface, and waits until it
    /// listens.
    ///
    /// # Panics
    /// When it does not come up; the message carries its log.
    #[must_use]
    pub fn start(store: &Path, options: &ServerOptions) -> Self {
        let mut child = Command::new(executable())
            .args(["serve", "--listen", "127.0.0.1:0", "--store"])
            .arg(store)
            .args(&options.args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("2fapi starts");
        let log = std::sync::Arc::new(Mutex::new(String::new()));
        let stderr = BufReader::new(child.stderr.take().expect("stderr is piped"));
        let sink = log.clone();
        thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                let mut log = sink.lock().expect("no panic while logging");
                log.push_str(&line);
                log.push('\n');
            }
        });
        let mut stdout = BufReader::new(child.stdout.take().expect("stdout is piped")).lines();
        let base_url = stdout
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| line.strip_prefix("listening on ").map(str::to_owned));
        // Keep the pipe open and empty, so that the server never blocks on it.
        thread::spawn(move || stdout.map_while(Result::ok).for_each(drop));
        let Some(base_url) = base_url else {
            let status = child.wait();
            thread::sleep(std::time::Duration::from_millis(100));
            panic!(
                "the server ended ({status:?}) before it listened:\n{}",
                log.lock().expect("no panic while logging")
            );
        };
        Self {
            child: Mutex::new(child),
            base_url,
            store: store.to_owned(),
            log,
        }
    }

    /// Where it answers, such as `http://127.0.0.1:41234`.
    #[must_use]
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// Its process id.
    ///
    /// # Panics
    /// Never, unless another thread panicked while it held the child.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.lock().expect("not poisoned").id()
    }

    /// `kill -9`, and waits for the end.
    ///
    /// # Panics
    /// When the process cannot be killed.
    pub fn kill_9(&self) {
        let mut child = self.child.lock().expect("not poisoned");
        child.kill().expect("the server can be killed");
        child.wait().expect("the server ends");
    }

    /// An enrolment token for `client_id`, by `2fapi invite` while the server runs.
    ///
    /// # Panics
    /// When the command fails.
    #[must_use]
    pub fn invite(&self, client_id: &str) -> String {
        let store = self.store.to_str().expect("the path is UTF-8");
        let output = run_2fapi(&["--json", "invite", client_id, "--store", store]);
        assert!(
            output.status.success(),
            "invite failed: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        let answer: serde_json::Value =
            serde_json::from_slice(&output.stdout).expect("invite --json prints JSON");
        answer["token"]
            .as_str()
            .expect("the answer has a token")
            .to_owned()
    }

    /// What the server has logged so far.
    ///
    /// # Panics
    /// Never, unless the thread that reads the log panicked.
    #[must_use]
    pub fn log(&self) -> String {
        self.log.lock().expect("no panic while logging").clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Ok(mut child) = self.child.lock() {
            let _ = child.kill();
            let _ = child.wait();
        }
        if thread::panicking() {
            eprintln!("--- log of the server ---\n{}", self.log());
        }
    }
}

/// Resident memory of a process in KiB (`VmRSS` of proc(5)).
///
/// # Panics
/// When the process is gone.
#[must_use]
pub fn memory_kib(pid: u32) -> u64 {
    std::fs::read_to_string(format!("/proc/{pid}/status"))
        .expect("the process lives")
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .and_then(|rest| rest.trim().strip_suffix("kB"))
        .and_then(|number| number.trim().parse().ok())
        .expect("proc(5) says how much memory is resident")
}
