//! Through PgBouncer in transaction mode, where no two statements need be said to the same connection: the battery, again.

use std::{
    fs,
    process::Stdio,
    sync::{Arc, OnceLock},
    thread,
    time::{Duration, Instant},
};

use postgres::{Config, NoTls};
use twofapi_tests_pg::{run_as_server, server_user_owns};

use crate::{
    battery::Subject,
    place::{Place, server},
};

/// Where PgBouncer listens, for as long as the tests run.
fn socket() -> &'static str {
    static SOCKET: OnceLock<String> = OnceLock::new();
    SOCKET.get_or_init(|| {
        let dir = server().dir().join("bouncer");
        fs::create_dir(&dir).expect("a directory");
        fs::write(dir.join("users"), "\"postgres\" \"\"\n").expect("a file");
        let (here, there) = (dir.display(), server().dir().display());
        let ini = format!(
            "[databases]\n* = host={there} port=5432 user=postgres\n[pgbouncer]\nlisten_addr =\n\
             listen_port = 6432\nunix_socket_dir = {here}\nauth_type = any\nauth_file = {here}/users\n\
             pool_mode = transaction\ndefault_pool_size = 3\nmax_client_conn = 900\nlogfile = {here}/log\n"
        );
        fs::write(dir.join("ini"), ini).expect("a file");
        server_user_owns(&dir);
        let ini = dir.join("ini");
        // It ends with the thread that has begun it.
        thread::spawn(move || {
            let mut bouncer = run_as_server("pgbouncer")
                .arg("-q")
                .arg(ini)
                .stdin(Stdio::null())
                .spawn()
                .expect("pgbouncer");
            let _ = bouncer.wait();
        });
        let mut config = Config::new();
        config.host_path(&dir).port(6432).user("postgres").dbname("postgres");
        let deadline = Instant::now() + Duration::from_secs(20);
        while let Err(error) = config.connect(NoTls) {
            let log = fs::read_to_string(dir.join("log")).unwrap_or_default();
            assert!(Instant::now() < deadline, "no answer: {error}\n{log}");
            thread::sleep(Duration::from_millis(50));
        }
        dir.display().to_string().replace('/', "%2F")
    })
}

async fn open(capacity: u32) -> Subject {
    let mut place = Place::with_a_store().await;
    let socket = tokio::task::spawn_blocking(socket)
        .await
        .expect("pgbouncer");
    let name = place.config.get_dbname().expect("a name");
    place.url = format!("postgres://postgres@{socket}:6432/{name}");
    Subject {
        store: Arc::new(place.open(capacity).await),
        place,
        capacity,
        server: None,
    }
}

twofapi_server::store_conformance!(open);
