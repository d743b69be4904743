//! Sessions end in whatever way their client's row is changed, and only then: not because somebody else
//! changes often.

use postgres::Client as Connection;
use twofapi_tests_pg::{Client, Database, Server, bin_dir, run_as_server};

use crate::{current_client, database, eventually, refusal};

/// An administrator's connection, and another on which alice has logged in.
fn scene() -> (Database, Connection, Connection, Client) {
    let database = database();
    let mut admin = database.connect();
    let alice = Client::enrolled(&mut admin, "alice");
    let mut connection = database.connect();
    assert!(alice.log_in(&mut connection));
    (database, admin, connection, alice)
}

fn alice() -> Option<String> {
    Some("alice".into())
}

const FIRE_ALWAYS: &str = "ALTER TABLE twofapi.clients ENABLE ALWAYS TRIGGER clients_changed;
                           ALTER TABLE twofapi.clients ENABLE ALWAYS TRIGGER clients_truncated";

#[test]
fn changes_made_while_the_triggers_are_off_end_sessions_as_well() {
    for change in [
        "UPDATE twofapi.clients SET status = 'revoked'",
        "UPDATE twofapi.clients SET status = 'suspended';
         UPDATE twofapi.clients SET status = 'active'",
        "DELETE FROM twofapi.clients",
        "TRUNCATE twofapi.clients",
    ] {
        let (_, mut admin, mut connection, _) = scene();
        // Each statement in a transaction of its own.
        let off = ["ALTER TABLE twofapi.clients DISABLE TRIGGER ALL"];
        for statement in off
            .into_iter()
            .chain(change.split(';'))
            .chain(FIRE_ALWAYS.split(';'))
        {
            admin.batch_execute(statement).unwrap();
        }
        assert_eq!(current_client(&mut connection), None, "{change}");

        let (_, mut admin, mut connection, _) = scene();
        let at_once =
            format!("ALTER TABLE twofapi.clients DISABLE TRIGGER ALL; {change}; {FIRE_ALWAYS}");
        admin.batch_execute(&at_once).unwrap();
        assert_eq!(current_client(&mut connection), None, "at once: {change}");
    }
}

#[test]
fn nobody_is_let_in_while_the_triggers_are_off_or_do_not_fire_always() {
    for off in [
        "DISABLE TRIGGER clients_changed",
        "DISABLE TRIGGER clients_truncated",
        "DISABLE TRIGGER ALL",
        // As pg_restore --disable-triggers leaves it.
        "ENABLE TRIGGER ALL",
        "ENABLE REPLICA TRIGGER clients_changed",
    ] {
        let (_, mut admin, mut connection, alice) = scene();
        admin
            .batch_execute(&format!("ALTER TABLE twofapi.clients {off}"))
            .unwrap();
        assert_eq!(current_client(&mut connection), None, "{off}");
        let challenge = alice.challenge(&mut connection);
        let proof = alice.proof(&challenge);
        let (code, message) = refusal(alice.authenticate(&mut connection, &challenge, &proof));
        assert_eq!(code, "55000", "{off}");
        assert!(message.contains("ENABLE ALWAYS TRIGGER"), "{message}");
        let stranger = Client::new("stranger");
        let challenge = stranger.challenge(&mut connection);
        let proof = stranger.proof(&challenge);
        let told = refusal(stranger.authenticate(&mut connection, &challenge, &proof));
        assert_eq!(
            told,
            (code, message),
            "whoever is not enrolled is told the same"
        );
        admin.batch_execute(FIRE_ALWAYS).unwrap();
        assert!(alice.log_in(&mut connection), "{off}");
    }
}

#[test]
fn a_trigger_that_calls_something_else_is_none_of_ours() {
    for replaced in [
        "CREATE OR REPLACE FUNCTION twofapi.clients_changed() RETURNS trigger
             LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'; ANALYZE twofapi.clients;
         ALTER TABLE twofapi.clients ENABLE ALWAYS TRIGGER clients_changed",
        "DROP TRIGGER clients_changed ON twofapi.clients;
         CREATE TRIGGER clients_changed AFTER UPDATE OF client_id OR DELETE ON twofapi.clients
             FOR EACH ROW EXECUTE FUNCTION twofapi.clients_changed();
         ALTER TABLE twofapi.clients ENABLE ALWAYS TRIGGER clients_changed",
        "DROP TRIGGER clients_changed ON twofapi.clients;
         CREATE TRIGGER clients_changed AFTER UPDATE OR DELETE ON twofapi.clients
             FOR EACH ROW WHEN (old.client_id <> 'alice') EXECUTE FUNCTION twofapi.clients_changed();
         ALTER TABLE twofapi.clients ENABLE ALWAYS TRIGGER clients_changed",
    ] {
        let (_, mut admin, mut connection, _) = scene();
        // It belongs to the extension only in so far as it must.
        let _ = admin.batch_execute("ALTER EXTENSION pg_2fapi DROP FUNCTION twofapi.clients_changed()");
        admin.batch_execute(replaced).unwrap();
        assert_eq!(current_client(&mut connection), None, "{replaced}");
    }
}

#[test]
fn an_extension_that_was_dropped_and_made_again_has_no_sessions() {
    let (_, mut admin, mut connection, alice) = scene();
    admin
        .batch_execute("DROP EXTENSION pg_2fapi CASCADE; CREATE EXTENSION pg_2fapi")
        .unwrap();
    assert_eq!(current_client(&mut connection), None);
    assert!(alice.enrol(&mut admin).unwrap());
    assert_eq!(current_client(&mut connection), None);
    assert!(alice.log_in(&mut connection));
    assert_eq!(current_client(&mut connection), self::alice());
}

#[test]
fn what_leaves_the_rows_alone_leaves_the_sessions() {
    let (_, mut admin, mut connection, _) = scene();
    for statement in [
        "ANALYZE twofapi.clients",
        "VACUUM (FREEZE) twofapi.clients",
        "REINDEX TABLE twofapi.clients",
        "COMMENT ON TABLE twofapi.clients IS 'ours'",
        FIRE_ALWAYS,
        "GRANT SELECT ON twofapi.clients TO twofapi_admin",
    ] {
        admin.batch_execute(statement).unwrap();
        assert_eq!(current_client(&mut connection), alice(), "{statement}");
    }
}

#[test]
fn a_restore_that_disables_triggers_lets_nobody_in_until_they_fire_always() {
    let server = Server::start("");
    let database = server.database();
    let mut admin = database.connect();
    let alice = Client::enrolled(&mut admin, "alice");
    let dump = server.dir().join("dump");
    let tool = |program: &str| {
        let mut command = run_as_server(bin_dir().join(program));
        command.arg("-h").arg(server.dir()).args(["-U", "postgres"]);
        command
    };
    let dumped = tool("pg_dump")
        .args(["-Fc", "-f"])
        .arg(&dump)
        .arg(&database.name)
        .output()
        .unwrap();
    assert!(dumped.status.success(), "{dumped:?}");
    let mut connection = database.connect();
    assert!(alice.log_in(&mut connection));
    admin.batch_execute("DELETE FROM twofapi.clients").unwrap();
    let restored = tool("pg_restore")
        .args([
            "--data-only",
            "--disable-triggers",
            "-n",
            "twofapi",
            "-t",
            "clients",
            "-d",
        ])
        .arg(&database.name)
        .arg(&dump)
        .output()
        .unwrap();
    assert!(restored.status.success(), "{restored:?}");
    assert_eq!(current_client(&mut connection), None);
    let challenge = alice.challenge(&mut connection);
    let proof = alice.proof(&challenge);
    refusal(alice.authenticate(&mut connection, &challenge, &proof));
    admin.batch_execute(FIRE_ALWAYS).unwrap();
    assert!(alice.log_in(&mut connection));
}

#[test]
fn a_suspension_that_comes_by_logical_replication_ends_the_session() {
    let publisher = Server::start("wal_level = logical");
    let subscriber = Server::start("wal_level = logical");
    let (from, to) = (publisher.database(), subscriber.database());
    let (mut p, mut s) = (from.connect(), to.connect());
    let alice = Client::enrolled(&mut p, "alice");
    p.batch_execute("CREATE PUBLICATION clients FOR TABLE twofapi.clients")
        .unwrap();
    s.batch_execute(&format!(
        "CREATE SUBSCRIPTION clients CONNECTION 'host={} dbname={} user=postgres' \
         PUBLICATION clients",
        publisher.dir().display(),
        from.name
    ))
    .unwrap();
    let mut connection = to.connect();
    eventually("alice arrives", || alice.log_in(&mut connection));
    assert_eq!(current_client(&mut connection), self::alice());
    p.batch_execute("SELECT twofapi.suspend_client('alice')")
        .unwrap();
    eventually("the suspension arrives", || {
        current_client(&mut connection).is_none()
    });
    assert!(!alice.log_in(&mut connection));
    s.batch_execute("DROP SUBSCRIPTION clients").unwrap();
}

/// More clients than there are buckets change all the time: some share alice's.
#[test]
fn no_number_of_other_clients_changes_ends_a_session() {
    let (_, mut admin, mut connection, _) = scene();
    admin
        .batch_execute(
            "INSERT INTO twofapi.clients (client_id, commitment, commitment_version, status)
                 SELECT 'many-' || n, commitment, 1, 'active'
                 FROM generate_series(1, 10000) n, twofapi.clients",
        )
        .unwrap();
    for _ in 0..3 {
        admin
            .batch_execute(
                "UPDATE twofapi.clients SET changed_at = now() WHERE client_id LIKE 'many-1%';
                 UPDATE twofapi.clients SET changed_at = now() WHERE client_id LIKE 'many-%'",
            )
            .unwrap();
        assert_eq!(current_client(&mut connection), alice());
    }
    admin
        .batch_execute(
            "BEGIN;
             UPDATE twofapi.clients SET changed_at = now() WHERE client_id LIKE 'many-%';
             UPDATE twofapi.clients SET status = 'suspended' WHERE client_id = 'alice';
             UPDATE twofapi.clients SET status = 'active' WHERE client_id = 'alice';
             COMMIT",
        )
        .unwrap();
    assert_eq!(current_client(&mut connection), None);
}

#[test]
fn a_challenge_of_one_database_is_none_of_another() {
    let server = Server::start("");
    let (one, other) = (server.database(), server.database());
    let (mut here, mut there) = (one.connect(), other.connect());
    let alice = Client::enrolled(&mut here, "alice");
    let row = here
        .query_one("SELECT commitment FROM twofapi.clients", &[])
        .unwrap();
    there
        .execute(
            "INSERT INTO twofapi.clients (client_id, commitment, commitment_version, status)
             VALUES ('alice', $1, 1, 'active')",
            &[&row.get::<_, Vec<u8>>(0)],
        )
        .unwrap();
    let challenge = alice.challenge(&mut here);
    let proof = alice.proof(&challenge);
    assert!(!alice.authenticate(&mut there, &challenge, &proof).unwrap());
    // Nor was it used up there.
    assert!(alice.authenticate(&mut here, &challenge, &proof).unwrap());
    assert!(alice.log_in(&mut there));
}
