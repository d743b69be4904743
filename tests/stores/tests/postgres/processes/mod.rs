//! The command `2fapi serve`, three times over one store behind nginx: any of them may end at any moment, and clients
//! notice nothing but requests that were on their way.

mod behind;
mod people;

use std::{
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use behind::{Nginx, Replica, Store};
use people::{Login, Person};
use postgres::NoTls;
use twofapi_tests_pg::Server;

use crate::place::Place;

const PEOPLE: usize = 8;

/// Logins of everybody until told to stop, each proof shown once more at another server.
struct Load {
    stop: AtomicBool,
    accepted: AtomicUsize,
    failed: Mutex<Vec<String>>,
}

impl Load {
    fn run(&self, person: &Person, through: &str, each: &[String]) {
        let mut turn = 0;
        while !self.stop.load(Ordering::Relaxed) {
            match person.log_in(through) {
                Login::Accepted(proven) => {
                    self.accepted.fetch_add(1, Ordering::Relaxed);
                    turn += 1;
                    let again = person.show(&each[turn % each.len()], &proven);
                    assert!(!matches!(again, Login::Accepted(_)), "accepted twice");
                }
                Login::Denied => panic!("a good proof was denied"),
                Login::Failed(why) => self.failed.lock().expect("no panic").push(why),
            }
        }
    }

    /// Waits until so many more were accepted.
    fn go_on(&self, more: usize) {
        let until = self.accepted.load(Ordering::Relaxed) + more;
        let deadline = Instant::now() + Duration::from_secs(60);
        while self.accepted.load(Ordering::Relaxed) < until {
            assert!(Instant::now() < deadline, "logins do not go on");
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Why requests failed while that was done.
    fn failed_during(&self, what: impl FnOnce()) -> Vec<String> {
        self.failed.lock().expect("no panic").clear();
        what();
        std::mem::take(&mut *self.failed.lock().expect("no panic"))
    }
}

struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn servers_come_and_go_under_load_and_no_proof_is_accepted_twice() {
    let store = Store::new();
    let mut replicas: Vec<_> = (0..3).map(|_| Replica::start(&store)).collect();
    let nginx = Nginx::before(&replicas);
    let people: Vec<_> = (0..PEOPLE)
        .map(|n| Person::enrolled(&format!("client-{n}"), &store, &nginx.url()))
        .collect();
    let load = Load {
        stop: AtomicBool::new(false),
        accepted: AtomicUsize::new(0),
        failed: Mutex::default(),
    };
    thread::scope(|scope| {
        // A scope waits for its threads, also when it fails.
        let _stop = Stop(&load.stop);
        let each: Vec<_> = replicas.iter().map(Replica::url).collect();
        let (load, url) = (&load, nginx.url());
        for person in &people {
            let (url, each) = (url.clone(), each.clone());
            scope.spawn(move || load.run(person, &url, &each));
        }
        let failed = load.failed_during(|| load.go_on(100));
        assert!(failed.is_empty(), "{failed:?}");
        // One is killed and comes back: what was on its way there is lost, at most one request of each person.
        let failed = load.failed_during(|| {
            replicas[0].kill();
            load.go_on(100);
            replicas[0].launch();
            load.go_on(100);
        });
        assert!(failed.len() <= PEOPLE, "{failed:?}");
        // Each is told to end and started again, one after the other.
        let failed = load.failed_during(|| {
            for replica in &mut replicas {
                replica.restart();
                load.go_on(50);
            }
        });
        // What nginx had sent on a connection that was just ending: never more than a request of each person.
        assert!(failed.len() <= 3 * PEOPLE, "{failed:?}");
    });
}

#[test]
fn an_operator_does_on_a_shared_store_what_is_done_on_a_file_and_every_server_heeds_it() {
    let store = Store::new();
    let replicas = [Replica::start(&store), Replica::start(&store)];
    let alice = Person::enrolled("alice", &store, &replicas[0].url());
    assert!(matches!(
        alice.log_in(&replicas[1].url()),
        Login::Accepted(_)
    ));
    let listed = store.command(&["clients", "list"]);
    assert!(listed.contains("alice"), "{listed}");
    store.command(&["clients", "suspend", "alice"]);
    for replica in &replicas {
        assert!(matches!(alice.log_in(&replica.url()), Login::Denied));
    }
    store.command(&["clients", "resume", "alice"]);
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
    let store = Store::new();
    let said = store.refused(&[
        "clients",
        "list",
        "--store",
        "postgres://u:s3cret@127.0.0.1:1/d",
    ]);
    assert!(said.contains("command line"), "{said}");
    assert!(!said.contains("s3cret"), "{said}");
}
