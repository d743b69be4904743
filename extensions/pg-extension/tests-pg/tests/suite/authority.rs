//! What a client may do, in policies, and from where it is let in.

use postgres::Client as Connection;
use twofapi_tests_pg::{Client, Server};

use crate::{current_client, database};

fn set(admin: &mut Connection, said: &str) {
    admin
        .batch_execute(&format!(
            "SELECT twofapi.set_client_attributes('alice', {said})"
        ))
        .unwrap();
}

fn has(connection: &mut Connection, scope: &str) -> bool {
    let row = connection.query_one("SELECT twofapi.has_scope($1)", &[&scope]);
    row.unwrap().get(0)
}

#[test]
fn a_policy_goes_by_the_scopes_of_the_sessions_client_as_they_are_now() {
    let database = database();
    let mut admin = database.connect();
    let alice = Client::enrolled(&mut admin, "alice");
    let role = database.role("reader");
    admin
        .batch_execute(&format!(
            "CREATE TABLE reports (n integer); INSERT INTO reports SELECT generate_series(1, 100);
             ALTER TABLE reports ENABLE ROW LEVEL SECURITY; GRANT SELECT ON reports TO {role};
             CREATE POLICY readers ON reports USING (twofapi.has_scope('reports:read'));"
        ))
        .unwrap();
    let mut reader = database.connect_as(&role);
    let seen = |reader: &mut Connection| -> i64 {
        let row = reader.query_one("SELECT count(*) FROM reports", &[]);
        row.unwrap().get(0)
    };
    assert_eq!(seen(&mut reader), 0, "without a session");
    assert!(alice.log_in(&mut reader));
    assert_eq!(seen(&mut reader), 0, "without a scope");
    set(&mut admin, "scopes => '{reports:read,write}'");
    assert_eq!(seen(&mut reader), 100);
    assert!(has(&mut reader, "write") && !has(&mut reader, "reports") && !has(&mut reader, ""));
    let of_null = reader.query_one("SELECT twofapi.has_scope(NULL)", &[]);
    assert!(!of_null.unwrap().get::<_, bool>(0));
    // What is taken away is gone at once, in a session that is open.
    set(&mut admin, "scopes => '{write}'");
    assert_eq!(seen(&mut reader), 0);
    set(&mut admin, "scopes => '{reports:read}'");
    assert_eq!(seen(&mut reader), 100);
    reader.batch_execute("SELECT twofapi.logout()").unwrap();
    assert_eq!(seen(&mut reader), 0);
}

#[test]
fn a_client_with_allowed_sources_is_let_in_from_there_and_stays_no_longer_than_that() {
    let server = Server::start_on_tcp("");
    let database = server.database();
    let mut admin = database.connect();
    let alice = Client::enrolled(&mut admin, "alice");
    let (mut over_tcp, mut over_a_socket) = (database.connect_over_tcp(), database.connect());
    assert!(alice.log_in(&mut over_tcp) && alice.log_in(&mut over_a_socket));
    set(&mut admin, "sources => '{192.0.2.0/24}'");
    // Sessions from elsewhere are over, and there are no others.
    for connection in [&mut over_tcp, &mut over_a_socket] {
        assert_eq!(current_client(connection), None);
        assert!(!alice.log_in(connection));
    }
    assert!(!alice.link(&mut over_tcp, &Client::new("alice"), "laptop"));
    set(&mut admin, "sources => '{127.0.0.0/8}'");
    assert!(alice.log_in(&mut over_tcp));
    // Of a Unix socket nobody knows from where it is used.
    assert!(!alice.log_in(&mut over_a_socket));
}
