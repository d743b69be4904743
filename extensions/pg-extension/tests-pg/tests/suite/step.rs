//! What happens between a proof and its step. Here attempts wait in between, at an advisory lock, by a
//! library that only the suite has.

use std::thread;

use postgres::Client as Connection;
use twofapi_tests_pg::{Challenge, Client, Database, Server, library_for_the_suite};

use crate::{current_client, database, eventually, stat};

/// The lock of `src/suite.rs`.
const GATE: i64 = 2_000_000_000_002;

struct Scene {
    server: Server,
    database: Database,
    admin: Connection,
    alice: Client,
}

fn scene() -> Scene {
    let library = library_for_the_suite();
    let server = Server::start_with_a_clock(&format!(
        "shared_preload_libraries = '{library}'\ntwofapi.audit_log = off"
    ));
    let database = server.database();
    database
        .connect()
        .batch_execute(&format!(
            "UPDATE pg_proc SET probin = '{library}' WHERE probin = '$libdir/pg_2fapi'"
        ))
        .unwrap();
    let mut admin = database.connect();
    let alice = Client::enrolled(&mut admin, "alice");
    Scene {
        server,
        database,
        admin,
        alice,
    }
}

impl Scene {
    fn proven(&mut self) -> (Challenge, Vec<u8>) {
        let challenge = self.alice.challenge(&mut self.admin);
        let proof = self.alice.proof(&challenge);
        (challenge, proof)
    }

    /// Lets each connection show the proof, and something happen before their steps. Answers which of them
    /// were let in.
    fn meanwhile(
        &mut self,
        connections: &mut [Connection],
        (challenge, proof): &(Challenge, Vec<u8>),
        happens: impl FnOnce(&Server, &mut Connection),
    ) -> Vec<bool> {
        let (alice, waiting) = (&self.alice, connections.len() as i64);
        thread::scope(|scope| {
            // Given up by whatever way this is left.
            let mut gate = self.database.connect();
            gate.execute("SELECT pg_advisory_lock($1)", &[&GATE])
                .unwrap();
            let attempts: Vec<_> = connections
                .iter_mut()
                .map(|connection| {
                    scope.spawn(move || alice.authenticate(connection, challenge, proof).unwrap())
                })
                .collect();
            eventually("the attempts wait for their steps", || {
                let waits =
                    "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted";
                gate.query_one(waits, &[]).unwrap().get::<_, i64>(0) == waiting
            });
            happens(&self.server, &mut self.admin);
            drop(gate);
            attempts
                .into_iter()
                .map(|attempt| attempt.join().unwrap())
                .collect()
        })
    }

    /// A connection that knows alice and another that does not.
    fn two_connections(&self) -> [Connection; 2] {
        let [mut knows, other] = [self.database.connect(), self.database.connect()];
        assert!(self.alice.log_in(&mut knows));
        knows.batch_execute("SELECT twofapi.logout()").unwrap();
        [knows, other]
    }
}

#[test]
fn whoever_is_suspended_after_its_proof_is_denied_and_keeps_its_challenge() {
    let mut s = scene();
    let proven = s.proven();
    let mut connections = s.two_connections();
    for change in [
        "SELECT twofapi.suspend_client('alice')",
        // Its sessions of before have ended, and so this one does not begin.
        "SELECT twofapi.suspend_client('alice'), twofapi.resume_client('alice')",
        "SELECT twofapi.end_sessions('alice')",
        "SELECT twofapi.set_client_expiry('alice', now() + interval '1 day')",
    ] {
        let happens = |_: &Server, admin: &mut Connection| admin.batch_execute(change).unwrap();
        let accepted = s.meanwhile(&mut connections, &proven, happens);
        assert_eq!(accepted, [false, false], "{change}");
        assert!(connections.iter_mut().all(|c| current_client(c).is_none()));
        s.admin
            .batch_execute("SELECT twofapi.resume_client('alice')")
            .unwrap();
    }
    let (challenge, proof) = &proven;
    let again = s.alice.authenticate(&mut s.admin, challenge, proof);
    assert!(again.unwrap());
}

#[test]
fn whoever_is_rotated_or_made_anew_after_its_proof_is_denied() {
    for made_anew in [false, true] {
        let mut s = scene();
        let proven = s.proven();
        let mut connections = s.two_connections();
        let mut rotated = Client {
            id: s.alice.id.clone(),
            credential: crate::session::copy(&s.alice),
        };
        let change = |_: &Server, admin: &mut Connection| {
            if made_anew {
                // The first version, as before.
                admin.batch_execute("DELETE FROM twofapi.clients").unwrap();
                assert!(Client::new("alice").enrol(admin).unwrap());
            } else {
                assert!(rotated.rotate(admin));
            }
        };
        let accepted = s.meanwhile(&mut connections, &proven, change);
        assert_eq!(accepted, [false, false]);
    }
}

#[test]
fn a_change_of_others_or_to_the_same_after_a_proof_keeps_nobody_out() {
    let mut s = scene();
    for change in [
        // So many that nobody is told apart.
        "INSERT INTO twofapi.clients (client_id, commitment, commitment_version, status)
         SELECT 'other-' || n, commitment, 1, 'active'
         FROM twofapi.clients, generate_series(1, 5000) n;
         UPDATE twofapi.clients SET changed_at = now() WHERE client_id <> 'alice'",
        "UPDATE twofapi.clients SET changed_at = now() WHERE client_id = 'alice'",
    ] {
        for connection in s.two_connections() {
            let proven = s.proven();
            let mut connections = [connection];
            let accepted = s.meanwhile(&mut connections, &proven, |_, admin| {
                admin.batch_execute(change).unwrap();
            });
            assert_eq!(accepted, [true], "{change}");
            let [connection] = &mut connections;
            assert_eq!(current_client(connection), Some("alice".into()));
            s.admin
                .batch_execute("DELETE FROM twofapi.clients WHERE client_id <> 'alice'")
                .unwrap();
        }
    }
}

#[test]
fn a_challenge_that_expires_after_its_proof_is_dead() {
    let mut s = scene();
    let proven = s.proven();
    let mut connections = s.two_connections();
    let accepted = s.meanwhile(&mut connections, &proven, |server, _| {
        server.set_clock("+121s");
    });
    assert_eq!(accepted, [false, false]);
}

#[test]
fn whoever_expires_after_its_proof_is_denied_by_the_clock_of_the_step() {
    let mut s = scene();
    s.admin
        .batch_execute("SELECT twofapi.set_client_expiry('alice', now() + interval '60 seconds')")
        .unwrap();
    let proven = s.proven();
    let mut connections = s.two_connections();
    let accepted = s.meanwhile(&mut connections, &proven, |server, _| {
        server.set_clock("+61s");
    });
    assert_eq!(accepted, [false, false]);
    s.admin
        .batch_execute("SELECT twofapi.set_client_expiry('alice')")
        .unwrap();
    // It was not spent.
    let (challenge, proof) = &proven;
    assert!(
        s.alice
            .authenticate(&mut s.admin, challenge, proof)
            .unwrap()
    );
}

#[test]
fn a_challenge_is_dead_when_the_clock_is_set_back_after_its_proof() {
    for others_noticed in [false, true] {
        let mut s = scene();
        let proven = s.proven();
        let mut connections = s.two_connections();
        let alice = Client::new("alice");
        let accepted = s.meanwhile(&mut connections, &proven, |server, admin| {
            server.set_clock("-90s");
            if others_noticed {
                // Now the set is one of another epoch.
                let _ = alice.challenge(admin);
            }
        });
        assert_eq!(accepted, [false, false]);
        assert!(s.alice.log_in(&mut s.admin));
    }
}

#[test]
fn of_many_who_have_shown_one_proof_before_any_takes_its_step_one_gets_in() {
    let mut s = scene();
    for _ in 0..3 {
        let proven = s.proven();
        let mut connections: Vec<_> = (0..24).map(|_| s.database.connect()).collect();
        let accepted = s.meanwhile(&mut connections, &proven, |_, _| {});
        assert_eq!(accepted.iter().filter(|accepted| **accepted).count(), 1);
        let inside = connections.iter_mut().filter_map(current_client);
        assert_eq!(inside.collect::<Vec<_>>(), ["alice"]);
    }
    assert_eq!(stat(&mut s.admin, "spent_held"), 3);
}

#[test]
fn a_rotation_waits_for_who_changes_the_client_and_spends_nothing_if_that_is_committed() {
    let database = database();
    let (mut admin, mut other) = (database.connect(), database.connect());
    let alice = Client::enrolled(&mut admin, "alice");
    let new = Client::new("alice");
    let challenge = alice.challenge(&mut admin);
    let proof = alice.rotation_proof(&challenge, new.credential.commitment());
    let rotation = "SELECT twofapi.rotate_commitment('alice', $1, $2, $3, $4)";
    let rotate = |connection: &mut Connection| -> bool {
        let parameters: [&(dyn postgres::types::ToSql + Sync); 4] =
            [&challenge.id, &proof, &new.commitment(), &new.possession()];
        connection.query_one(rotation, &parameters).unwrap().get(0)
    };
    for (then, expected) in [("COMMIT", false), ("ROLLBACK", true)] {
        let suspend = "BEGIN; SELECT twofapi.suspend_client('alice')";
        admin.batch_execute(suspend).unwrap();
        let rotated = thread::scope(|scope| {
            let attempt = scope.spawn(|| rotate(&mut other));
            // Whatever comes of the waiting: the transaction ends.
            let waits = "SELECT count(*) FROM pg_stat_activity
                         WHERE wait_event_type = 'Lock' AND datname = current_database()";
            let mut watcher = database.connect();
            let waiting = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                eventually("the rotation waits", || {
                    watcher.query_one(waits, &[]).unwrap().get::<_, i64>(0) == 1
                });
            }));
            admin.batch_execute(then).unwrap();
            waiting.unwrap();
            attempt.join().unwrap()
        });
        assert_eq!(rotated, expected, "{then}");
        if !expected {
            admin
                .batch_execute("SELECT twofapi.resume_client('alice')")
                .unwrap();
        }
    }
    assert!(new.log_in(&mut other));
}

#[test]
fn every_refused_attempt_reads_the_table_of_clients_once_whoever_it_is_for() {
    let database = database();
    let mut admin = database.connect();
    let [alice, _bob, _sue] = ["alice", "bob", "sue"].map(|id| Client::enrolled(&mut admin, id));
    admin
        .batch_execute("SELECT twofapi.suspend_client('sue')")
        .unwrap();
    let mut connection = database.connect();
    assert!(alice.log_in(&mut connection));
    let reads = |connection: &mut postgres::Transaction<'_>| -> i64 {
        let scans = "SELECT pg_stat_get_xact_numscans('twofapi.clients_pkey'::regclass)";
        connection.query_one(scans, &[]).unwrap().get(0)
    };
    // Known to this connection, enrolled, suspended, and nobody.
    for id in ["alice", "bob", "sue", "nobody"] {
        let stranger = Client::new(id);
        let challenge = stranger.challenge(&mut connection);
        let proof = stranger.proof(&challenge);
        let mut transaction = connection.transaction().unwrap();
        let before = reads(&mut transaction);
        let accepted = stranger.authenticate(&mut transaction, &challenge, &proof);
        assert!(!accepted.unwrap());
        assert_eq!(reads(&mut transaction) - before, 1, "{id}");
    }
}
