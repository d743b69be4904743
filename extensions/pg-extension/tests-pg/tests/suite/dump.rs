//! What leaves and comes back: dumps, upgrades, and the end of the extension.

use std::{fs, path::Path};

use twofapi_tests_pg::{Client, Database, Server, bin_dir, run_as_server};

use crate::{current_client, database, eventually};

/// A connection to another database of the server, into which a dump of this one was restored.
pub(crate) fn restored(server: &Server, database: &Database) -> postgres::Client {
    let dump = server.dir().join("dump.sql");
    let tool = |name: &str, arguments: &[&str]| {
        let mut command = run_as_server(bin_dir().join(name));
        command
            .arg("-h")
            .arg(server.dir())
            .args(["-U", "postgres"])
            .args(arguments);
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
    };
    let dump = dump.to_str().unwrap();
    tool("pg_dump", &["-f", dump, &database.name]);
    let mut postgres = server.config("postgres").connect(postgres::NoTls).unwrap();
    postgres
        .batch_execute("CREATE DATABASE restored TEMPLATE template0")
        .unwrap();
    let restore = ["-q", "-v", "ON_ERROR_STOP=1", "-d", "restored", "-f", dump];
    tool("psql", &restore);
    server.config("restored").connect(postgres::NoTls).unwrap()
}

#[test]
fn dump_and_restore_carry_clients_and_audit_and_grants() {
    let server = Server::start("");
    let database = server.database();
    let mut connection = database.connect();
    let alice = Client::enrolled(&mut connection, "alice");
    let bob = Client::enrolled(&mut connection, "bob");
    let app = database.role("app");
    connection
        .batch_execute(&format!(
            "SELECT twofapi.revoke_client('bob');
             GRANT EXECUTE ON FUNCTION twofapi.enroll(text, bytea, bytea) TO {app}"
        ))
        .unwrap();
    let audit = "SELECT count(*), max(id) FROM twofapi.audit_log";
    eventually("the audit is written", || {
        connection.query_one(audit, &[]).unwrap().get::<_, i64>(0) == 3
    });

    let mut restored = restored(&server, &database);
    assert!(alice.log_in(&mut restored));
    assert!(!bob.log_in(&mut restored));
    let status: String = restored
        .query_one("SELECT twofapi.client_status('bob')", &[])
        .unwrap()
        .get(0);
    assert_eq!(status, "revoked");
    eventually("the restored audit goes on with fresh numbers", || {
        restored.query_one(audit, &[]).unwrap().get::<_, i64>(0) == 5
    });
    let last: i64 = restored.query_one(audit, &[]).unwrap().get(1);
    assert!(last >= 5);
    let granted: bool = restored
        .query_one("SELECT has_function_privilege($1::text, 'twofapi.enroll(text, bytea, bytea)', 'EXECUTE')", &[&app])
        .unwrap()
        .get(0);
    assert!(granted);
}

#[test]
fn dropping_the_extension_leaves_nothing_but_the_roles() {
    let mut connection = database().connect();
    let objects = "SELECT classid::regclass::text, objid FROM pg_depend
                   WHERE refclassid = 'pg_extension'::regclass AND deptype = 'e'
                     AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'pg_2fapi')";
    assert!(connection.query(objects, &[]).unwrap().len() > 20);
    connection.batch_execute("DROP EXTENSION pg_2fapi").unwrap();
    let left: i64 = connection
        .query_one(
            "SELECT (SELECT count(*) FROM pg_namespace WHERE nspname = 'twofapi')
                  + (SELECT count(*) FROM pg_proc WHERE probin LIKE '%pg_2fapi%')
                  + (SELECT count(*) FROM pg_class WHERE relname IN ('clients', 'audit_log', 'stats'))",
            &[],
        )
        .unwrap()
        .get(0);
    assert_eq!(left, 0);
    let roles = connection
        .query(
            "SELECT FROM pg_roles WHERE rolname IN ('twofapi_admin', 'twofapi_writer')",
            &[],
        )
        .unwrap();
    assert_eq!(roles.len(), 2);
    connection
        .batch_execute("CREATE EXTENSION pg_2fapi")
        .unwrap();
}

#[test]
fn a_schema_that_somebody_else_made_is_not_taken_over() {
    let mut connection = database().connect();
    connection
        .batch_execute(
            "DROP EXTENSION pg_2fapi; CREATE SCHEMA twofapi;
             CREATE TABLE twofapi.clients (client_id text PRIMARY KEY)",
        )
        .unwrap();
    let (code, _) = crate::refusal(connection.batch_execute("CREATE EXTENSION pg_2fapi"));
    assert_eq!(code, "42P06");
}

#[test]
fn the_owner_of_a_database_dumps_it_and_a_database_without_a_schema_public_takes_the_dump() {
    let server = Server::start("");
    let database = server.database();
    let mut connection = database.connect();
    let alice = Client::enrolled(&mut connection, "alice");
    let owner = database.role("owner");
    connection
        .batch_execute(&format!(
            "ALTER DATABASE {} OWNER TO {owner}",
            database.name
        ))
        .unwrap();
    let audit = "SELECT count(*) FROM twofapi.audit_log";
    eventually("the audit is written", || {
        connection.query_one(audit, &[]).unwrap().get::<_, i64>(0) == 1
    });
    let socket = server.dir().to_str().unwrap();
    let dump = server.dir().join("dump.sql");
    for options in [
        ["-s"].as_slice(),
        &["-n", "public"],
        &["-N", "twofapi"],
        &[],
    ] {
        let output = run_as_server(bin_dir().join("pg_dump"))
            .args(["-h", socket, "-U", &owner, "-f", dump.to_str().unwrap()])
            .args(options)
            .arg(&database.name)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{options:?} {said}");
    }
    server
        .config("postgres")
        .connect(postgres::NoTls)
        .unwrap()
        .batch_execute("CREATE DATABASE restored TEMPLATE template0")
        .unwrap();
    let mut restored = server.config("restored").connect(postgres::NoTls).unwrap();
    restored.batch_execute("DROP SCHEMA public").unwrap();
    let output = run_as_server(bin_dir().join("psql"))
        .args(["-h", socket, "-U", "postgres", "-d", "restored", "-q"])
        .args(["-v", "ON_ERROR_STOP=1", "-f", dump.to_str().unwrap()])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(alice.log_in(&mut restored));
    // The owner reads, and no more.
    let mut owner = database.connect_as(&owner);
    for statement in [
        "UPDATE twofapi.clients SET status = 'revoked'",
        "DELETE FROM twofapi.audit_log",
        "DO $$ BEGIN LOCK TABLE twofapi.clients IN ROW EXCLUSIVE MODE; END $$",
        "SELECT nextval('twofapi.audit_log_id_seq')",
    ] {
        assert_eq!(
            crate::refusal(owner.batch_execute(statement)).0,
            "42501",
            "{statement}"
        );
    }
}

/// Every object of the extension, as the catalogue describes it.
fn inventory(connection: &mut postgres::Client) -> Vec<String> {
    connection
        .query(
            "SELECT pg_describe_object(d.classid, d.objid, d.objsubid)
                    || coalesce(' ' || pg_get_functiondef(p.oid), '') || coalesce(' ' || p.proacl::text, '')
             FROM pg_depend d
             LEFT JOIN pg_proc p ON d.classid = 'pg_proc'::regclass AND p.oid = d.objid
             WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'
               AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'pg_2fapi')
             UNION ALL
             SELECT attrelid::regclass || '.' || attname || ' ' || format_type(atttypid, atttypmod)
             FROM pg_attribute WHERE attrelid IN ('twofapi.clients'::regclass, 'twofapi.audit_log'::regclass)
               AND attnum > 0 AND NOT attisdropped
             ORDER BY 1",
            &[],
        )
        .unwrap()
        .iter()
        .map(|row| row.get(0))
        .collect()
}

#[test]
fn every_version_upgrades_to_what_a_fresh_install_makes() {
    let room = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let control = fs::read_to_string(room.join("pg_2fapi.control")).unwrap();
    let current = control
        .lines()
        .find_map(|line| line.strip_prefix("default_version = '"))
        .and_then(|rest| rest.strip_suffix('\''))
        .unwrap();
    // A script makes the version that its name ends in.
    let versions: Vec<String> = fs::read_dir(room.join("sql"))
        .unwrap()
        .filter_map(|entry| {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let versions = name.strip_prefix("pg_2fapi--")?.strip_suffix(".sql")?;
            versions.rsplit("--").next().map(str::to_owned)
        })
        .collect();
    assert!(versions.iter().any(|version| version == current));
    let mut fresh = database().connect();
    let expected = inventory(&mut fresh);
    let newest: String = fresh
        .query_one(
            "SELECT extversion FROM pg_extension WHERE extname = 'pg_2fapi'",
            &[],
        )
        .unwrap()
        .get(0);
    assert_eq!(newest, current);
    for version in versions {
        let mut connection = database().connect();
        connection
            .batch_execute(&format!(
                "DROP EXTENSION pg_2fapi; CREATE EXTENSION pg_2fapi VERSION '{version}'"
            ))
            .unwrap();
        let alice = Client::enrolled(&mut connection, "alice");
        connection
            .batch_execute("ALTER EXTENSION pg_2fapi UPDATE")
            .unwrap();
        assert_eq!(inventory(&mut connection), expected, "from {version}");
        assert!(alice.log_in(&mut connection), "from {version}");
    }
}

/// The library is newer than the SQL from the restart of the server to `ALTER EXTENSION`.
#[test]
fn a_database_of_version_1_0_goes_on_working_and_takes_its_clients_and_their_sessions_over() {
    let database = database();
    let mut admin = database.connect();
    admin
        .batch_execute(
            "DROP EXTENSION pg_2fapi; CREATE EXTENSION pg_2fapi VERSION '1.0';
             ALTER TABLE twofapi.clients ADD COLUMN email text NOT NULL DEFAULT 'x'",
        )
        .unwrap();
    let mut alice = Client::enrolled(&mut admin, "alice");
    let mut connection = database.connect();
    assert!(alice.log_in(&mut connection));
    assert!(alice.rotate(&mut admin));
    assert_eq!(current_client(&mut connection), None);
    assert!(alice.log_in(&mut connection));
    let bob = Client::enrolled(&mut admin, "bob");
    admin
        .batch_execute("SELECT twofapi.suspend_client('bob')")
        .unwrap();
    assert!(!bob.log_in(&mut database.connect()));
    admin
        .batch_execute("SELECT twofapi.resume_client('bob'), twofapi.end_sessions('bob')")
        .unwrap();
    assert!(bob.log_in(&mut database.connect()));

    admin
        .batch_execute("ALTER EXTENSION pg_2fapi UPDATE")
        .unwrap();
    assert_eq!(current_client(&mut connection), Some("alice".into()));
    let laptop = Client::new("alice");
    assert!(alice.link(&mut admin, &laptop, "laptop"));
    assert_eq!(current_client(&mut connection), Some("alice".into()));
    assert!(laptop.log_in_by_name(&mut admin));
    let row = admin
        .query_one(
            "SELECT commitment_version, generation, credential_since, credential_name, email
             FROM twofapi.clients WHERE client_id = 'alice'",
            &[],
        )
        .unwrap();
    assert_eq!((row.get(0), row.get(1), row.get(2)), (3_i32, 0_i64, 2_i32));
    assert_eq!((row.get(3), row.get(4)), ("first", "x"));
}
