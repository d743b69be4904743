//! The day's clock is set ahead and back again.

use twofapi_tests_pg::{Client, Server};

use crate::{current_client, stat};

#[test]
fn a_clock_that_was_ahead_for_a_moment_keeps_nobody_out_and_revives_nothing() {
    let server = Server::start_with_a_clock("");
    let database = server.database();
    let mut connection = database.connect();
    let alice = Client::enrolled(&mut connection, "alice");
    for (ahead, looks_at_stats) in [
        ("+1d", false),
        ("+1d", true),
        ("+31d", true),
        ("+61s", true),
    ] {
        let used = alice.challenge(&mut connection);
        let used_proof = alice.proof(&used);
        assert!(
            alice
                .authenticate(&mut connection, &used, &used_proof)
                .unwrap()
        );
        let unused = alice.challenge(&mut connection);
        let unused_proof = alice.proof(&unused);
        server.set_clock(ahead);
        // Looking changes nothing, and each login and challenge counts.
        if looks_at_stats {
            stat(&mut connection, "spent_held");
        } else {
            assert!(alice.log_in(&mut connection));
        }
        let of_then = alice.challenge(&mut connection);
        let of_then_proof = alice.proof(&of_then);
        server.set_clock("+0");
        assert!(alice.log_in(&mut connection), "after {ahead}");
        assert_eq!(current_client(&mut connection), Some("alice".into()));
        // In another process as well, and what is of before is void, used or not.
        let mut other = database.connect();
        assert!(alice.log_in(&mut other), "after {ahead}");
        for connection in [&mut connection, &mut other] {
            for (challenge, proof) in [
                (&used, &used_proof),
                (&unused, &unused_proof),
                (&of_then, &of_then_proof),
            ] {
                assert!(
                    !alice.authenticate(connection, challenge, proof).unwrap(),
                    "{ahead}"
                );
            }
        }
    }
    assert!(server.log().contains("the clock was set back by"));
}

#[test]
fn a_clock_that_goes_back_a_little_forgets_nothing() {
    let server = Server::start_with_a_clock("");
    let mut connection = server.database().connect();
    let alice = Client::enrolled(&mut connection, "alice");
    let used = alice.challenge(&mut connection);
    let proof = alice.proof(&used);
    assert!(alice.authenticate(&mut connection, &used, &proof).unwrap());
    server.set_clock("-30s");
    assert!(!alice.authenticate(&mut connection, &used, &proof).unwrap());
    assert_eq!(stat(&mut connection, "spent_held"), 1);
    assert!(alice.log_in(&mut connection));
}
