//! The command `2fapi serve` and the operator's commands over one store.

use postgres::NoTls;
use twofapi_tests_pg::Server;
use twofapi_tests_stores::processes::{Login, Person, Replica, Store, come_and_go};

use crate::place::{Place, server};

fn store() -> Store {
    Store::at(Place::on(server()).url, &[])
}

#[test]
fn servers_come_and_go_under_load_and_no_proof_is_accepted_twice() {
    come_and_go(&store(), None);
}

#[test]
fn an_operator_does_on_a_shared_store_what_is_done_on_a_file_and_every_server_heeds_it() {
    let store = store();
    let replicas = [Replica::start(&store), Replica::start(&store)];
    let alice = Person::enrolled("alice", &store, &replicas[0].url());
    assert!(matches!(
        alice.log_in(&replicas[1].url()),
        Login::Accepted(_)
    ));
    let listed = store.command(&["clients", "list"]);
    assert!(listed.contains("alice"), "{listed}");
    let _ = store.command(&["clients", "suspend", "alice"]);
    for replica in &replicas {
        assert!(matches!(alice.log_in(&replica.url()), Login::Denied));
    }
    let _ = store.command(&["clients", "resume", "alice"]);
    for replica in &replicas {
        assert!(matches!(alice.log_in(&replica.url()), Login::Accepted(_)));
    }
    let said = store.command(&["store", "migrate"]);
    assert!(said.contains("as it should"), "{said}");
    let said = store.command(&["keys", "rewrap"]);
    assert!(said.contains("sealed anew: 0"), "{said}");
}

#[test]
fn a_password_is_taken_from_the_environment_and_a_wrong_one_is_not_repeated() {
    let server = Server::start_plain("");
    let place = Place::on(&server);
    let hba = "local all guarded scram-sha-256\nlocal all all trust\n";
    std::fs::write(server.dir().join("pg_hba.conf"), hba).expect("a file");
    let mut admin = place.config.connect(NoTls).expect("a connection");
    admin
        .batch_execute(
            "CREATE ROLE guarded LOGIN SUPERUSER PASSWORD 'open s3same'; SELECT pg_reload_conf()",
        )
        .expect("a role");
    let url = place.url.replace("postgres@", "guarded@");
    let store = Store::at(url.clone(), &[("PGPASSWORD", "open s3same")]);
    assert!(
        store
            .command(&["store", "migrate"])
            .contains("as it should")
    );
    let without = store.refused_with("PGPASSWORD", "no s3same", &["clients", "list"]);
    assert!(
        without.contains("password authentication failed"),
        "{without}"
    );
    assert!(!without.contains("no s3same"), "{without}");
    let misspelt = url.replace("postgres://guarded@", "postgers://guarded:s3cret@");
    let said = store.refused_with("TWOFAPI_STORE", &misspelt, &["clients", "list"]);
    assert!(said.contains("redis+cluster://"), "{said}");
    assert!(!said.contains("s3cret"), "{said}");
}

#[test]
fn a_password_on_a_command_line_is_refused_and_not_repeated() {
    let store = store();
    let said = store.refused(&[
        "clients",
        "list",
        "--store",
        "postgres://u:s3cret@127.0.0.1:1/d",
    ]);
    assert!(said.contains("command line"), "{said}");
    assert!(!said.contains("s3cret"), "{said}");
}
