//! The quick start of the README, line by line in psql.

use std::{env, fs, io::Write as _, path::Path, process::Stdio};

use twofapi_tests_pg::{Server, bin_dir, run_as_server, server_user_owns};

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
    // The command, where the server's user may run it.
    let command = env::var("TWOFAPI_COMMAND").expect("TWOFAPI_COMMAND, set by scripts/run");
    fs::copy(command, home.join("2fapi")).unwrap();
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
