//! The server is killed in the middle of its work: what it acknowledged is there afterwards, and no
//! challenge from before is good.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;
use twofapi_tests::{Api, Enrolled, Server, ServerOptions};

const AUDIENCE: &str = "https://auth.example.com";
const ROUNDS: usize = 3;
const ENROLLING_AT_ONCE: usize = 4;
const INVITED_PER_ROUND: usize = 60;
const ACKNOWLEDGED_BEFORE_KILLING: usize = 30;

#[test]
fn kill_9_under_load_loses_no_acknowledged_enrolment_and_revives_no_challenge() {
    let directory = tempfile::tempdir().unwrap();
    let store = directory.path().join("2fapi.redb");
    let options = ServerOptions {
        args: ["--audience", AUDIENCE, "--rate-limit", "0"]
            .map(String::from)
            .to_vec(),
    };
    let acknowledged: Mutex<Vec<Enrolled>> = Mutex::default();
    let mut from_before: Vec<Value> = Vec::new();

    for round in 0..=ROUNDS {
        let server = Server::start(&store, &options);
        let api = Api::with_audience(server.base_url(), AUDIENCE);

        for attempt in from_before.drain(..) {
            let answer = api.post("/auth/zkp/verify", None, &attempt).unwrap();
            assert_eq!((answer.status, answer.code()), (401, "denied"));
        }
        for client in acknowledged.lock().unwrap().iter() {
            let answer = api.log_in(client).unwrap();
            assert_eq!(answer.status, 200, "{} is lost", client.client_id);
        }
        if round == ROUNDS {
            break;
        }

        let invited: Vec<_> = (0..INVITED_PER_ROUND)
            .map(|n| format!("client-{round}-{n}"))
            .map(|id| (server.invite(&id), id))
            .collect();
        let invited = Mutex::new(invited);
        let already = acknowledged.lock().unwrap().len();
        let killing = AtomicBool::new(false);
        thread::scope(|scope| {
            for _ in 0..ENROLLING_AT_ONCE {
                scope.spawn(|| {
                    let next = || invited.lock().unwrap().pop();
                    while let Some((token, id)) = next() {
                        match api.enrol(&id, &token) {
                            Ok((client, answer)) => {
                                assert_eq!(answer.status, 201, "{:?}", answer.body);
                                acknowledged.lock().unwrap().push(client);
                            }
                            Err(error) => {
                                assert!(killing.load(Ordering::SeqCst), "hung up: {error}");
                                return;
                            }
                        }
                    }
                });
            }
            let deadline = Instant::now() + Duration::from_secs(120);
            while acknowledged.lock().unwrap().len() < already + ACKNOWLEDGED_BEFORE_KILLING {
                assert!(Instant::now() < deadline, "enrolling makes no progress");
                thread::sleep(Duration::from_millis(1));
            }
            {
                let clients = acknowledged.lock().unwrap();
                let challenge = || api.challenge(&clients[0].client_id).unwrap();
                let used = api.proven(&clients[0], &challenge());
                let answer = api.post("/auth/zkp/verify", None, &used).unwrap();
                assert_eq!(answer.status, 200);
                from_before = vec![used, api.proven(&clients[0], &challenge())];
            }
            killing.store(true, Ordering::SeqCst);
            server.kill_9();
        });
    }
}
