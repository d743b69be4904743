//! Processes: servers of one store, and nginx before them.

use std::{
    env, fs,
    io::{BufRead, BufReader},
    net::{TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::place::{Place, server};

pub(super) const AUDIENCE: &str = "https://api.example.com";

/// A store that was made by the command, and what a command needs to work on it.
pub(super) struct Store {
    url: String,
    home: TempDir,
    environment: Vec<(&'static str, &'static str)>,
}

impl Store {
    pub(super) fn new() -> Self {
        Self::at(Place::on(server()).url, &[])
    }

    /// At this URL, with more in the environment of each command.
    pub(super) fn at(url: String, environment: &[(&'static str, &'static str)]) -> Self {
        let store = Self {
            url,
            home: tempfile::tempdir().expect("a directory"),
            environment: environment.to_vec(),
        };
        let key_file = store.key_file().display().to_string();
        store.command(&["keys", "new", &key_file]);
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
    pub(super) fn command(&self, arguments: &[&str]) -> String {
        let (done, said) = self.run(self.prepared(), arguments);
        assert!(done, "{arguments:?}: {said}");
        said
    }

    /// As [`Store::command`], where it is refused.
    pub(super) fn refused(&self, arguments: &[&str]) -> String {
        let (done, said) = self.run(self.prepared(), arguments);
        assert!(!done, "{arguments:?}: {said}");
        said
    }

    /// As [`Store::refused`], with another value of a variable.
    pub(super) fn refused_with(&self, variable: &str, value: &str, arguments: &[&str]) -> String {
        let mut command = self.prepared();
        command.env(variable, value);
        let (done, said) = self.run(command, arguments);
        assert!(!done, "{arguments:?}: {said}");
        said
    }
}

/// `2fapi serve`, always at the same port.
pub(super) struct Replica {
    port: u16,
    log: PathBuf,
    command: Command,
    process: Option<Child>,
}

impl Replica {
    pub(super) fn start(store: &Store) -> Self {
        let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let port = free.expect("a free port").port();
        let mut command = store.prepared();
        command
            .env("TWOFAPI_KEY_FILE", store.key_file())
            .args(["serve", "--behind-tls-proxy", "--audience", AUDIENCE])
            .args([
                "--rate-limit",
                "0",
                "--listen",
                &format!("127.0.0.1:{port}"),
            ])
            .stdout(Stdio::piped());
        let mut replica = Self {
            port,
            log: store.home.path().join(format!("log-{port}")),
            command,
            process: None,
        };
        replica.launch();
        replica
    }

    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub(super) fn launch(&mut self) {
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

    pub(super) fn kill(&mut self) {
        self.end("KILL");
    }

    pub(super) fn restart(&mut self) {
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

/// nginx, which passes requests on to any of the servers.
pub(super) struct Nginx {
    port: u16,
    process: Child,
    _dir: TempDir,
}

impl Nginx {
    pub(super) fn before(replicas: &[Replica]) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let port = free.expect("a free port").port();
        let servers = replicas
            .iter()
            .map(|replica| format!("server 127.0.0.1:{} max_fails=0;\n", replica.port));
        let (here, servers) = (dir.path().display(), servers.collect::<String>());
        // Started by root, its workers are root's as well here, and may write where the test may.
        let configuration = format!(
            "daemon off;\nuser root;\nworker_processes 1;\npid {here}/pid;\nerror_log {here}/error.log;\n\
             events {{ worker_connections 512; }}\n\
             http {{\n access_log off;\n client_body_temp_path {here}/body;\n proxy_temp_path {here}/proxy;\n\
             fastcgi_temp_path {here}/fastcgi;\n uwsgi_temp_path {here}/uwsgi;\n scgi_temp_path {here}/scgi;\n\
             upstream servers {{\n{servers} keepalive 8;\n }}\n\
             server {{\n listen 127.0.0.1:{port};\n location / {{\n proxy_pass http://servers;\n\
             proxy_http_version 1.1;\n proxy_set_header Connection \"\";\n proxy_set_header Host $host;\n\
             proxy_set_header X-Forwarded-For $remote_addr;\n }}\n }}\n}}\n"
        );
        let file = dir.path().join("nginx.conf");
        fs::write(&file, configuration).expect("a file");
        let process = Command::new("nginx")
            .args([
                "-p".as_ref(),
                dir.path().as_os_str(),
                "-c".as_ref(),
                file.as_os_str(),
            ])
            .stdin(Stdio::null())
            .spawn()
            .expect("nginx");
        let deadline = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < deadline, "nginx does not answer");
            thread::sleep(Duration::from_millis(20));
        }
        Self {
            port,
            process,
            _dir: dir,
        }
    }

    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let id = self.process.id().to_string();
        let _ = Command::new("kill").args(["-s", "QUIT", &id]).status();
        let _ = self.process.wait();
    }
}
