//! What the image holds, as far as it can be seen without a container: staged files, the preload
//! by argument, and the first database's script.

use std::{fs, path::Path, process::Command};

use twofapi_tests_pg::Server;

#[test]
fn the_images_command_and_first_script_give_a_database_with_the_extension() {
    let room = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let dockerfile = fs::read_to_string(room.join("../../Dockerfile.pg16")).unwrap();
    // The argument of the image's command, as a line of configuration.
    let preload = dockerfile
        .lines()
        .find_map(|line| line.strip_prefix("CMD [\"postgres\", \"-c\", \""))
        .and_then(|rest| rest.strip_suffix("\"]"))
        .unwrap();
    let server = Server::start_plain(preload);
    let mut connection = server.config("postgres").connect(postgres::NoTls).unwrap();
    let script = fs::read_to_string(room.join("scripts/create.sql")).unwrap();
    connection.batch_execute(&script).unwrap();
    let row = connection
        .query_one("SELECT twofapi.current_client()", &[])
        .unwrap();
    assert_eq!(row.get::<_, Option<String>>(0), None);
    for script in dockerfile
        .split_whitespace()
        .filter_map(|word| word.strip_prefix("/src/"))
    {
        let checked = Command::new("bash")
            .arg("-n")
            .arg(room.join("../..").join(script))
            .status();
        assert!(checked.unwrap().success(), "{script}");
    }
}
