//! A Redis server as a child process: started, killed, restarted, and ended with the test program.

use std::{
    env, fs,
    io::Write as _,
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use redis::{Connection, ConnectionInfo, IntoConnectionInfo as _};
use tempfile::TempDir;

/// The module that is tested.
#[must_use]
pub fn module_path() -> PathBuf {
    env::var_os("TWOFAPI_REDIS_MODULE")
        .map(PathBuf::from)
        .expect("TWOFAPI_REDIS_MODULE, set by scripts/run")
}

/// Where the module is installed, with its hardened configuration.
#[must_use]
pub fn stage() -> PathBuf {
    env::var_os("TWOFAPI_REDIS_STAGE")
        .map(PathBuf::from)
        .expect("TWOFAPI_REDIS_STAGE, set by scripts/run")
}

/// Waits until something holds, at most 30 seconds.
///
/// # Panics
/// When it does not.
pub fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !holds() {
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// Where servers listen that no other machine is to reach.
const LOCAL: &str = "127.0.0.1";

/// The passwords of the users of a hardened server.
pub const OPERATOR_PASSWORD: &str = "the-operators-password";
/// See [`OPERATOR_PASSWORD`].
pub const REPLICA_PASSWORD: &str = "the-password-of-replicas";
/// See [`OPERATOR_PASSWORD`].
pub const SENTINEL_PASSWORD: &str = "the-password-of-sentinels";

/// A running server.
#[derive(Debug)]
pub struct Server {
    dir: TempDir,
    address: String,
    port: u16,
    kind: Kind,
    child: Option<Child>,
}

/// How a server is started.
#[derive(Debug)]
enum Kind {
    /// With the configuration in its directory.
    Plain,
    /// As the image does it, with its data in this folder of its directory, and with these options.
    Hardened(String, Vec<String>),
    /// With the configuration in its directory, as a Sentinel, by another program that runs it.
    Sentinel(Vec<String>),
    /// With the configuration in its directory, by another program that runs it.
    Under(Vec<String>),
}

impl Server {
    /// A fresh server with the module and these lines of configuration, on a port of its own.
    #[must_use]
    pub fn start(configuration: &str) -> Self {
        let dir = TempDir::new().expect("a directory");
        let mut server = Self {
            dir,
            address: LOCAL.into(),
            port: free_port(),
            kind: Kind::Plain,
            child: None,
        };
        server.configure(configuration);
        server.launch();
        server
    }

    /// A fresh server with the hardened configuration, the passwords of the tests, and these options.
    #[must_use]
    pub fn start_hardened(options: &[&str]) -> Self {
        Self::start_hardened_in("", options)
    }

    /// The same, with its data in a folder of this name.
    ///
    /// # Panics
    /// When the folder cannot be made.
    #[must_use]
    pub fn start_hardened_in(folder: &str, options: &[&str]) -> Self {
        let options = options.iter().map(ToString::to_string).collect();
        let mut server = Self {
            dir: TempDir::new().expect("a directory"),
            address: LOCAL.into(),
            port: free_port(),
            kind: Kind::Hardened(folder.to_owned(), options),
            child: None,
        };
        fs::create_dir_all(server.dir().join(folder)).expect("the folder");
        server.launch();
        server
    }

    /// A fresh server that is run by another program, such as valgrind with its options.
    #[must_use]
    pub fn start_under(runner: &[&str], configuration: &str) -> Self {
        let mut server = Self {
            dir: TempDir::new().expect("a directory"),
            address: LOCAL.into(),
            port: free_port(),
            kind: Kind::Under(runner.iter().map(ToString::to_string).collect()),
            child: None,
        };
        server.configure(configuration);
        server.launch();
        server
    }

    /// A fresh server without the module, run by another program, with these lines of configuration.
    #[must_use]
    pub fn start_without_module(runner: &[&str], configuration: &str) -> Self {
        Self::start_without_module_at(LOCAL, runner, configuration)
    }

    /// The same at another address than the loopback interface's.
    #[must_use]
    pub fn start_without_module_at(address: &str, runner: &[&str], configuration: &str) -> Self {
        let mut server = Self {
            dir: TempDir::new().expect("a directory"),
            address: address.into(),
            port: free_port(),
            kind: Kind::Under(runner.iter().map(ToString::to_string).collect()),
            child: None,
        };
        let (port, dir) = (server.port, server.dir().display());
        let log = server.log_path();
        let lines = format!(
            "port {port}\nbind {address}\nprotected-mode no\ndir {dir}\nsave \"\"\nlogfile {}\n{configuration}\n",
            log.display()
        );
        fs::write(server.configuration_path(), lines).expect("redis.conf");
        // The other program may run it as another user.
        let anybody = std::os::unix::fs::PermissionsExt::from_mode(0o777);
        fs::set_permissions(server.dir(), anybody).expect("permissions");
        server.launch();
        server
    }

    /// A Sentinel with these lines of configuration.
    #[must_use]
    pub fn start_sentinel(configuration: &str) -> Self {
        Self::start_sentinel_at(LOCAL, &[], configuration)
    }

    /// The same at another address than the loopback interface's, run by another program.
    #[must_use]
    pub fn start_sentinel_at(address: &str, runner: &[&str], configuration: &str) -> Self {
        let mut server = Self {
            dir: TempDir::new().expect("a directory"),
            address: address.into(),
            port: free_port(),
            kind: Kind::Sentinel(runner.iter().map(ToString::to_string).collect()),
            child: None,
        };
        let (port, dir) = (server.port, server.dir().display());
        let log = server.log_path();
        let lines = format!(
            "port {port}\nbind {address}\nprotected-mode no\ndir {dir}\nlogfile {}\n{configuration}\n",
            log.display()
        );
        fs::write(server.configuration_path(), lines).expect("sentinel.conf");
        server.launch();
        server
    }

    /// The server log of a server that must not start with these arguments of `loadmodule` and lines
    /// of configuration.
    ///
    /// # Panics
    /// When it does start.
    #[must_use]
    pub fn refused(arguments: &str, configuration: &str) -> String {
        let mut server = Self {
            dir: TempDir::new().expect("a directory"),
            address: LOCAL.into(),
            port: free_port(),
            kind: Kind::Plain,
            child: None,
        };
        server.configure_with(arguments, configuration);
        server.child = Some(server.command().spawn().expect("redis-server"));
        wait_until("it ends or is ready", || {
            !server.is_running() || server.log().contains("Ready to accept connections")
        });
        let log = server.log();
        assert!(!server.is_running(), "it started:\n{log}");
        log
    }

    /// Replaces the lines of configuration; they hold from the next launch on.
    pub fn configure(&self, configuration: &str) {
        self.configure_with("", configuration);
    }

    /// Replaces the lines of configuration by these, without the module.
    ///
    /// # Panics
    /// When the file cannot be written.
    pub fn configure_without_module(&self, configuration: &str) {
        self.configure(configuration);
        let path = self.configuration_path();
        let lines = fs::read_to_string(&path).expect("redis.conf");
        let without: Vec<_> = lines
            .lines()
            .filter(|line| !line.starts_with("loadmodule"))
            .collect();
        fs::write(path, without.join("\n")).expect("redis.conf");
    }

    fn configure_with(&self, arguments: &str, configuration: &str) {
        let mut file = fs::File::create(self.configuration_path()).expect("redis.conf");
        write!(
            file,
            "port {}\nbind 127.0.0.1\ndir {}\nsave \"\"\nloglevel notice\nlogfile {}\n\
             loadmodule {} {arguments}\n{configuration}\n",
            self.port,
            self.dir().display(),
            self.log_path().display(),
            module_path().display(),
        )
        .expect("redis.conf");
    }

    fn command(&self) -> Command {
        let program = env::var_os("TWOFAPI_REDIS_SERVER").unwrap_or_else(|| "redis-server".into());
        // The server ends when the thread that started it ends, which is the test's own.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL"]);
        match &self.kind {
            Kind::Plain => command.arg(program).arg(self.configuration_path()),
            Kind::Under(runner) => command
                .args(runner)
                .arg(program)
                .arg(self.configuration_path()),
            Kind::Sentinel(runner) => command
                .args(runner)
                .arg(program)
                .arg(self.configuration_path())
                .arg("--sentinel"),
            Kind::Hardened(folder, options) => command
                .arg(stage().join("bin/redis-2fapi"))
                .args(["--port", &self.port.to_string(), "--bind", "127.0.0.1"])
                .arg("--logfile")
                .arg(self.log_path())
                .args(options)
                .env("TWOFAPI_REDIS_DATA", self.dir().join(folder))
                .env("TWOFAPI_OPERATOR_PASSWORD", OPERATOR_PASSWORD)
                .env("TWOFAPI_REPLICA_PASSWORD", REPLICA_PASSWORD)
                .env("TWOFAPI_SENTINEL_PASSWORD", SENTINEL_PASSWORD),
        };
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command
    }

    /// Starts the server after it ended.
    pub fn launch(&mut self) {
        self.child = Some(self.command().spawn().expect("redis-server"));
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let ended = self
                .child
                .as_mut()
                .is_some_and(|child| matches!(child.try_wait(), Ok(Some(_))));
            assert!(!ended, "the server ended:\n{}", self.log());
            // NOAUTH is an answer, too; LOADING is not yet one.
            match self.try_connect() {
                Ok(mut connection) => {
                    let pong = redis::cmd("PING").query::<String>(&mut connection);
                    if !pong.is_err_and(|error| error.code() == Some("LOADING")) {
                        return;
                    }
                }
                Err(error) => assert!(
                    Instant::now() < deadline,
                    "no answer: {error}\n{}",
                    self.log()
                ),
            }
            thread::sleep(Duration::from_millis(10));
        }
    }

    fn try_connect(&self) -> redis::RedisResult<Connection> {
        redis::Client::open(self.info())?.get_connection_with_timeout(Duration::from_secs(5))
    }

    /// A connection; each is the server's own.
    #[must_use]
    pub fn connect(&self) -> Connection {
        let connection = self.try_connect().expect("a connection");
        connection
            .set_read_timeout(Some(Duration::from_secs(60)))
            .expect("a timeout");
        connection
    }

    /// A connection for bytes as they are.
    #[must_use]
    pub fn connect_raw(&self) -> TcpStream {
        let stream = TcpStream::connect((self.address.as_str(), self.port)).expect("a connection");
        stream
            .set_read_timeout(Some(Duration::from_secs(30)))
            .expect("a timeout");
        stream
    }

    /// Where it is.
    #[must_use]
    pub fn info(&self) -> ConnectionInfo {
        (self.address.as_str(), self.port)
            .into_connection_info()
            .expect("an address")
    }

    /// Its port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.as_ref().map_or(0, Child::id)
    }

    /// Its directory, with configuration, data and log.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    fn configuration_path(&self) -> PathBuf {
        self.dir().join("redis.conf")
    }

    fn log_path(&self) -> PathBuf {
        self.dir().join("log")
    }

    /// The server log so far.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read(self.log_path()).map_or(String::new(), |log| String::from_utf8_lossy(&log).into())
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Ends the server in good order.
    pub fn shut_down(&mut self) {
        let _: redis::RedisResult<redis::Value> = redis::cmd("SHUTDOWN")
            .arg("NOSAVE")
            .query(&mut self.connect());
        if let Some(mut child) = self.child.take() {
            let _ = child.wait();
        }
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        self.child
            .as_mut()
            .is_some_and(|child| matches!(child.try_wait(), Ok(None)))
    }

    /// Bytes of memory that the server holds, as the kernel counts them.
    #[must_use]
    pub fn resident_bytes(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap_or_default();
        status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .and_then(|rest| rest.trim().strip_suffix(" kB"))
            .and_then(|kilobytes| kilobytes.trim().parse::<u64>().ok())
            .expect("VmRSS")
            * 1024
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if thread::panicking() {
            let log = self.log();
            let lines: Vec<_> = log.lines().collect();
            let crash = lines
                .iter()
                .position(|line| line.contains("BUG REPORT START"));
            let from = crash.unwrap_or(lines.len().saturating_sub(60));
            eprintln!("--- server log ---");
            lines[from..]
                .iter()
                .take(120)
                .for_each(|line| eprintln!("{line}"));
        }
        self.kill();
    }
}

/// A port that nobody listens on, and neither on the one 10000 above, which a cluster's bus takes.
fn free_port() -> u16 {
    loop {
        let port = TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .expect("a port")
            .port();
        if port < 50_000 && TcpListener::bind(("127.0.0.1", port + 10_000)).is_ok() {
            return port;
        }
    }
}
