//! PgBouncer between clients and server: with the documented setting nobody inherits an identity.

use std::{
    fs,
    process::{Command, Stdio},
    sync::atomic::{AtomicU16, Ordering},
    thread,
    time::{Duration, Instant},
};

use postgres::{Client as Connection, Config, NoTls, SimpleQueryMessage};
use twofapi_tests_pg::{Client, Database, Server, run_as_server, server_user_owns};

struct Bouncer {
    child: std::process::Child,
    config: Config,
}

impl Bouncer {
    /// One server connection for everybody.
    fn start(server: &Server, database: &Database, mode: &str) -> Self {
        static NEXT: AtomicU16 = AtomicU16::new(6500);
        let port = NEXT.fetch_add(1, Ordering::Relaxed);
        let dir = server.dir().join(format!("bouncer-{port}"));
        fs::create_dir(&dir).unwrap();
        fs::write(dir.join("users"), "\"postgres\" \"\"\n").unwrap();
        let socket = server.dir().display();
        fs::write(
            dir.join("ini"),
            format!(
                "[databases]\n{db} = host={socket} port=5432 dbname={db} user=postgres\n[pgbouncer]\n\
                 listen_addr =\nlisten_port = {port}\nunix_socket_dir = {dir}\nauth_type = any\n\
                 auth_file = {dir}/users\npool_mode = {mode}\ndefault_pool_size = 1\nmin_pool_size = 0\n\
                 logfile = {dir}/log\nmax_client_conn = 50\nignore_startup_parameters = extra_float_digits\n",
                db = database.name,
                dir = dir.display(),
            ),
        )
        .unwrap();
        server_user_owns(&dir);
        let child = run_as_server("pgbouncer")
            .arg("-q")
            .arg(dir.join("ini"))
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let mut config = Config::new();
        config
            .host_path(&dir)
            .port(port)
            .user("postgres")
            .dbname(&database.name);
        let deadline = Instant::now() + Duration::from_secs(20);
        while let Err(error) = config.connect(NoTls) {
            let log = fs::read_to_string(dir.join("log")).unwrap_or_default();
            assert!(
                Instant::now() < deadline,
                "pgbouncer does not answer: {error}\n{log}"
            );
            thread::sleep(Duration::from_millis(50));
        }
        Self { child, config }
    }

    fn connect(&self) -> Connection {
        self.config.connect(NoTls).unwrap()
    }
}

impl Drop for Bouncer {
    fn drop(&mut self) {
        let pid = self.child.id().to_string();
        let _ = Command::new("kill").args(["-INT", &pid]).status();
        let _ = self.child.wait();
    }
}

/// What a query answers over the simple protocol, which a pooler of transactions needs here.
fn text(connection: &mut Connection, query: &str) -> Vec<Vec<Option<String>>> {
    connection
        .simple_query(query)
        .unwrap()
        .into_iter()
        .filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(
                (0..row.len())
                    .map(|n| row.get(n).map(str::to_owned))
                    .collect(),
            ),
            _ => None,
        })
        .collect()
}

fn owners(connection: &mut Connection) -> Vec<String> {
    let query =
        "SELECT DISTINCT owner FROM my_data WHERE owner = twofapi.current_client() ORDER BY 1";
    text(connection, query)
        .into_iter()
        .flatten()
        .flatten()
        .collect()
}

fn log_in(connection: &mut Connection, client: &Client) {
    let row = text(
        connection,
        &format!(
            "SELECT challenge_id, nonce FROM twofapi.challenge('{}')",
            client.id
        ),
    )
    .remove(0);
    let (id, nonce) = (row[0].clone().unwrap(), row[1].clone().unwrap());
    let challenge = twofapi_tests_pg::Challenge {
        id,
        nonce: hex::decode(nonce.trim_start_matches("\\x")).unwrap(),
        binding: Vec::new(),
    };
    let proof = hex::encode(client.proof(&challenge));
    let call = format!(
        "SELECT twofapi.authenticate('{}', '{}', '\\x{proof}')",
        client.id, challenge.id
    );
    assert_eq!(text(connection, &call), [[Some("t".to_owned())]]);
}

fn scene(configuration: &str) -> (Server, Database, Client, Client) {
    let server = Server::start(configuration);
    let database = server.database();
    let mut admin = database.connect();
    let (alice, bob) = (
        Client::enrolled(&mut admin, "alice"),
        Client::enrolled(&mut admin, "bob"),
    );
    admin
        .batch_execute(
            "CREATE TABLE my_data (owner text); INSERT INTO my_data VALUES ('alice'), ('bob')",
        )
        .unwrap();
    (server, database, alice, bob)
}

fn backend(connection: &mut Connection) -> String {
    text(connection, "SELECT pg_backend_pid()")[0][0]
        .clone()
        .unwrap()
}

#[test]
fn in_transaction_mode_two_clients_on_one_server_connection_never_see_each_others_rows() {
    let (server, database, alice, bob) = scene("twofapi.session_scope = transaction");
    let bouncer = Bouncer::start(&server, &database, "transaction");
    let (mut a, mut b) = (bouncer.connect(), bouncer.connect());
    assert_eq!(backend(&mut a), backend(&mut b));
    for round in 0..20 {
        for (connection, client) in [(&mut a, &alice), (&mut b, &bob)] {
            connection.batch_execute("BEGIN").unwrap();
            assert_eq!(owners(connection), Vec::<String>::new(), "round {round}");
            log_in(connection, client);
            assert_eq!(owners(connection), [client.id.as_str()], "round {round}");
            connection
                .batch_execute(if round % 2 == 0 { "COMMIT" } else { "ROLLBACK" })
                .unwrap();
            assert_eq!(owners(connection), Vec::<String>::new(), "round {round}");
        }
    }
}

#[test]
fn in_session_mode_the_next_client_of_a_server_connection_is_nobody() {
    let (server, database, alice, bob) = scene("");
    let bouncer = Bouncer::start(&server, &database, "session");
    let mut backends = Vec::new();
    for round in 0..10 {
        let client = if round % 2 == 0 { &alice } else { &bob };
        let mut connection = bouncer.connect();
        backends.push(backend(&mut connection));
        assert_eq!(
            owners(&mut connection),
            Vec::<String>::new(),
            "round {round}"
        );
        log_in(&mut connection, client);
        assert_eq!(
            owners(&mut connection),
            [client.id.as_str()],
            "round {round}"
        );
    }
    backends.dedup();
    assert_eq!(
        backends.len(),
        1,
        "every client had the same server connection"
    );
}
