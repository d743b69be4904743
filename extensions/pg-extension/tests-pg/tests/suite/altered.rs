//! Tables that a superuser altered are an error that says so, and no crash.

use twofapi_tests_pg::{Client, Server};

use crate::{eventually, refusal, stat};

const CLIENTS: &[(&str, &str)] = &[
    (
        "status to an enum",
        "CREATE TYPE st AS ENUM ('active', 'suspended', 'revoked');
         ALTER TABLE twofapi.clients DROP CONSTRAINT clients_status_check;
         ALTER TABLE twofapi.clients ALTER status TYPE st USING status::st",
    ),
    (
        "status to an integer",
        "ALTER TABLE twofapi.clients DROP CONSTRAINT clients_status_check;
         ALTER TABLE twofapi.clients ALTER status TYPE int USING 1",
    ),
    (
        "version to a bigint",
        "ALTER TABLE twofapi.clients ALTER commitment_version TYPE bigint",
    ),
    (
        "version to a text",
        "ALTER TABLE twofapi.clients DROP CONSTRAINT clients_commitment_version_check;
         ALTER TABLE twofapi.clients ALTER commitment_version TYPE text",
    ),
    (
        "commitment to an integer",
        "ALTER TABLE twofapi.clients DROP CONSTRAINT clients_commitment_check;
         ALTER TABLE twofapi.clients ALTER commitment TYPE int USING 7",
    ),
    (
        "commitment dropped",
        "ALTER TABLE twofapi.clients DROP COLUMN commitment CASCADE",
    ),
    (
        "commitment renamed",
        "ALTER TABLE twofapi.clients RENAME commitment TO c",
    ),
    (
        "client_id to an integer",
        "ALTER TABLE twofapi.clients DROP CONSTRAINT clients_client_id_check;
         ALTER TABLE twofapi.clients ALTER client_id TYPE int USING 5",
    ),
    (
        "client_id of another order",
        "ALTER TABLE twofapi.clients ALTER client_id TYPE text COLLATE \"POSIX\"",
    ),
    (
        "no primary key",
        "ALTER TABLE twofapi.clients DROP CONSTRAINT clients_pkey",
    ),
    (
        "a primary key of two columns",
        "ALTER TABLE twofapi.clients DROP CONSTRAINT clients_pkey;
         ALTER TABLE twofapi.clients ADD CONSTRAINT clients_pkey PRIMARY KEY (client_id, status)",
    ),
    (
        "another index by the name of the key",
        "ALTER TABLE twofapi.clients DROP CONSTRAINT clients_pkey;
         CREATE INDEX clients_pkey ON twofapi.audit_log (client_id)",
    ),
    (
        "a view in its place",
        "ALTER TABLE twofapi.clients RENAME TO c2;
         CREATE VIEW twofapi.clients AS SELECT * FROM twofapi.c2",
    ),
    (
        "a member view in its place",
        "ALTER TABLE twofapi.clients RENAME TO c2;
         CREATE VIEW twofapi.clients AS SELECT * FROM twofapi.c2;
         ALTER EXTENSION pg_2fapi ADD VIEW twofapi.clients",
    ),
    (
        "a partitioned table in its place",
        "ALTER TABLE twofapi.clients RENAME TO c2;
         CREATE TABLE twofapi.clients (client_id text COLLATE \"C\" PRIMARY KEY, commitment bytea,
             commitment_version int, status text) PARTITION BY HASH (client_id);
         ALTER EXTENSION pg_2fapi ADD TABLE twofapi.clients",
    ),
    (
        "policies on it",
        "ALTER TABLE twofapi.clients ENABLE ROW LEVEL SECURITY",
    ),
];

#[test]
fn an_altered_table_of_clients_is_an_error_and_not_a_crash() {
    let server = Server::start("restart_after_crash = off");
    let database = server.database();
    let mut connection = database.connect();
    let alice = Client::enrolled(&mut connection, "alice");
    let new = Client::new("new");
    for (what, change) in CLIENTS {
        connection
            .batch_execute(&format!("BEGIN; {change}"))
            .unwrap();
        let proof = alice.possession();
        let challenge = alice.challenge(&mut connection);
        for (n, call) in [
            "SELECT twofapi.client_status('alice')".to_owned(),
            format!(
                "SELECT twofapi.authenticate('alice', '{}', '\\x{}')",
                challenge.id,
                hex::encode(&proof)
            ),
            "SELECT twofapi.suspend_client('alice')".to_owned(),
            format!(
                "SELECT twofapi.enroll('new', '\\x{}', '\\x{}')",
                hex::encode(new.commitment()),
                hex::encode(new.possession())
            ),
        ]
        .iter()
        .enumerate()
        {
            connection.batch_execute("SAVEPOINT s").unwrap();
            let result = connection.batch_execute(call);
            if *what == "policies on it" && n < 2 {
                // Reading is not subject to them.
                result.unwrap();
            } else {
                let (code, message) = refusal(result);
                assert_eq!(code, "55000", "{what}: {call}: {message}");
                assert!(message.contains("clients"), "{what}: {message}");
            }
            connection.batch_execute("ROLLBACK TO s").unwrap();
        }
        connection.batch_execute("ROLLBACK").unwrap();
        assert!(alice.log_in(&mut connection), "{what}, taken back");
    }
    // Columns behind those of the extension are nobody's affair.
    connection
        .batch_execute("ALTER TABLE twofapi.clients ADD COLUMN email text NOT NULL DEFAULT 'x'")
        .unwrap();
    assert!(alice.log_in(&mut connection));
    assert!(new.enrol(&mut connection).unwrap());
}

#[test]
fn an_altered_table_of_the_audit_loses_nothing_and_is_written_when_it_is_mended() {
    let server = Server::start("restart_after_crash = off");
    let mut connection = server.database().connect();
    let alice = Client::enrolled(&mut connection, "alice");
    eventually("the first row is written", || {
        stat(&mut connection, "audit_written") == 1
    });
    let mut expected = 1;
    for (change, mend) in [
        (
            "ALTER TABLE twofapi.audit_log RENAME COLUMN role TO who",
            "ALTER TABLE twofapi.audit_log RENAME COLUMN who TO role",
        ),
        (
            "ALTER TABLE twofapi.audit_log ALTER backend TYPE text",
            "ALTER TABLE twofapi.audit_log ALTER backend TYPE int USING backend::int",
        ),
        (
            "ALTER TABLE twofapi.audit_log RENAME TO old;
             CREATE TABLE twofapi.audit_log (LIKE twofapi.old) PARTITION BY RANGE (at)",
            "DROP TABLE twofapi.audit_log; ALTER TABLE twofapi.old RENAME TO audit_log",
        ),
    ] {
        connection.batch_execute(change).unwrap();
        let before = server.log().matches("exited with exit code 1").count();
        for _ in 0..20 {
            assert!(alice.log_in(&mut connection), "{change}");
            expected += 1;
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        // It tries, and does not hammer.
        let exits = server.log().matches("exited with exit code 1").count() - before;
        assert!(exits <= 3, "{exits} writers failed within a second");
        connection.batch_execute(mend).unwrap();
        eventually("everything is written", || {
            stat(&mut connection, "audit_written") == expected
        });
    }
    assert_eq!(stat(&mut connection, "audit_dropped"), 0);
}
