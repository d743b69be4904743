//! The quick start of the README, line by line in psql.

use std::{
    env, fs,
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
};

use twofapi_tests_pg::{Client, Server, bin_dir, run_as_server, server_user_owns};

#[test]
fn the_quick_start_works_line_by_line_in_psql() {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let readme = fs::read_to_string(readme).unwrap();
    let block = readme
        .split("```sql quickstart\n")
        .nth(1)
        .and_then(|rest| rest.split("```").next())
        .expect("a quick start");

    let server = Server::start("");
    let home = server.dir().join("home");
    fs::create_dir(&home).unwrap();
    // The command, where the server's user may run it; copied by a child, because a program that this
    // process writes cannot be run while a child of another test holds the file open (ETXTBSY).
    let command = env::var("TWOFAPI_COMMAND").expect("TWOFAPI_COMMAND, set by scripts/run");
    let copied = Command::new("cp")
        .arg(command)
        .arg(home.join("2fapi"))
        .status();
    assert!(copied.unwrap().success());
    server_user_owns(&home);
    let path = format!("{}:{}", home.display(), env::var("PATH").unwrap());
    let mut psql = run_as_server(bin_dir().join("psql"))
        .args([
            "-X",
            "-A",
            "-t",
            "-v",
            "ON_ERROR_STOP=1",
            "-U",
            "postgres",
            "-h",
        ])
        .arg(server.dir())
        .env("PATH", path)
        .env("HOME", &home)
        .env_remove("XDG_DATA_HOME")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    psql.stdin
        .take()
        .unwrap()
        .write_all(block.as_bytes())
        .unwrap();
    let output = psql.wait_with_output().unwrap();
    let (said, errors) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{said}\n{errors}");
    let rows: Vec<_> = said.lines().filter(|line| line.contains('|')).collect();
    assert_eq!(rows, ["alice|what alice wrote"], "{said}\n{errors}");
}

#[test]
fn the_mapping_of_clients_to_roles_gives_each_its_own() {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let readme = fs::read_to_string(readme).unwrap();
    let block = readme
        .split("```sql roles\n")
        .nth(1)
        .and_then(|rest| rest.split("```").next())
        .expect("the mapping");
    let database = crate::database();
    let mut admin = database.connect();
    let app = database.role("app");
    let (reader, writer) = (database.role("reader"), database.role("writer"));
    admin.batch_execute(block).unwrap();
    admin
        .batch_execute(&format!(
            "GRANT SELECT ON client_roles TO {app};
             ALTER ROLE {app} NOINHERIT; GRANT {reader}, {writer} TO {app};
             INSERT INTO client_roles VALUES ('alice', '{writer}'), ('bob', '{reader}')"
        ))
        .unwrap();
    let clients = ["alice", "bob", "carol"].map(|id| Client::enrolled(&mut admin, id));
    let mut connection = database.connect_as(&app);
    for (client, role) in clients.iter().zip([Some(&writer), Some(&reader), None]) {
        assert!(client.log_in(&mut connection));
        let mut transaction = connection.transaction().unwrap();
        let result = transaction.batch_execute("SELECT take_role()");
        if let Some(role) = role {
            result.unwrap();
            let taken = transaction.query_one("SELECT current_user::text", &[]);
            assert_eq!(taken.unwrap().get::<_, String>(0), *role);
            transaction.commit().unwrap();
        } else {
            assert_eq!(crate::refusal(result).0, "42501");
            transaction.rollback().unwrap();
        }
        let now = connection.query_one("SELECT current_user::text", &[]);
        assert_eq!(now.unwrap().get::<_, String>(0), app);
    }
}
