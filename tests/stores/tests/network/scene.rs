//! Three servers behind nginx, people who log in all the while, and the cuts, which are the same for every engine.

use std::{
    thread,
    time::{Duration, Instant},
};

use twofapi_tests_stores::processes::{Load, Login, Nginx, Person, Replica, Store, under_load};

use crate::net::Machine;

const PEOPLE: usize = 6;

/// The servers of a store.
struct Scene<'a> {
    store: &'a Store,
    machines: Vec<Machine>,
    _replicas: Vec<Replica>,
    each: Vec<String>,
    nginx: Nginx,
}

impl<'a> Scene<'a> {
    fn new(store: &'a Store) -> Self {
        let machines: Vec<_> = (0..3).map(|_| Machine::new()).collect();
        let start = |machine: &Machine| Replica::start_on(&machine.host, store);
        let replicas: Vec<_> = machines.iter().map(start).collect();
        Self {
            store,
            machines,
            nginx: Nginx::before(&replicas),
            each: replicas.iter().map(Replica::url).collect(),
            _replicas: replicas,
        }
    }

    fn enrolled(&self, name: &str) -> Person {
        Person::enrolled(name, self.store, &self.nginx.url())
    }

    /// Tries until it is acknowledged.
    fn suspend(&self, person: &str) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while let Err(said) = self.store.try_command(&["clients", "suspend", person]) {
            assert!(Instant::now() < deadline, "{said}");
            thread::sleep(Duration::from_millis(100));
        }
    }

    fn is_suspended_everywhere(&self, person: &Person) {
        let deadline = Instant::now() + Duration::from_secs(60);
        for server in &self.each {
            loop {
                match person.log_in(server) {
                    Login::Denied => break,
                    Login::Accepted(_) => panic!("let in at {server}"),
                    // It may be the first to find that its connection to the store is gone.
                    Login::Failed(why) => assert!(Instant::now() < deadline, "{server}: {why}"),
                }
            }
        }
    }
}

/// What happens to the store by another's hand when its master is cut off: where an engine promotes nobody by itself.
pub(crate) type Promote<'a> = &'a mut dyn FnMut();

/// Cuts, under load. After each, all goes on by itself, no proof is accepted twice, and what was acknowledged is there.
pub(crate) fn cuts(store: &Store, master: &Machine, replicas: &[Machine], promote: Promote<'_>) {
    let scene = Scene::new(store);
    let names = ["alice", "bob", "carol"];
    let [alice, bob, carol] = names.map(|name| scene.enrolled(name));
    let people: Vec<_> = (0..PEOPLE)
        .map(|n| scene.enrolled(&format!("client-{n}")))
        .collect();
    under_load(&people, &scene.nginx.url(), &scene.each, |load| {
        load.is_undisturbed(50);
        a_server_is_cut_off_from_the_store(&scene, load, &alice);
        the_replicas_are_cut_off(&scene, load, replicas, &bob);
        the_master_is_cut_off(&scene, load, master, promote, &carol);
        for (name, person) in names.iter().zip([&alice, &bob, &carol]) {
            // What was acknowledged before the last cut and after it is there at every server.
            scene.suspend(name);
            scene.is_suspended_everywhere(person);
        }
    });
}

/// The others go on, and are told of changes meanwhile.
fn a_server_is_cut_off_from_the_store(scene: &Scene<'_>, load: &Load, alice: &Person) {
    let [cut, others @ ..] = scene.machines.as_slice() else {
        unreachable!("there are three");
    };
    assert_eq!(others.len(), 2);
    cut.cut();
    load.go_on(30);
    scene.suspend("alice");
    // It lets nobody in, whatever it knew of them before.
    assert!(!matches!(alice.log_in(&scene.each[0]), Login::Accepted(_)));
    cut.mend();
    load.recovers();
    load.nothing_is_good_twice(alice, &scene.each);
    scene.is_suspended_everywhere(alice);
}

/// Logins wait for no replica; a change that it has not got is not acknowledged.
fn the_replicas_are_cut_off(scene: &Scene<'_>, load: &Load, replicas: &[Machine], bob: &Person) {
    replicas.iter().for_each(Machine::cut);
    let failed = load.failed_during(|| {
        load.go_on(30);
        let said = scene.store.try_command(&["clients", "suspend", "bob"]);
        assert!(said.is_err(), "{said:?}");
        load.go_on(30);
    });
    assert!(failed.is_empty(), "{failed:?}");
    replicas.iter().for_each(Machine::mend);
    scene.suspend("bob");
    load.recovers();
    load.nothing_is_good_twice(bob, &scene.each);
    scene.is_suspended_everywhere(bob);
}

/// Its replica takes over, with all that was acknowledged and no challenge of before.
fn the_master_is_cut_off(
    scene: &Scene<'_>,
    load: &Load,
    master: &Machine,
    promote: Promote<'_>,
    carol: &Person,
) {
    scene.suspend("carol");
    master.cut();
    promote();
    load.recovers();
    load.nothing_is_good_twice(carol, &scene.each);
    scene.is_suspended_everywhere(carol);
    master.mend();
    load.recovers();
    load.nothing_is_good_twice(carol, &scene.each);
    scene.is_suspended_everywhere(carol);
}
