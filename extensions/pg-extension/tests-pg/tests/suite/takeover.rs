//! Nobody becomes more than it is, nor takes the clients away, by owning the database, a schema or a
//! name that the extension uses.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use postgres::Client as Connection;
use twofapi_tests_pg::{Client, Database, Server};

use crate::{eventually, refusal, stat};

/// A schema and a table in the extension's place, with a trigger that makes its owner a superuser.
fn trap(role: &str) -> String {
    format!(
        "CREATE SCHEMA twofapi;
         CREATE TABLE twofapi.audit_log (id bigint GENERATED ALWAYS AS IDENTITY, at timestamptz,
             action text, outcome text, reason text, client_id text, role text, backend integer,
             transaction xid8, address inet, application_name text, run bigint);
         CREATE TABLE twofapi.clients (client_id text COLLATE \"C\" PRIMARY KEY, commitment bytea,
             commitment_version integer, status text COLLATE \"C\");
         CREATE FUNCTION twofapi.f() RETURNS trigger LANGUAGE plpgsql AS $$
             BEGIN EXECUTE 'ALTER ROLE {role} SUPERUSER'; RETURN NEW; END $$;
         CREATE TRIGGER t BEFORE INSERT ON twofapi.audit_log FOR EACH ROW EXECUTE FUNCTION twofapi.f()"
    )
}

fn is_superuser(connection: &mut Connection, role: &str) -> bool {
    connection
        .query_one("SELECT rolsuper FROM pg_roles WHERE rolname = $1", &[&role])
        .unwrap()
        .get(0)
}

/// A database with an owner who is no superuser.
fn owned(server: &Server) -> (Database, Connection, String) {
    let database = server.database();
    let mut admin = database.connect();
    let owner = database.role("owner");
    admin
        .batch_execute(&format!(
            "ALTER DATABASE {} OWNER TO {owner}",
            database.name
        ))
        .unwrap();
    (database, admin, owner)
}

#[test]
fn the_owner_of_a_database_takes_neither_the_extension_nor_its_place() {
    let server = Server::start("");
    let (database, mut admin, owner_name) = owned(&server);
    let alice = Client::enrolled(&mut admin, "alice");
    let mut owner = database.connect_as(&owner_name);
    for statement in [
        "DROP EXTENSION pg_2fapi CASCADE",
        "DROP SCHEMA twofapi CASCADE",
        "ALTER SCHEMA twofapi RENAME TO mine",
        "ALTER EXTENSION pg_2fapi SET SCHEMA public",
        "CREATE TABLE twofapi.mine ()",
        "CREATE TRIGGER t AFTER INSERT ON twofapi.audit_log FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()",
    ] {
        assert_eq!(
            refusal(owner.batch_execute(statement)).0,
            "42501",
            "{statement}"
        );
    }
    owner.batch_execute("DROP SCHEMA public CASCADE").unwrap();
    assert!(alice.log_in(&mut owner));
    let (code, _) = refusal(owner.batch_execute(&trap(&owner_name)));
    assert_eq!(code, "42P06");
}

#[test]
fn whoever_has_create_on_the_database_gains_nothing_when_the_extension_is_dropped_under_load() {
    let server = Server::start("log_min_messages = fatal");
    let (database, mut admin, owner_name) = owned(&server);
    let mut other = server.database().connect();
    let proof = Client::new("x").possession();
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut noise = database.connect();
            while !over.load(Ordering::Relaxed) {
                // Until the functions are gone.
                let call = "SELECT twofapi.verify('x', 'none', $1)";
                if noise.execute(call, &[&proof]).is_err() {
                    break;
                }
            }
        });
        let grab = scope.spawn(|| {
            let mut owner = database.connect_as(&owner_name);
            let trap = trap(&owner_name);
            while owner
                .batch_execute(&format!("BEGIN; {trap}; COMMIT"))
                .is_err()
            {
                let _ = owner.batch_execute("ROLLBACK");
            }
        });
        // The writer waits for the table while events come.
        admin
            .batch_execute("BEGIN; LOCK TABLE twofapi.audit_log")
            .unwrap();
        eventually("events are on their way", || {
            stat(&mut other, "audit_waiting") > 0
        });
        admin
            .batch_execute("DROP EXTENSION pg_2fapi; COMMIT")
            .unwrap();
        grab.join().unwrap();
        over.store(true, Ordering::Relaxed);
    });
    // What was on its way is counted; the trap stays empty.
    let deadline = Instant::now() + Duration::from_secs(3);
    while Instant::now() < deadline {
        assert!(!is_superuser(&mut admin, &owner_name));
        thread::sleep(Duration::from_millis(50));
    }
    eventually("what was on its way is dropped and counted", || {
        stat(&mut other, "audit_waiting") == 0 && stat(&mut other, "audit_dropped") > 0
    });
    let rows: i64 = admin
        .query_one("SELECT count(*) FROM twofapi.audit_log", &[])
        .unwrap()
        .get(0);
    assert_eq!(rows, 0);
    // And a library without its extension reads nobody's table.
    admin
        .batch_execute(
            "INSERT INTO twofapi.clients VALUES ('x', '\\x00', 1, 'active');
             CREATE FUNCTION status(text) RETURNS text LANGUAGE c AS '$libdir/pg_2fapi', 'client_status_wrapper'",
        )
        .unwrap();
    let (code, message) = refusal(admin.batch_execute("SELECT status('x')"));
    assert_eq!(code, "55000");
    assert!(message.contains("missing"), "{message}");
}

#[test]
fn a_table_that_was_given_away_is_not_written() {
    let server = Server::start("");
    let (database, mut admin, owner_name) = owned(&server);
    let alice = Client::enrolled(&mut admin, "alice");
    admin
        .batch_execute(&format!(
            "GRANT USAGE, CREATE ON SCHEMA twofapi TO {owner_name};
             ALTER TABLE twofapi.clients OWNER TO {owner_name}"
        ))
        .unwrap();
    let mut owner = database.connect_as(&owner_name);
    owner
        .batch_execute(
            "CREATE FUNCTION public.f() RETURNS trigger LANGUAGE plpgsql AS $$
                 BEGIN RAISE EXCEPTION 'ran as %', current_user; END $$;
             CREATE TRIGGER t BEFORE INSERT OR UPDATE ON twofapi.clients FOR EACH ROW EXECUTE FUNCTION public.f()",
        )
        .unwrap();
    for refused in [
        refusal(Client::new("bob").enrol(&mut admin)),
        refusal(admin.batch_execute("SELECT twofapi.suspend_client('alice')")),
        refusal(admin.batch_execute("SELECT twofapi.client_status('alice')")),
    ] {
        assert_eq!(refused.0, "55000");
        assert!(refused.1.contains("another owner"), "{}", refused.1);
    }
    admin
        .batch_execute("ALTER TABLE twofapi.clients OWNER TO postgres")
        .unwrap();
    // What writes is no superuser.
    let (_, message) = refusal(Client::new("bob").enrol(&mut admin));
    assert_eq!(message, "ran as twofapi_writer");
    admin
        .batch_execute("DROP TRIGGER t ON twofapi.clients")
        .unwrap();
    assert!(alice.log_in(&mut admin));
}

#[test]
fn triggers_on_the_audit_are_not_run_and_the_writer_is_no_superuser() {
    let server = Server::start("");
    let mut admin = server.database().connect();
    admin
        .batch_execute(
            "CREATE TABLE ran (as_whom text);
             CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
                 BEGIN INSERT INTO public.ran VALUES (session_user); RAISE EXCEPTION 'boom'; END $$;
             CREATE TRIGGER t BEFORE INSERT ON twofapi.audit_log FOR EACH ROW EXECUTE FUNCTION f();
             ALTER TABLE twofapi.audit_log ENABLE ALWAYS TRIGGER t",
        )
        .unwrap();
    let _alice = Client::enrolled(&mut admin, "alice");
    let mut writers = Vec::new();
    eventually("the row is written", || {
        writers.extend(
            admin
                .query(
                    "SELECT usename::text FROM pg_stat_activity
                     WHERE backend_type = 'pg_2fapi audit writer' AND usename IS NOT NULL",
                    &[],
                )
                .unwrap()
                .iter()
                .map(|row| row.get::<_, String>(0)),
        );
        stat(&mut admin, "audit_written") == 1 && !writers.is_empty()
    });
    assert!(
        writers.iter().all(|role| role == "twofapi_writer"),
        "{writers:?}"
    );
    let ran: i64 = admin
        .query_one("SELECT count(*) FROM ran", &[])
        .unwrap()
        .get(0);
    assert_eq!(ran, 0);
    assert!(!is_superuser(&mut admin, "twofapi_writer"));
    // Nobody logs in as it, not even where everybody is trusted.
    let mut config = server.config("postgres");
    assert!(
        config
            .user("twofapi_writer")
            .connect(postgres::NoTls)
            .is_err()
    );
}

#[test]
fn roles_that_somebody_else_made_are_not_adopted() {
    let server = Server::start_plain("shared_preload_libraries = 'pg_2fapi'");
    let mut admin = server.config("postgres").connect(postgres::NoTls).unwrap();
    let version: i32 = admin
        .query_one("SELECT current_setting('server_version_num')::int", &[])
        .unwrap()
        .get(0);
    admin
        .batch_execute("CREATE ROLE dev LOGIN CREATEROLE; CREATE ROLE other LOGIN")
        .unwrap();
    let mut config = server.config("postgres");
    let mut dev = config.user("dev").connect(postgres::NoTls).unwrap();
    let made = [
        (
            "CREATE ROLE twofapi_admin; GRANT twofapi_admin TO dev",
            "twofapi_admin",
        ),
        (
            "CREATE ROLE twofapi_admin; GRANT twofapi_admin TO other",
            "twofapi_admin",
        ),
        (
            "CREATE ROLE twofapi_admin LOGIN PASSWORD 'x'",
            "twofapi_admin",
        ),
        ("CREATE ROLE twofapi_admin CREATEROLE", "twofapi_admin"),
        (
            "CREATE ROLE twofapi_writer; GRANT twofapi_writer TO other",
            "twofapi_writer",
        ),
        ("CREATE ROLE twofapi_writer LOGIN", "twofapi_writer"),
        (
            "CREATE ROLE twofapi_writer; GRANT other TO twofapi_writer",
            "twofapi_writer",
        ),
    ];
    // From 16 on, whoever made a role has it.
    let plain = [("CREATE ROLE twofapi_admin", "twofapi_admin")];
    for (statements, role) in made
        .iter()
        .chain(plain.iter().filter(|_| version >= 160_000))
    {
        if statements.contains("GRANT other TO") {
            admin.batch_execute(statements).unwrap();
        } else {
            dev.batch_execute(statements).unwrap();
        }
        let (code, message) = refusal(admin.batch_execute("CREATE EXTENSION pg_2fapi"));
        assert_eq!(code, "55000", "{statements}: {message}");
        assert!(message.contains(role), "{statements}: {message}");
        admin.batch_execute(&format!("DROP ROLE {role}")).unwrap();
    }
    // A superuser's own grants, and what they let others grant, are no hindrance to a second database.
    admin
        .batch_execute(
            "CREATE EXTENSION pg_2fapi; GRANT twofapi_admin TO dev WITH ADMIN OPTION;
             SET ROLE dev; GRANT twofapi_admin TO other; RESET ROLE;
             DROP EXTENSION pg_2fapi; CREATE EXTENSION pg_2fapi",
        )
        .unwrap();
}

#[test]
fn the_extension_is_in_no_schema_that_somebody_owns() {
    let server = Server::start("");
    let database = server.database();
    let mut admin = database.connect();
    let app = database.role("app");
    let schema: String = admin
        .query_one(
            "SELECT extnamespace::regnamespace::text FROM pg_extension WHERE extname = 'pg_2fapi'",
            &[],
        )
        .unwrap()
        .get(0);
    assert_eq!(schema, "pg_catalog");
    admin
        .batch_execute(&format!(
            "DROP EXTENSION pg_2fapi; CREATE SCHEMA app AUTHORIZATION {app}"
        ))
        .unwrap();
    let elsewhere = admin.batch_execute("CREATE EXTENSION pg_2fapi SCHEMA app");
    assert_eq!(refusal(elsewhere).0, "0A000");
    admin
        .batch_execute("SET search_path = ''; CREATE EXTENSION pg_2fapi")
        .unwrap();
    // A dump of an early version names another schema: it is taken where the extension is already.
    admin
        .batch_execute("CREATE EXTENSION IF NOT EXISTS pg_2fapi WITH SCHEMA public")
        .unwrap();
    let schema = admin.batch_execute("DROP SCHEMA twofapi CASCADE");
    assert_eq!(refusal(schema).0, "2BP01");
}
