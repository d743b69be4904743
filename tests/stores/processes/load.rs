//! Logins of everybody all the while, whatever happens meanwhile.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use super::{
    nginx::Nginx,
    people::{Login, Person, Proven},
    service::{Replica, Store},
};

const PEOPLE: usize = 8;
/// So many logins of all without a failure are taken for recovery.
const RECOVERED: usize = 60;
/// So many are shown once more, from all the time.
const SHOWN_AGAIN: usize = 300;
const PATIENCE: Duration = Duration::from_secs(90);

/// Logins of everybody until told to stop, each proof shown once more at another server.
#[derive(Default)]
pub struct Load {
    stop: AtomicBool,
    accepted: AtomicUsize,
    failed: Mutex<Vec<String>>,
    used: Mutex<Vec<Proven>>,
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
                    self.used.lock().expect("no panic").push(proven);
                }
                Login::Denied => self.fail("denied".into()),
                Login::Failed(why) => self.fail(why),
            }
        }
    }

    fn fail(&self, why: String) {
        self.failed.lock().expect("no panic").push(why);
    }

    /// Waits until so many more were accepted.
    ///
    /// # Panics
    /// When logins do not go on.
    pub fn go_on(&self, more: usize) {
        let until = self.accepted.load(Ordering::Relaxed) + more;
        let deadline = Instant::now() + PATIENCE;
        while self.accepted.load(Ordering::Relaxed) < until {
            assert!(
                Instant::now() < deadline,
                "logins do not go on: {:?}",
                self.failed.lock().expect("no panic")
            );
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Why logins failed while that was done.
    ///
    /// # Panics
    /// When a thread of the load did.
    pub fn failed_during(&self, what: impl FnOnce()) -> Vec<String> {
        self.failed.lock().expect("no panic").clear();
        what();
        std::mem::take(&mut *self.failed.lock().expect("no panic"))
    }

    /// Nothing fails while so many more are accepted.
    ///
    /// # Panics
    /// When something does.
    pub fn is_undisturbed(&self, more: usize) {
        let failed = self.failed_during(|| self.go_on(more));
        assert!(failed.is_empty(), "{failed:?}");
    }

    /// By itself, everybody is let in again.
    ///
    /// # Panics
    /// When that does not come to be.
    pub fn recovers(&self) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let failed = self.failed_during(|| self.go_on(RECOVERED));
            match failed.last() {
                None => return,
                Some(why) => assert!(Instant::now() < deadline, "still fails: {why}"),
            }
        }
    }

    /// No proof that was accepted since this was asked last is accepted by any server now, of some hundred that are shown.
    ///
    /// # Panics
    /// When one is.
    pub fn nothing_is_good_twice(&self, somebody: &Person, each: &[String]) {
        let used = std::mem::take(&mut *self.used.lock().expect("no panic"));
        assert!(!used.is_empty());
        let step = used.len().div_ceil(SHOWN_AGAIN);
        for (turn, proven) in used.iter().step_by(step).enumerate() {
            let again = somebody.show(&each[turn % each.len()], proven);
            assert!(!matches!(again, Login::Accepted(_)), "accepted twice");
        }
    }
}

struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Does that while these people log in, and show each proof once more at one of these servers.
pub fn under_load(people: &[Person], through: &str, each: &[String], what: impl FnOnce(&Load)) {
    let load = Load::default();
    thread::scope(|scope| {
        // A scope waits for its threads, also when it fails.
        let _stop = Stop(&load.stop);
        for person in people {
            let load = &load;
            scope.spawn(move || load.run(person, through, each));
        }
        what(&load);
    });
}

/// Three servers behind nginx end and come back under load, by a kill and by being told, and clients notice nothing but
/// requests that were on their way. Then whatever is to happen to the store: by itself all goes on after it, no proof is
/// accepted twice, and who was suspended before is so at every server.
///
/// # Panics
/// When it is otherwise.
pub fn come_and_go(store: &Store, what_befalls_the_store: Option<&mut dyn FnMut()>) {
    let mut replicas: Vec<_> = (0..3).map(|_| Replica::start(store)).collect();
    let nginx = Nginx::before(&replicas);
    let through = nginx.url();
    let people: Vec<_> = (0..PEOPLE)
        .map(|n| Person::enrolled(&format!("client-{n}"), store, &through))
        .collect();
    let each: Vec<_> = replicas.iter().map(Replica::url).collect();
    under_load(&people, &through, &each, |load| {
        load.is_undisturbed(100);
        // One is killed and comes back: what was on its way there is lost, at most one request of each person.
        let failed = load.failed_during(|| {
            replicas[0].kill();
            load.go_on(100);
            replicas[0].launch();
            load.go_on(100);
        });
        let denied = |failed: &[String]| failed.iter().any(|why| why == "denied");
        assert!(failed.len() <= PEOPLE && !denied(&failed), "{failed:?}");
        // Each is told to end and started again, one after the other.
        let failed = load.failed_during(|| {
            for replica in &mut replicas {
                replica.restart();
                load.go_on(50);
            }
        });
        // What nginx had sent on a connection that was just ending: never more than a request of each person.
        let most = 3 * PEOPLE;
        assert!(failed.len() <= most && !denied(&failed), "{failed:?}");
        let Some(befall) = what_befalls_the_store else {
            return;
        };
        let mallory = Person::enrolled("mallory", store, &through);
        let _ = store.command(&["clients", "suspend", "mallory"]);
        befall();
        load.recovers();
        load.nothing_is_good_twice(&mallory, &each);
        for replica in &each {
            assert!(matches!(mallory.log_in(replica), Login::Denied));
        }
    });
}
