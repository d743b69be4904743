//! A PostgreSQL server as a child process: started, crashed, restarted, and ended with the test
//! program whatever becomes of it.

use std::{
    env,
    fs::{self, OpenOptions},
    io::Write as _,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use postgres::{Client as Connection, Config, NoTls};

/// Where the server's programs are.
#[must_use]
pub fn bin_dir() -> PathBuf {
    let pg_config = env::var("TWOFAPI_PG_CONFIG").expect("TWOFAPI_PG_CONFIG, set by scripts/run");
    let output = Command::new(pg_config)
        .arg("--bindir")
        .output()
        .expect("pg_config");
    PathBuf::from(String::from_utf8(output.stdout).expect("a path").trim())
}

/// The library with what only the suite wants of it: a function that panics, and attempts that wait
/// between their proof and their step.
#[must_use]
pub fn library_for_the_suite() -> String {
    env::var("TWOFAPI_PG_FOR_THE_SUITE").expect("TWOFAPI_PG_FOR_THE_SUITE, set by scripts/run")
}

fn work_dir() -> PathBuf {
    PathBuf::from(env::var("TWOFAPI_PG_WORK").expect("TWOFAPI_PG_WORK, set by scripts/run"))
}

/// A command as the server's user: PostgreSQL refuses to run as root. It is ended when the thread
/// that spawns it ends.
#[must_use]
pub fn run_as_server(program: impl AsRef<std::ffi::OsStr>) -> Command {
    run_as_server_under(&[], program)
}

/// As [`run_as_server`], by another program that runs it, such as `ip netns exec NAME`.
fn run_as_server_under(runner: &[String], program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut words = runner.iter().map(String::as_str).chain(["setpriv"]);
    let mut command = Command::new(words.next().unwrap_or("setpriv"));
    command.args(words).args(["--pdeathsig", "QUIT"]);
    if env::var("TWOFAPI_PG_USER").is_ok_and(|user| !user.is_empty()) {
        let user = env::var("TWOFAPI_PG_USER").unwrap_or_default();
        command.args(["--reuid", &user, "--regid", &user, "--clear-groups"]);
    }
    command.arg(program);
    // The server's programs want a directory that their user may be in.
    command.current_dir(work_dir());
    command
}

/// Makes the server's user the owner of a path.
pub fn server_user_owns(path: &Path) {
    if let Ok(user) = env::var("TWOFAPI_PG_USER")
        && !user.is_empty()
    {
        let done = Command::new("chown").arg("-R").arg(user).arg(path).status();
        assert!(done.is_ok_and(|status| status.success()), "chown {path:?}");
    }
}

fn run(command: &mut Command) {
    let output = command.output().expect("a program of the server");
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Spawns from a thread that never ends, so that the child lives as long as this process.
fn spawn(mut command: Command) -> Child {
    static SPAWNER: OnceLock<mpsc::Sender<(Command, mpsc::Sender<Child>)>> = OnceLock::new();
    let spawner = SPAWNER.get_or_init(|| {
        let (sender, receiver) = mpsc::channel::<(Command, mpsc::Sender<Child>)>();
        thread::spawn(move || {
            for (mut command, reply) in receiver {
                let child = command.spawn().expect("the server");
                reply.send(child).expect("a listener");
            }
        });
        sender
    });
    command.stdin(Stdio::null());
    let (reply, child) = mpsc::channel();
    spawner.send((command, reply)).expect("the spawner");
    child.recv().expect("a child")
}

/// The port in the name of a server's socket, and that of its TCP connections if it takes any.
const PORT: u16 = 5432;

/// A running server.
#[derive(Debug)]
pub struct Server {
    dir: PathBuf,
    port: u16,
    child: Option<Child>,
    databases: AtomicU32,
    clock: Option<Clock>,
    runner: Vec<String>,
}

/// The day's clock of one server, which a test sets.
#[derive(Clone, Debug)]
struct Clock {
    library: PathBuf,
    offset: PathBuf,
}

impl Clock {
    fn at(offset: PathBuf) -> Self {
        let library = fs::read_dir("/usr/lib")
            .expect("/usr/lib")
            .flatten()
            .map(|entry| entry.path().join("faketime/libfaketime.so.1"))
            .find(|library| library.exists())
            .expect("libfaketime, which scripts/servers sees to");
        Self { library, offset }
    }

    /// The library leaves a file in shared memory for each process that it was in.
    fn sweep_up() {
        for file in fs::read_dir("/dev/shm").into_iter().flatten().flatten() {
            let name = file.file_name();
            let pid = name
                .to_str()
                .filter(|name| name.contains("faketime_"))
                .and_then(|name| name.rsplit('_').next());
            if pid.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
                let _ = fs::remove_file(file.path());
            }
        }
    }

    fn set(&self, offset: &str) {
        fs::write(&self.offset, format!("{offset}\n")).expect("the clock");
    }
}

/// A database of a server, with the extension in it.
#[derive(Clone, Debug)]
pub struct Database {
    config: Config,
    over_tcp: Config,
    /// Its name.
    pub name: String,
}

impl Server {
    /// A fresh server that preloads the extension, with these lines added to its configuration.
    #[must_use]
    pub fn start(configuration: &str) -> Self {
        Self::start_plain(&format!(
            "shared_preload_libraries = 'pg_2fapi'\n{configuration}"
        ))
    }

    /// As [`Server::start`], and taking connections over TCP on the loopback interface as well.
    #[must_use]
    pub fn start_on_tcp(configuration: &str) -> Self {
        let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let port = free.expect("a free port").port();
        Self::start_at(
            &[],
            port,
            &format!(
                "shared_preload_libraries = 'pg_2fapi'\n{configuration}\n\
                 listen_addresses = '127.0.0.1'\nport = {port}"
            ),
        )
    }

    /// A fresh server that preloads nothing by itself.
    #[must_use]
    pub fn start_plain(configuration: &str) -> Self {
        Self::start_plain_under(&[], configuration)
    }

    /// As [`Server::start_plain`], by another program that runs it.
    #[must_use]
    pub fn start_plain_under(runner: &[String], configuration: &str) -> Self {
        Self::start_at(runner, PORT, configuration)
    }

    /// As [`Server::start`], with a clock that [`Server::set_clock`] sets.
    #[must_use]
    pub fn start_with_a_clock(configuration: &str) -> Self {
        let mut server = Self::start(configuration);
        server.end("INT");
        let clock = Clock::at(server.dir.join("clock"));
        clock.set("+0");
        server_user_owns(&clock.offset);
        server.clock = Some(clock);
        server.launch();
        server
    }

    /// Sets the clock so far from the machine's, as `+1d` or `-90s`.
    pub fn set_clock(&self, offset: &str) {
        self.clock.as_ref().expect("a clock").set(offset);
    }

    fn start_at(runner: &[String], port: u16, configuration: &str) -> Self {
        static TEMPLATE: OnceLock<PathBuf> = OnceLock::new();
        let template = TEMPLATE.get_or_init(|| {
            let dir = fresh_dir();
            run(run_as_server(bin_dir().join("initdb"))
                .arg("-D")
                .arg(&dir)
                .args([
                    "-U",
                    "postgres",
                    "-A",
                    "trust",
                    "-N",
                    "-E",
                    "UTF8",
                    "--locale=C",
                ]));
            dir
        });
        let dir = fresh_dir();
        run(run_as_server("cp")
            .arg("-a")
            .arg(template.join("."))
            .arg(&dir));
        Self::over_at(runner, port, dir, configuration)
    }

    /// A server over a data directory that exists, such as one that `pg_basebackup` made.
    #[must_use]
    pub fn over(dir: PathBuf, configuration: &str) -> Self {
        Self::over_under(&[], dir, configuration)
    }

    /// As [`Server::over`], by another program that runs it.
    #[must_use]
    pub fn over_under(runner: &[String], dir: PathBuf, configuration: &str) -> Self {
        Self::over_at(runner, PORT, dir, configuration)
    }

    fn over_at(runner: &[String], port: u16, dir: PathBuf, configuration: &str) -> Self {
        let mut server = Self {
            dir,
            port,
            child: None,
            databases: AtomicU32::new(0),
            clock: None,
            runner: runner.to_vec(),
        };
        server.configure(&format!(
            "listen_addresses = ''\nunix_socket_directories = '{}'\nfsync = off\n\
             max_connections = 100\nlogging_collector = off\nmax_prepared_transactions = 5\n\
             max_worker_processes = 16\n{configuration}",
            server.dir.display()
        ));
        server.launch();
        server
    }

    /// Adds lines to the configuration; they hold from the next start or reload on.
    pub fn configure(&self, lines: &str) {
        let path = self.dir.join("postgresql.conf");
        let mut file = OpenOptions::new().append(true).open(path).expect("conf");
        writeln!(file, "{lines}").expect("conf");
    }

    /// Starts the server after it ended. After a kill its backends may hold the shared memory for a
    /// moment longer, and the first start fails.
    pub fn launch(&mut self) {
        let deadline = Instant::now() + Duration::from_secs(60);
        let mut child = self.spawn_postmaster();
        while let Err(error) = self.config("postgres").connect(NoTls) {
            assert!(
                Instant::now() < deadline,
                "the server does not answer: {error}\n{}",
                self.log()
            );
            if let Ok(Some(_)) = child.try_wait() {
                child = self.spawn_postmaster();
            }
            thread::sleep(Duration::from_millis(50));
        }
        self.child = Some(child);
    }

    fn spawn_postmaster(&self) -> Child {
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.log_path())
            .expect("log");
        // After the change of user, as whom the library makes what it shares.
        let mut command = run_as_server_under(&self.runner, "env");
        if let Some(clock) = &self.clock {
            for (name, value) in [
                ("LD_PRELOAD", clock.library.to_str().expect("a path")),
                (
                    "FAKETIME_TIMESTAMP_FILE",
                    clock.offset.to_str().expect("a path"),
                ),
                ("FAKETIME_NO_CACHE", "1"),
                ("FAKETIME_DISABLE_SHM", "1"),
                ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
            ] {
                command.arg(format!("{name}={value}"));
            }
        }
        command
            .arg(bin_dir().join("postgres"))
            .arg("-D")
            .arg(&self.dir)
            .stdout(log.try_clone().expect("log"))
            .stderr(log);
        spawn(command)
    }

    /// Waits until connections are taken, as after a crash of a backend.
    pub fn wait_until_ready(&self) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while let Err(error) = self.config("postgres").connect(NoTls) {
            assert!(
                Instant::now() < deadline,
                "the server does not answer: {error}\n{}",
                self.log()
            );
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// The postmaster's process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("a running server").id()
    }

    /// Sends the postmaster a signal and waits for its end.
    pub fn end(&mut self, signal: &str) {
        if let Some(mut child) = self.child.take() {
            let _ = Command::new("kill")
                .args(["-s", signal, &child.id().to_string()])
                .status();
            let _ = child.wait();
        }
    }

    /// Asks the postmaster to end and says whether it did within so long.
    pub fn ends_within(&mut self, signal: &str, patience: Duration) -> bool {
        let Some(mut child) = self.child.take() else {
            return true;
        };
        let _ = Command::new("kill")
            .args(["-s", signal, &child.id().to_string()])
            .status();
        let deadline = Instant::now() + patience;
        while Instant::now() < deadline {
            if let Ok(Some(_)) = child.try_wait() {
                return true;
            }
            thread::sleep(Duration::from_millis(20));
        }
        self.child = Some(child);
        false
    }

    /// Ends the server in good order and starts it again.
    pub fn restart(&mut self) {
        self.end("INT");
        self.launch();
    }

    /// How to connect to a database as the superuser.
    #[must_use]
    pub fn config(&self, database: &str) -> Config {
        let mut config = Config::new();
        config
            .host_path(&self.dir)
            .port(self.port)
            .user("postgres")
            .dbname(database)
            .connect_timeout(Duration::from_secs(20));
        config
    }

    /// The name of a fresh database with nothing in it.
    #[must_use]
    pub fn empty_database(&self) -> String {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        let mut postgres = self.config("postgres").connect(NoTls).expect("connect");
        postgres
            .batch_execute(&format!("CREATE DATABASE {name} TEMPLATE template0"))
            .expect("CREATE DATABASE");
        name
    }

    /// A fresh database with the extension in it.
    #[must_use]
    pub fn database(&self) -> Database {
        let name = self.empty_database();
        let mut over_tcp = Config::new();
        over_tcp
            .host("127.0.0.1")
            .port(self.port)
            .user("postgres")
            .dbname(&name)
            .connect_timeout(Duration::from_secs(20));
        let database = Database {
            config: self.config(&name),
            over_tcp,
            name,
        };
        database
            .connect()
            .batch_execute("CREATE EXTENSION pg_2fapi")
            .expect("CREATE EXTENSION");
        database
    }

    /// The data directory, which also holds the socket.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    fn log_path(&self) -> PathBuf {
        self.dir.join("server.log")
    }

    /// The server log so far.
    #[must_use]
    pub fn log(&self) -> String {
        let log = fs::read(self.log_path()).unwrap_or_default();
        String::from_utf8_lossy(&log).into_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if thread::panicking() {
            let log = self.log();
            let tail: Vec<_> = log.lines().rev().take(30).collect();
            eprintln!("--- end of the server log ---");
            tail.iter().rev().for_each(|line| eprintln!("{line}"));
        }
        self.end("QUIT");
        if self.clock.is_some() {
            Clock::sweep_up();
        }
        let _ = fs::remove_dir_all(&self.dir);
    }
}

impl Database {
    /// A connection as the superuser.
    #[must_use]
    pub fn connect(&self) -> Connection {
        self.config.connect(NoTls).expect("connect")
    }

    /// A connection as the superuser to a server that was started on TCP.
    #[must_use]
    pub fn connect_over_tcp(&self) -> Connection {
        self.over_tcp.connect(NoTls).expect("connect")
    }

    /// A connection as another role.
    #[must_use]
    pub fn connect_as(&self, role: &str) -> Connection {
        let mut config = self.config.clone();
        config.user(role).connect(NoTls).expect("connect")
    }

    /// A role of this database's own, that may log in and nothing else.
    #[must_use]
    pub fn role(&self, name: &str) -> String {
        let role = format!("{}_{name}", self.name);
        self.connect()
            .batch_execute(&format!("CREATE ROLE {role} LOGIN"))
            .expect("CREATE ROLE");
        role
    }
}

fn fresh_dir() -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let dir = work_dir().join(format!("{}-{count}", std::process::id()));
    fs::create_dir(&dir).expect("a directory for the server");
    server_user_owns(&dir);
    run(Command::new("chmod").arg("700").arg(&dir));
    dir
}
