//! What sessions cost inside PostgreSQL: ratios of two things measured in turn, in one run, on one
//! server. Printed, and recorded in `target/bench.json`.
//!
//! A proof answers a challenge, so pgbench cannot make one; this driver asks for challenges and
//! proves before the clock starts, and then does what pgbench would: two round trips per login, a
//! challenge and an authentication, with prepared statements.
#![allow(missing_docs)]

use std::{
    env,
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ed25519_dalek::{Signer as _, SigningKey};
use postgres::Client as Connection;
use serde_json::{Value, json};
use twofapi_tests_pg::{Challenge, Client, Database, Server};

const CONFIGURATION: &str = "twofapi.challenge_ttl = 900\nlog_min_messages = fatal\n\
    autovacuum = off\nshared_buffers = 512MB\nmax_parallel_workers_per_gather = 0\njit = off\n\
    max_wal_size = 4GB\nmax_connections = 100";

/// Measures something and records it under its name.
type Part = fn(&mut dyn FnMut(&str, f64));

/// How a client connects.
type Way = fn(&Database) -> Connection;

fn main() {
    let mut figures: Vec<(String, f64)> = Vec::new();
    let mut record = |name: &str, figure: f64| {
        println!("{name:<45} {figure:.3}");
        figures.push((name.to_owned(), figure));
    };
    // All of them, or those that are named: `scripts/run bench PG_CONFIG -- logins`.
    let parts: [(&str, Part); 6] = [
        ("rows", rows),
        ("logins", logins),
        ("wal", wal_of_logins),
        ("jwt", jwt),
        ("full_spent_set", full_spent_set),
        ("many_clients", many_clients),
    ];
    let named: Vec<String> = env::args()
        .skip(1)
        .filter(|a| !a.starts_with('-'))
        .collect();
    for (name, part) in parts {
        if named.is_empty() || named.iter().any(|n| n == name) {
            part(&mut record);
        }
    }
    let figures: Vec<(&str, f64)> = figures.iter().map(|(name, it)| (&**name, *it)).collect();
    twofapi_tests::figures::record(&figures).expect("target/bench.json");
}

/// The cost of a policy per row.
fn rows(record: &mut dyn FnMut(&str, f64)) {
    let server = Server::start(CONFIGURATION);
    let database = server.database();
    let mut admin = database.connect();
    let alice = Client::enrolled(&mut admin, "alice");
    let app = database.role("app");
    for (table, policy) in [
        ("by_setting", "current_setting('app.client')"),
        ("by_session", "twofapi.current_client()"),
        ("by_setting_once", "(SELECT current_setting('app.client'))"),
        ("by_session_once", "(SELECT twofapi.current_client())"),
    ] {
        admin
            .batch_execute(&format!(
                "CREATE TABLE {table} AS SELECT 'alice'::text AS owner, n FROM generate_series(1, 1000000) n;
                 ALTER TABLE {table} ENABLE ROW LEVEL SECURITY;
                 CREATE POLICY own ON {table} USING (owner = {policy});
                 GRANT SELECT ON {table} TO PUBLIC"
            ))
            .and_then(|()| admin.batch_execute(&format!("VACUUM ANALYZE {table}")))
            .expect("a table");
    }
    let mut connection = database.connect_as(&app);
    connection
        .batch_execute("SET app.client = 'alice'")
        .expect("a setting");
    assert!(alice.log_in(&mut connection));
    let mut count = |table: &str| {
        let start = Instant::now();
        let row = connection
            .query_one(&format!("SELECT count(*) FROM {table}"), &[])
            .expect("a count");
        assert_eq!(row.get::<_, i64>(0), 1_000_000);
        start.elapsed()
    };
    for (name, ours, theirs) in [
        (
            "pg.rls_current_client_vs_current_setting",
            "by_session",
            "by_setting",
        ),
        (
            "pg.rls_subselect_vs_current_setting",
            "by_session_once",
            "by_setting",
        ),
        (
            "pg.rls_subselect_vs_current_setting_subselect",
            "by_session_once",
            "by_setting_once",
        ),
    ] {
        let ratio = median((0..9).map(|_| {
            let theirs = count(theirs);
            count(ours).as_secs_f64() / theirs.as_secs_f64()
        }));
        record(name, ratio);
    }
}

/// Logins before the clock starts: the server plans a prepared statement anew five times before it
/// keeps a plan, and a backend fills its caches.
const WARM: usize = 8;

/// A client, a challenge, and the proof that answers it.
type Ticket<'a> = (&'a Client, Challenge, Vec<u8>);

/// So many tickets of clients in turn, and [`WARM`] more to begin with.
fn tickets<'a>(
    connection: &mut Connection,
    clients: &'a [Client],
    count: usize,
) -> Vec<Ticket<'a>> {
    let in_turn = clients.iter().cycle().take(WARM + count);
    in_turn
        .map(|client| {
            let challenge = client.challenge(connection);
            let proof = client.proof(&challenge);
            (client, challenge, proof)
        })
        .collect()
}

/// Clients of which a connection remembers hardly one until its turn comes again.
fn strangers(admin: &mut Connection) -> Vec<Client> {
    (0..500)
        .map(|n| Client::enrolled(admin, &format!("stranger-{n}")))
        .collect()
}

/// Challenge and authenticate, once for each ticket. `ready` is called when the statements are
/// prepared and the first [`WARM`] tickets are spent: then the clock starts.
fn spend(connection: &mut Connection, tickets: &[Ticket<'_>], ready: impl FnOnce()) -> Duration {
    let ask = connection
        .prepare("SELECT * FROM twofapi.challenge($1)")
        .expect("a statement");
    let authenticate = connection
        .prepare("SELECT twofapi.authenticate($1, $2, $3)")
        .expect("a statement");
    let mut log_in = |(client, challenge, proof): &Ticket<'_>| {
        let id = client.id.as_str();
        connection.query_one(&ask, &[&id]).expect("a challenge");
        let row = connection
            .query_one(&authenticate, &[&id, &challenge.id, proof])
            .expect("an answer");
        assert!(row.get::<_, bool>(0));
    };
    let (first, others) = tickets.split_at(WARM);
    first.iter().for_each(&mut log_in);
    ready();
    let start = Instant::now();
    others.iter().for_each(log_in);
    start.elapsed()
}

/// The same round trips without us.
fn select_twice(connection: &mut Connection, count: usize, ready: impl FnOnce()) {
    let select = connection.prepare("SELECT 1").expect("a statement");
    let mut select = || connection.query_one(&select, &[]).expect("a row");
    for _ in 0..2 * WARM {
        select();
    }
    ready();
    for _ in 0..2 * count {
        select();
    }
}

/// The least that a login by such a proof can be: a round trip, and one in which the server looks at
/// the equation and does nothing else.
fn equation_alone(
    connection: &mut Connection,
    client: &Client,
    count: usize,
    ready: impl FnOnce(),
) {
    let select = connection.prepare("SELECT 1").expect("a statement");
    let equation = connection
        .prepare("SELECT equation_alone($1, $2, $3)")
        .expect("a statement");
    let (id, commitment, proof) = (client.id.as_str(), client.commitment(), client.possession());
    let mut prove = || {
        connection.query_one(&select, &[]).expect("a row");
        let row = connection
            .query_one(&equation, &[&id, &commitment, &proof])
            .expect("an answer");
        assert!(row.get::<_, bool>(0));
    };
    for _ in 0..WARM {
        prove();
    }
    ready();
    for _ in 0..count {
        prove();
    }
}

/// What a connection does, two round trips at a time.
#[derive(Clone, Copy)]
enum Pair {
    Selects,
    Login,
    Equation,
}

impl Pair {
    /// `count` pairs. `ready` is called when everything is prepared: then the clock starts.
    fn make(
        self,
        connection: &mut Connection,
        clients: &[Client],
        count: usize,
        ready: impl FnOnce(),
    ) {
        match self {
            Self::Selects => select_twice(connection, count, ready),
            Self::Login => {
                let tickets = tickets(connection, clients, count);
                spend(connection, &tickets, ready);
            }
            Self::Equation => equation_alone(connection, &clients[0], count, ready),
        }
    }
}

/// Logins per second against pairs of SELECT 1 per second: over TCP, as most clients connect, over
/// the server's socket, where a round trip takes less than looking at a proof, and with each login
/// another client's, whom the connection does not know. A server for each, as one spent set does not
/// hold them all. Beside the first, what the equation alone comes to, which is how far a login can get,
/// and the first logins of new connections.
fn logins(record: &mut dyn FnMut(&str, f64)) {
    let ways: [(&str, Way, bool); 3] = [
        ("", Database::connect_over_tcp, false),
        ("_over_the_socket", Database::connect, false),
        ("_each_another_client", Database::connect_over_tcp, true),
    ];
    for (way, connect, each_another) in ways {
        let beside = way.is_empty().then(peers);
        let server = Server::start_on_tcp(&match &beside {
            Some(peers) => {
                format!("{CONFIGURATION}\nshared_preload_libraries = 'pg_2fapi, {peers}'")
            }
            None => CONFIGURATION.to_owned(),
        });
        let database = server.database();
        let mut admin = database.connect();
        if let Some(peers) = &beside {
            admin
                .batch_execute(&format!(
                    "CREATE FUNCTION equation_alone(text, bytea, bytea) RETURNS boolean
                         LANGUAGE c VOLATILE STRICT AS '{peers}', 'equation_alone_wrapper'"
                ))
                .expect("the peer");
        }
        let clients = if each_another {
            strangers(&mut admin)
        } else {
            vec![Client::enrolled(&mut admin, "alice")]
        };
        let pairs: &[Pair] = match beside {
            Some(_) => &[Pair::Selects, Pair::Login, Pair::Equation],
            None => &[Pair::Selects, Pair::Login],
        };
        let of_selects = |connections: usize, which: Connections, each: usize| -> Vec<f64> {
            let connect = || connect(&database);
            let rounds = in_turn(connect, (connections, which), pairs, &clients, each);
            (1..pairs.len())
                .map(|pair| median(rounds.iter().map(|round| round[0] / round[pair])))
                .collect()
        };
        for (connections, each) in [(1, 2000), (8, 1000), (64, 200)] {
            let ratios = of_selects(connections, Connections::Kept, each);
            record(
                &format!("pg.login_tps_vs_two_selects_{connections}{way}"),
                ratios[0],
            );
            if let Some(equation) = ratios.get(1) {
                let name = format!("pg.equation_alone_tps_vs_two_selects_{connections}");
                record(&name, *equation);
            }
        }
        if beside.is_some() {
            let ratios = of_selects(64, Connections::New, 200);
            record("pg.login_tps_vs_two_selects_64_new_connections", ratios[0]);
        }
    }
}

/// Which connections do it.
#[derive(Clone, Copy)]
enum Connections {
    /// They stay open throughout, as pgbench's and a pool's do.
    Kept,
    /// Each turn has its own, whose backends have touched little of the shared memory.
    New,
}

/// How many times each kind of pair has its turn.
const ROUNDS: usize = 15;

/// How long each connection's `each` pairs of one kind take all of them together, and then those of
/// the next kind, in seconds, round by round. Turns are short and each round begins with another
/// kind: what else the machine does in a minute meets every kind alike.
fn in_turn(
    connect: impl Fn() -> Connection + Sync,
    (connections, which): (usize, Connections),
    pairs: &[Pair],
    clients: &[Client],
    each: usize,
) -> Vec<Vec<f64>> {
    let mut rounds = vec![vec![0.0; pairs.len()]; ROUNDS];
    thread::scope(|scope| {
        let connect = &connect;
        // Each is told a kind, answers that it is ready, is told to go and answers that it is done.
        // One that panics answers no more, and that ends the others too.
        let workers: Vec<_> = (0..connections)
            .map(|_| {
                let (tell, told) = mpsc::channel::<Pair>();
                let (answer, answered) = mpsc::channel();
                scope.spawn(move || {
                    let mut kept = None;
                    for pair in &told {
                        let connection = kept.get_or_insert_with(connect);
                        pair.make(connection, clients, each, || {
                            answer.send(()).expect("a listener");
                            told.recv().expect("a word to go");
                        });
                        answer.send(()).expect("a listener");
                        if let Connections::New = which {
                            kept = None;
                        }
                    }
                });
                (tell, answered)
            })
            .collect();
        let tell_all = |pair| {
            for (tell, _) in &workers {
                tell.send(pair).expect("a worker");
            }
        };
        let wait_for_all = || {
            for (_, answered) in &workers {
                answered.recv().expect("a worker");
            }
        };
        for (round, times) in rounds.iter_mut().enumerate() {
            for turn in 0..pairs.len() {
                let kind = (round + turn) % pairs.len();
                tell_all(pairs[kind]);
                wait_for_all();
                let start = Instant::now();
                tell_all(pairs[kind]);
                wait_for_all();
                times[kind] = start.elapsed().as_secs_f64();
                if let Connections::New = which {
                    // Until the backends of this turn have gone.
                    thread::sleep(Duration::from_millis(500));
                }
            }
        }
    });
    rounds
}

/// What a login writes to the log of changes.
fn wal_of_logins(record: &mut dyn FnMut(&str, f64)) {
    let server = Server::start(CONFIGURATION);
    let mut admin = server.database().connect();
    let alice = [Client::enrolled(&mut admin, "alice")];
    for (name, audit) in [
        ("pg.wal_bytes_per_login", "off"),
        ("pg.wal_bytes_per_login_with_audit", "on"),
    ] {
        admin
            .batch_execute(&format!("SET twofapi.audit_log = {audit}"))
            .expect("a setting");
        let tickets = tickets(&mut admin, &alice, 2000);
        thread::sleep(Duration::from_secs(1));
        let before = wal(&mut admin);
        spend(&mut admin, &tickets, || {});
        thread::sleep(Duration::from_secs(1));
        record(name, (wal(&mut admin) - before) / tickets.len() as f64);
    }
}

/// The library of what is measured beside us.
fn peers() -> String {
    env::var("TWOFAPI_PG_PEERS").expect("TWOFAPI_PG_PEERS, set by scripts/run")
}

/// Beside the nearest design: a JWT checked with Ed25519 once per session, in another library that
/// was built like ours. Opening takes it one round trip, and us two.
fn jwt(record: &mut dyn FnMut(&str, f64)) {
    const TIMES: usize = 2000;
    let library = peers();
    let server = Server::start_on_tcp(CONFIGURATION);
    let database = server.database();
    let mut admin = database.connect();
    let alice = [Client::enrolled(&mut admin, "alice")];
    admin
        .batch_execute(&format!(
            "CREATE FUNCTION jwt_session_open(token text, key bytea) RETURNS boolean
                 LANGUAGE c VOLATILE STRICT AS '{library}', 'jwt_session_open_wrapper';
             CREATE FUNCTION jwt_sub() RETURNS text
                 LANGUAGE c STABLE PARALLEL RESTRICTED AS '{library}', 'jwt_sub_wrapper';
             CREATE TABLE rows AS SELECT 'alice'::text AS owner FROM generate_series(1, 1000000)"
        ))
        .and_then(|()| admin.batch_execute("VACUUM ANALYZE rows"))
        .expect("the peer");

    let signing = SigningKey::from_bytes(&[7; 32]);
    let part = |claims: Value| URL_SAFE_NO_PAD.encode(claims.to_string());
    let signed = format!(
        "{}.{}",
        part(json!({"alg": "EdDSA", "typ": "JWT"})),
        part(json!({"sub": "alice", "exp": 4_000_000_000_u64}))
    );
    let signature = URL_SAFE_NO_PAD.encode(signing.sign(signed.as_bytes()).to_bytes());
    let token = format!("{signed}.{signature}");
    let key = signing.verifying_key().to_bytes();

    let mut connection = database.connect_over_tcp();
    let open = connection
        .prepare("SELECT jwt_session_open($1, $2)")
        .expect("a statement");
    let mut times: Vec<(f64, f64)> = Vec::new();
    for _ in 0..9 {
        let start = Instant::now();
        for _ in 0..TIMES {
            let row = connection.query_one(&open, &[&token, &key.as_slice()]);
            assert!(row.expect("an answer").get::<_, bool>(0));
        }
        let theirs = start.elapsed();
        let tickets = tickets(&mut connection, &alice, TIMES);
        let ours = spend(&mut connection, &tickets, || {});
        times.push((theirs.as_secs_f64(), ours.as_secs_f64()));
    }
    let micros = |seconds: f64| seconds / TIMES as f64 * 1e6;
    record(
        "pg.jwt_session_open_us",
        micros(median(times.iter().map(|t| t.0))),
    );
    record("pg.login_us", micros(median(times.iter().map(|t| t.1))));
    record(
        "pg.login_vs_jwt_session_open",
        median(times.iter().map(|t| t.1 / t.0)),
    );

    // Both sessions are open on this connection.
    let mut count = |filter: &str| {
        let start = Instant::now();
        let row = connection
            .query_one(
                &format!("SELECT count(*) FROM rows WHERE owner = {filter}"),
                &[],
            )
            .expect("a count");
        assert_eq!(row.get::<_, i64>(0), 1_000_000);
        start.elapsed().as_secs_f64()
    };
    let ratio = median((0..9).map(|_| {
        let theirs = count("jwt_sub()");
        count("twofapi.current_client()") / theirs
    }));
    record("pg.current_client_vs_jwt_sub_per_row", ratio);
}

/// Bytes of WAL written so far.
fn wal(connection: &mut Connection) -> f64 {
    connection
        .query_one(
            "SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::float8",
            &[],
        )
        .expect("an LSN")
        .get(0)
}

/// How long logins take at one of two servers against the other, measured in turn.
fn one_against_other(
    ours: (&mut Connection, &[Client]),
    other: (&mut Connection, &[Client]),
) -> f64 {
    median((0..9).map(|_| {
        let [ours, other] =
            [(&mut *ours.0, ours.1), (&mut *other.0, other.1)].map(|(connection, clients)| {
                let tickets = tickets(connection, clients, 500);
                spend(connection, &tickets, || {}).as_secs_f64()
            });
        other / ours
    }))
}

/// A fresh server without audit, so that only logins are measured.
fn quiet(configuration: &str) -> (Server, Database, Connection, [Client; 1]) {
    let configuration = format!("{CONFIGURATION}\ntwofapi.audit_log = off\n{configuration}");
    let server = Server::start(&configuration);
    let database = server.database();
    let mut connection = database.connect();
    let alice = [Client::enrolled(&mut connection, "alice")];
    (server, database, connection, alice)
}

/// Logins per second with a nearly full spent set against an empty one, both of the size that a
/// server has unless it is told otherwise.
fn full_spent_set(record: &mut dyn FnMut(&str, f64)) {
    const CAPACITY: i64 = 1_000_000;
    let (_full, database, mut full, alice) = quiet("");
    let (_empty, _, mut empty, bob) = quiet("");
    // One client has no more than its share of the second half.
    let many: Vec<_> = (0..128)
        .map(|n| Client::enrolled(&mut full, &format!("client-{n}")))
        .collect();
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut connection = database.connect();
                for _ in 0..49 {
                    let tickets = tickets(&mut connection, &many, 10_000);
                    spend(&mut connection, &tickets, || {});
                }
            });
        }
    });
    let ratio = one_against_other((&mut full, &alice), (&mut empty, &bob));
    let row = full
        .query_one("SELECT spent_capacity, spent_held FROM twofapi.stats", &[])
        .expect("stats");
    let (capacity, held): (i64, i64) = (row.get(0), row.get(1));
    assert_eq!(capacity, CAPACITY);
    assert!(held > CAPACITY * 97 / 100, "only {held} are held");
    record("pg.login_tps_full_spent_vs_empty", ratio);
}

/// Logins per second with a million clients, each login another one's, against ten that take turns:
/// those ten are known to the connection, and of the others hardly one is. Then with a million
/// clients in the table against five hundred, of whom none is known either.
fn many_clients(record: &mut dyn FnMut(&str, f64)) {
    let (_many, _, mut many, _) = quiet("");
    let (_ten, _, mut ten, alice) = quiet("");
    let others = (1..10).map(|n| Client::enrolled(&mut ten, &format!("client-{n}")));
    let ten_clients: Vec<_> = alice.into_iter().chain(others).collect();
    many.batch_execute(
        "INSERT INTO twofapi.clients (client_id, commitment, commitment_version, status)
         SELECT 'many-' || n, commitment, 1, 'active'
         FROM generate_series(1, 1000000) n, twofapi.clients",
    )
    .and_then(|()| many.batch_execute("VACUUM ANALYZE twofapi.clients"))
    .and_then(|()| many.batch_execute("CHECKPOINT"))
    .expect("a million clients");
    let strangers = strangers(&mut many);
    let ratio = one_against_other((&mut many, &strangers), (&mut ten, &ten_clients));
    record("pg.login_tps_1m_clients_vs_10", ratio);
    let (_few, _, mut few, _) = quiet("");
    let few_clients = self::strangers(&mut few);
    let ratio = one_against_other((&mut many, &strangers), (&mut few, &few_clients));
    record("pg.login_tps_1m_clients_vs_500_unknown", ratio);
}

fn median(samples: impl Iterator<Item = f64>) -> f64 {
    let mut samples: Vec<_> = samples.collect();
    samples.sort_by(f64::total_cmp);
    samples[samples.len() / 2]
}
