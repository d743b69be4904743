//! A link from a second device: offered by the first, joined by the second, and decided by the first.

use std::thread;

use postgres::Client as Connection;
use twofapi_tests_pg::{Challenge, Client, Database, Server};

use crate::{current_client, database, eventually, refusal};

struct Scene {
    database: Database,
    admin: Connection,
    phone: Client,
    /// On which the phone has logged in.
    first: Connection,
    /// On which nobody has.
    second: Connection,
}

fn scene() -> Scene {
    scene_in(database())
}

fn scene_in(database: Database) -> Scene {
    let mut admin = database.connect();
    let phone = Client::enrolled(&mut admin, "alice");
    let mut first = database.connect_as(&database.role("app"));
    assert!(phone.log_in(&mut first));
    let second = database.connect_as(&database.role("stranger"));
    Scene {
        database,
        admin,
        phone,
        first,
        second,
    }
}

impl Scene {
    /// Offers a fresh challenge.
    fn offered(&mut self) -> Challenge {
        let challenge = self.phone.challenge(&mut self.first);
        assert!(offer(&mut self.first, &challenge));
        challenge
    }

    /// Links what has joined.
    fn linked(&mut self, new: &Client) -> bool {
        let challenge = self.phone.challenge(&mut self.first);
        let proof = self
            .phone
            .linking_proof(&challenge, new.credential.commitment());
        let row = self.first.query_one(
            "SELECT twofapi.link_credential('alice', $1, $2, $3)",
            &[&challenge.id, &proof, &new.commitment()],
        );
        row.unwrap().get(0)
    }
}

fn offer(connection: &mut Connection, challenge: &Challenge) -> bool {
    let row = connection.query_one("SELECT twofapi.offer_link($1)", &[&challenge.id]);
    row.unwrap().get(0)
}

fn join(connection: &mut Connection, new: &Client, challenge: &Challenge) -> bool {
    join_by(connection, new, challenge, &new.joining_proof(challenge))
}

fn join_by(connection: &mut Connection, new: &Client, challenge: &Challenge, proof: &[u8]) -> bool {
    let row = connection.query_one(
        "SELECT twofapi.join_link($1, $2, $3, $4, 'laptop')",
        &[&new.id.as_str(), &challenge.id, &new.commitment(), &proof],
    );
    row.unwrap().get(0)
}

fn state(connection: &mut Connection) -> Option<String> {
    let row = connection.query_opt("SELECT state FROM twofapi.pending_link()", &[]);
    row.unwrap().map(|row| row.get(0))
}

#[test]
fn a_second_device_joins_and_the_first_decides() {
    let mut s = scene();
    let laptop = Client::new("alice");
    assert_eq!(state(&mut s.first).as_deref(), Some("none"));
    assert_eq!(state(&mut s.second), None);
    let offered = s.offered();
    assert_eq!(state(&mut s.first).as_deref(), Some("open"));
    assert!(!s.linked(&laptop), "nobody has joined");
    assert!(join(&mut s.second, &laptop, &offered));
    // An answer may be lost.
    assert!(join(&mut s.second, &laptop, &offered));
    let left = s.first.query_one(
        "SELECT state, challenge_id, commitment, proof, name, expires_at - now() <= '10 minutes'
         FROM twofapi.pending_link()",
        &[],
    );
    let left = left.unwrap();
    assert_eq!(left.get::<_, String>(0), "joined");
    assert_eq!(left.get::<_, String>(1), offered.id);
    assert_eq!(left.get::<_, Vec<u8>>(2), laptop.commitment());
    assert_eq!(left.get::<_, Vec<u8>>(3).len(), 96);
    assert_eq!(left.get::<_, String>(4), "laptop");
    assert!(left.get::<_, bool>(5));
    assert!(!laptop.log_in_by_name(&mut s.second), "it waits");

    assert!(!s.linked(&Client::new("alice")), "another has joined");
    assert!(s.linked(&laptop));
    assert_eq!(state(&mut s.first).as_deref(), Some("none"));
    assert!(!s.linked(&laptop), "it was used up");
    assert!(laptop.log_in_by_name(&mut s.second));
    assert_eq!(current_client(&mut s.first), Some("alice".into()));
}

#[test]
fn two_that_join_one_offer_destroy_it() {
    let mut s = scene();
    let (laptop, thief) = (Client::new("alice"), Client::new("alice"));
    let offered = s.offered();
    assert!(join(&mut s.second, &thief, &offered));
    assert!(!join(&mut s.database.connect(), &laptop, &offered));
    assert_eq!(state(&mut s.first).as_deref(), Some("clashed"));
    for new in [&laptop, &thief] {
        assert!(!join(&mut s.second, new, &offered));
        assert!(!s.linked(new));
    }
    // Another offer takes its place.
    let offered = s.offered();
    assert_eq!(state(&mut s.first).as_deref(), Some("open"));
    assert!(join(&mut s.second, &laptop, &offered));
    assert!(s.linked(&laptop));
}

#[test]
fn of_many_that_join_at_once_one_is_told_so_at_most_and_all_the_others_clash() {
    let mut s = scene();
    for _ in 0..5 {
        let offered = s.offered();
        let accepted: usize = thread::scope(|scope| {
            let joins: Vec<_> = (0..6)
                .map(|_| {
                    let mut connection = s.database.connect();
                    let offered = &offered;
                    scope.spawn(move || join(&mut connection, &Client::new("alice"), offered))
                })
                .collect();
            joins
                .into_iter()
                .map(|join| usize::from(join.join().unwrap()))
                .sum()
        });
        assert_eq!(accepted, 1);
        assert_eq!(state(&mut s.first).as_deref(), Some("clashed"));
    }
}

#[test]
fn only_who_holds_an_offer_of_the_sessions_client_joins_it() {
    let mut s = scene();
    let bob = Client::enrolled(&mut s.admin, "bob");
    let laptop = Client::new("alice");
    let mut nobody = s.database.connect();
    let of_alice = s.phone.challenge(&mut nobody);
    assert!(!offer(&mut nobody, &of_alice), "without a session");
    assert!(bob.log_in(&mut nobody));
    // The id of a challenge is one of each client, with another nonce: this is bob's, and none of alice's.
    assert!(offer(&mut nobody, &of_alice));
    assert_eq!(state(&mut s.first).as_deref(), Some("none"));
    assert!(!join(&mut s.second, &laptop, &of_alice), "not offered");

    let older = s.offered();
    let offered = s.offered();
    assert!(
        !join(&mut s.second, &laptop, &older),
        "a newer one took its place"
    );
    for (what, proof) in [
        ("enrolment", laptop.possession()),
        ("authentication", laptop.proof(&offered)),
        (
            "linking",
            laptop.linking_proof(&offered, laptop.credential.commitment()),
        ),
        ("another's", Client::new("alice").joining_proof(&offered)),
        ("another challenge", laptop.joining_proof(&older)),
    ] {
        assert!(!join_by(&mut s.second, &laptop, &offered, &proof), "{what}");
    }
    let proof = Client::new("bob").joining_proof(&offered);
    assert!(!join_by(&mut s.second, &laptop, &offered, &proof), "bob's");
    assert_eq!(state(&mut s.first).as_deref(), Some("open"));
    assert_eq!(state(&mut nobody).as_deref(), Some("open"));
    assert!(join(&mut s.second, &laptop, &offered));
    // The challenge of an offer is one like any other: it still logs in, once.
    let proof = s.phone.proof(&offered);
    assert!(
        s.phone
            .authenticate(&mut s.first, &offered, &proof)
            .unwrap()
    );
    assert!(
        !s.phone
            .authenticate(&mut s.first, &offered, &proof)
            .unwrap()
    );
}

#[test]
fn an_offer_and_what_joined_are_over_in_their_time() {
    let server = Server::start_with_a_clock("twofapi.session_ttl = '1h'\ntwofapi.audit_log = off");
    let mut s = scene_in(server.database());
    let offered = s.offered();
    server.set_clock("+121s");
    let laptop = Client::new("alice");
    assert!(!join(&mut s.second, &laptop, &offered));
    assert_eq!(state(&mut s.first).as_deref(), Some("none"));
    let offered = s.offered();
    assert!(join(&mut s.second, &laptop, &offered));
    server.set_clock("+600s");
    assert_eq!(state(&mut s.first).as_deref(), Some("joined"));
    server.set_clock("+800s");
    assert_eq!(state(&mut s.first).as_deref(), Some("none"));
    assert!(!s.linked(&laptop));
    // What is over is taken away with the next offer of anybody.
    let bob = Client::enrolled(&mut s.admin, "bob");
    assert!(bob.log_in(&mut s.second));
    let of_bob = bob.challenge(&mut s.second);
    assert!(offer(&mut s.second, &of_bob));
    let rows = s
        .admin
        .query("SELECT client_id FROM twofapi.pending_links", &[]);
    let rows: Vec<String> = rows.unwrap().iter().map(|row| row.get(0)).collect();
    assert_eq!(rows, ["bob"]);
}

#[test]
fn a_link_that_is_rolled_back_leaves_what_joined_and_a_refused_one_as_well() {
    let mut s = scene();
    let laptop = Client::new("alice");
    let offered = s.offered();
    assert!(join(&mut s.second, &laptop, &offered));
    s.first.batch_execute("BEGIN").unwrap();
    assert!(s.linked(&laptop));
    s.first.batch_execute("ROLLBACK").unwrap();
    assert_eq!(state(&mut s.first).as_deref(), Some("joined"));
    // A challenge that was spent already.
    let spent = s.phone.challenge(&mut s.first);
    let proof = s.phone.proof(&spent);
    assert!(s.phone.authenticate(&mut s.first, &spent, &proof).unwrap());
    let proof = s
        .phone
        .linking_proof(&spent, laptop.credential.commitment());
    let refused = s.first.query_one(
        "SELECT twofapi.link_credential('alice', $1, $2, $3)",
        &[&spent.id, &proof, &laptop.commitment()],
    );
    assert!(!refused.unwrap().get::<_, bool>(0));
    assert_eq!(state(&mut s.first).as_deref(), Some("joined"));
    assert!(s.linked(&laptop));
}

#[test]
fn an_altered_table_of_pending_links_is_an_error() {
    let server = Server::start("");
    let mut s = scene_in(server.database());
    let offered = s.offered();
    let laptop = Client::new("alice");
    s.admin
        .batch_execute("ALTER TABLE twofapi.pending_links RENAME COLUMN pending TO p")
        .unwrap();
    let call = "SELECT twofapi.join_link('alice', $1, $2, $3, 'laptop')";
    let answer = s.second.query(
        call,
        &[
            &offered.id,
            &laptop.commitment(),
            &laptop.joining_proof(&offered),
        ],
    );
    let (code, message) = refusal(answer);
    assert_eq!(code, "55000", "{message}");
    assert!(message.contains("pending_links"), "{message}");
    s.admin
        .batch_execute("ALTER TABLE twofapi.pending_links RENAME COLUMN p TO pending")
        .unwrap();
    assert!(join(&mut s.second, &laptop, &offered));
}

#[test]
fn offers_and_joins_are_in_the_audit() {
    let server = Server::start("");
    let mut s = scene_in(server.database());
    let offered = s.offered();
    let (laptop, other) = (Client::new("alice"), Client::new("alice"));
    assert!(join(&mut s.second, &laptop, &offered));
    assert!(!join(&mut s.second, &other, &offered));
    assert!(!s.linked(&laptop));
    let expected = [
        "enrol accepted ",
        "authenticate accepted ",
        "offer accepted ",
        "join accepted ",
        "join denied no such offer, or not joined",
        "link denied equation",
    ];
    let audit = "SELECT action || ' ' || outcome || ' ' || coalesce(reason, '')
                 FROM twofapi.audit_log WHERE client_id = 'alice' ORDER BY id";
    eventually("all of it is written", || {
        let rows = s.admin.query(audit, &[]).unwrap();
        let rows: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
        rows == expected
    });
}

#[test]
fn a_device_that_joins_while_the_first_one_links_undoes_the_link() {
    let mut s = scene();
    let (laptop, thief) = (Client::new("alice"), Client::new("alice"));
    let offered = s.offered();
    assert!(join(&mut s.second, &laptop, &offered));
    let mut others = s.database.connect();
    // The link has seen what joined, and waits for the client's row.
    s.admin
        .batch_execute("BEGIN; SELECT FROM twofapi.clients FOR UPDATE")
        .unwrap();
    let challenge = s.phone.challenge(&mut s.first);
    let proof = s
        .phone
        .linking_proof(&challenge, laptop.credential.commitment());
    let (first, admin) = (&mut s.first, &mut s.admin);
    let linked = thread::scope(|scope| {
        let link = scope.spawn(|| {
            let row = first.query_one(
                "SELECT twofapi.link_credential('alice', $1, $2, $3)",
                &[&challenge.id, &proof, &laptop.commitment()],
            );
            row.unwrap().get::<_, bool>(0)
        });
        // Whatever comes of it: the transaction ends.
        let joined = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let waits = "SELECT count(*) FROM pg_stat_activity
                         WHERE wait_event_type = 'Lock' AND datname = current_database()";
            eventually("the link waits", || {
                others.query_one(waits, &[]).unwrap().get::<_, i64>(0) == 1
            });
            join(&mut others, &thief, &offered)
        }));
        admin.batch_execute("COMMIT").unwrap();
        assert!(!joined.unwrap());
        link.join().unwrap()
    });
    assert!(!linked);
    assert_eq!(state(&mut s.first).as_deref(), Some("clashed"));
    assert!(!laptop.log_in_by_name(&mut s.second) && !thief.log_in_by_name(&mut s.second));
    // The challenge was not spent.
    let proof = s.phone.proof(&challenge);
    assert!(
        s.phone
            .authenticate(&mut s.first, &challenge, &proof)
            .unwrap()
    );
}
