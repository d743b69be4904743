//! A challenge is good for one proof, however many are sent at once.

use std::{sync::Barrier, thread};

use twofapi_tests::{Api, Server, ServerOptions};

#[test]
fn of_100_concurrent_posts_of_one_valid_proof_exactly_one_gets_a_token() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(
        &directory.path().join("2fapi.redb"),
        &ServerOptions {
            args: vec!["--rate-limit".into(), "0".into()],
        },
    );
    let api = Api::new(server.base_url());
    let (alice, answer) = api.enrol("alice", &server.invite("alice")).unwrap();
    assert_eq!(answer.status, 201, "{:?}", answer.body);

    for _ in 0..3 {
        let challenge = api.challenge(&alice.client_id).unwrap();
        let proven = api.proven(&alice, &challenge);
        let together = Barrier::new(100);
        let answers: Vec<_> = thread::scope(|scope| {
            let posts: Vec<_> = (0..100)
                .map(|_| {
                    scope.spawn(|| {
                        together.wait();
                        api.post("/auth/zkp/verify", None, &proven).unwrap()
                    })
                })
                .collect();
            posts.into_iter().map(|post| post.join().unwrap()).collect()
        });
        let tokens = answers.iter().filter(|answer| answer.status == 200).count();
        let denied = answers
            .iter()
            .filter(|answer| (answer.status, answer.code()) == (401, "denied"))
            .count();
        assert_eq!((tokens, denied), (1, 99));
    }
}
