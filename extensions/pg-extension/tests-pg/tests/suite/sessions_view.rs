//! An operator sees the open sessions, ends them, and finds what every object is for.

use postgres::Client as Connection;
use twofapi_tests_pg::{Client, Database, Server};

use crate::{current_client, database, eventually, refusal};

fn scene() -> (Database, Connection, Connection, Client) {
    let database = database();
    let mut admin = database.connect();
    let alice = Client::enrolled(&mut admin, "alice");
    let mut connection = database.connect_as(&database.role("app"));
    assert!(alice.log_in(&mut connection));
    (database, admin, connection, alice)
}

/// Whose sessions are open, of which process.
fn open(admin: &mut Connection) -> Vec<(String, i32)> {
    let rows = admin.query(
        "SELECT client_id, pid FROM twofapi.sessions ORDER BY 1, 2",
        &[],
    );
    rows.unwrap()
        .iter()
        .map(|row| (row.get(0), row.get(1)))
        .collect()
}

fn pid(connection: &mut Connection) -> i32 {
    let row = connection.query_one("SELECT pg_backend_pid()", &[]);
    row.unwrap().get(0)
}

#[test]
fn open_sessions_are_shown_to_operators_with_all_that_identifies_them() {
    let (database, mut admin, mut connection, alice) = scene();
    let row = admin
        .query_one(
            "SELECT client_id, pid, role::text, commitment_version, since <= now(),
                    expires_at - since = '15 minutes', credential_id, generation
             FROM twofapi.sessions",
            &[],
        )
        .unwrap();
    assert_eq!(row.get::<_, String>(0), "alice");
    assert_eq!(row.get::<_, i32>(1), pid(&mut connection));
    assert_eq!(row.get::<_, String>(2), database.name.clone() + "_app");
    assert_eq!(row.get::<_, i32>(3), 1);
    assert!(row.get::<_, bool>(4) && row.get::<_, bool>(5));
    let credential = alice.credential_id().to_string();
    assert_eq!((row.get(6), row.get(7)), (credential, 0_i64));
    for hidden in [
        "SELECT * FROM twofapi.sessions",
        "SELECT twofapi.list_sessions()",
    ] {
        assert_eq!(refusal(connection.query(hidden, &[])).0, "42501");
    }
    // Other databases' clients are other clients.
    let elsewhere = crate::database();
    assert!(open(&mut elsewhere.connect()).is_empty());
}

#[test]
fn a_session_is_shown_for_as_long_as_it_is_good() {
    type End = (&'static str, fn(&mut Connection, &mut Connection));
    let ends: [End; 6] = [
        ("logout", |_, c| {
            c.batch_execute("SELECT twofapi.logout()").unwrap()
        }),
        ("discard", |_, c| c.batch_execute("DISCARD ALL").unwrap()),
        ("suspension", |a, _| {
            a.batch_execute("SELECT twofapi.suspend_client('alice')")
                .unwrap();
        }),
        ("deletion", |a, _| {
            a.batch_execute("DELETE FROM twofapi.clients").unwrap()
        }),
        ("end", |a, _| {
            a.batch_execute("SELECT twofapi.end_sessions('alice')")
                .unwrap();
        }),
        ("termination", |a, c| {
            let pid = pid(c);
            a.execute("SELECT pg_terminate_backend($1)", &[&pid])
                .unwrap();
        }),
    ];
    for (name, end) in ends {
        let (_, mut admin, mut connection, _) = scene();
        assert_eq!(
            open(&mut admin),
            [("alice".to_owned(), pid(&mut connection))]
        );
        end(&mut admin, &mut connection);
        eventually(name, || open(&mut admin).is_empty());
    }
    let (_, mut admin, mut connection, alice) = scene();
    connection
        .batch_execute("SELECT twofapi.logout(); BEGIN")
        .unwrap();
    assert!(alice.log_in(&mut connection));
    assert_eq!(open(&mut admin).len(), 1);
    connection.batch_execute("ROLLBACK").unwrap();
    assert!(open(&mut admin).is_empty());
}

#[test]
fn many_connections_come_and_go_and_each_is_shown_once() {
    let (database, mut admin, mut connection, alice) = scene();
    for _ in 0..3 {
        let mut others: Vec<_> = (0..10).map(|_| database.connect()).collect();
        for other in &mut others {
            assert!(alice.log_in(other));
            assert!(alice.log_in(other));
        }
        let mut expected: Vec<_> = others.iter_mut().map(pid).collect();
        expected.push(pid(&mut connection));
        expected.sort_unstable();
        let shown: Vec<_> = open(&mut admin).into_iter().map(|(_, pid)| pid).collect();
        assert_eq!(shown, expected);
        drop(others);
        eventually("they are gone", || open(&mut admin).len() == 1);
    }
}

#[test]
fn an_operator_ends_a_clients_sessions_and_the_client_may_come_back() {
    let (database, mut admin, mut connection, alice) = scene();
    let mut second = database.connect();
    assert!(alice.log_in(&mut second));
    let bob = Client::enrolled(&mut admin, "bob");
    let mut other = database.connect();
    assert!(bob.log_in(&mut other));

    let mut ended = |call: &str| -> i32 { admin.query_one(call, &[]).unwrap().get(0) };
    let of_one = format!("SELECT twofapi.end_sessions('alice', {})", pid(&mut second));
    assert_eq!(ended(&of_one), 1);
    assert_eq!(current_client(&mut second), None);
    assert_eq!(current_client(&mut connection), Some("alice".into()));
    assert_eq!(ended("SELECT twofapi.end_sessions('alice')"), 1);
    assert_eq!(ended("SELECT twofapi.end_sessions('alice')"), 0);
    assert_eq!(current_client(&mut connection), None);
    assert_eq!(current_client(&mut other), Some("bob".into()));
    assert!(alice.log_in(&mut connection));
    assert_eq!(current_client(&mut connection), Some("alice".into()));
    let denied =
        other.batch_execute("SET ROLE NONE; SELECT twofapi.end_sessions('no such client')");
    assert_eq!(refusal(denied).0, "22023");
    let role = database.role("nobody");
    let denied = database
        .connect_as(&role)
        .batch_execute("SELECT twofapi.end_sessions('alice')");
    assert_eq!(refusal(denied).0, "42501");
}

#[test]
fn a_statement_whose_session_an_operator_ends_fails() {
    let (_, mut admin, mut connection, _) = scene();
    connection
        .batch_execute("BEGIN; DECLARE c CURSOR FOR SELECT twofapi.current_client() FROM generate_series(1, 9)")
        .unwrap();
    assert_eq!(connection.query("FETCH 3 FROM c", &[]).unwrap().len(), 3);
    admin
        .batch_execute("SELECT twofapi.end_sessions('alice')")
        .unwrap();
    assert_eq!(refusal(connection.query("FETCH 3 FROM c", &[])).0, "28000");
}

#[test]
fn the_last_authentication_of_a_client_is_found_in_the_audit() {
    // On the server that most tests share, events of many databases wait for a writer.
    let server = Server::start("");
    let database = server.database();
    let mut admin = database.connect();
    let alice = Client::enrolled(&mut admin, "alice");
    let mut connection = database.connect();
    assert!(alice.log_in(&mut connection));
    let mut last = || -> Option<std::time::SystemTime> {
        let row = admin.query_one("SELECT twofapi.last_authentication('alice')", &[]);
        row.unwrap().get(0)
    };
    eventually("the first is written", || last().is_some());
    let first = last();
    assert!(!Client::new("alice").log_in(&mut connection));
    assert!(alice.log_in(&mut connection));
    eventually("the second is written", || last() > first);
    let never = admin.query_one("SELECT twofapi.last_authentication('bob') IS NULL", &[]);
    assert!(never.unwrap().get::<_, bool>(0));
}

#[test]
fn every_object_says_what_it_is_for() {
    let mut connection = database().connect();
    let silent = connection
        .query(
            "WITH ours AS (
                 SELECT classid, objid FROM pg_depend
                 WHERE refclassid = 'pg_extension'::regclass AND deptype = 'e'
                   AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'pg_2fapi'))
             SELECT pg_describe_object(classid, objid, 0) FROM ours
             WHERE obj_description(objid, classid::regclass::name) IS NULL
               AND NOT (classid = 'pg_class'::regclass
                        AND (SELECT relkind IN ('S', 'c', 'i') FROM pg_class WHERE oid = objid))
               AND NOT (classid = 'pg_type'::regclass
                        AND (SELECT typelem <> 0 OR typrelid <> 0 AND relkind <> 'c'
                             FROM pg_type LEFT JOIN pg_class c ON c.oid = typrelid
                             WHERE pg_type.oid = objid))
             UNION ALL
             SELECT pg_describe_object('pg_class'::regclass, attrelid, attnum)
             FROM pg_attribute JOIN pg_class c ON c.oid = attrelid
             WHERE attnum > 0 AND NOT attisdropped AND relnamespace = 'twofapi'::regnamespace
               AND relname IN ('clients', 'audit_log', 'sessions', 'pending_links')
               AND col_description(attrelid, attnum) IS NULL
             UNION ALL
             SELECT pg_describe_object('pg_trigger'::regclass, oid, 0) FROM pg_trigger
             WHERE tgrelid = 'twofapi.clients'::regclass
               AND obj_description(oid, 'pg_trigger') IS NULL",
            &[],
        )
        .unwrap();
    let silent: Vec<String> = silent.iter().map(|row| row.get(0)).collect();
    assert!(silent.is_empty(), "{silent:?}");
}
