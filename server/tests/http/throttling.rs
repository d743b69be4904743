//! Throttling by source: never by client, and never of challenges.

use std::num::NonZeroU32;

use serde_json::json;
use twofapi_server::{Config, RateLimit};

use crate::{
    client::{CHALLENGE, ENROLL, JOIN, LINK, ROTATE, UNLINK, VERIFY},
    server::{AUDIENCE, Server},
};

#[test]
fn a_source_that_tries_too_often_is_told_when_to_come_back() {
    let limit = RateLimit {
        per_second: NonZeroU32::new(1).unwrap(),
        burst: NonZeroU32::new(5).unwrap(),
    };
    let server = Server::with(Config::new(AUDIENCE.parse().unwrap()), Some(limit));
    let attempts = [VERIFY, ENROLL, ROTATE, LINK, JOIN, UNLINK].repeat(3);
    let answers: Vec<_> = attempts
        .iter()
        .map(|path| server.post(path, None, &json!({})))
        .collect();
    assert_eq!(answers[0].problem(), (400, "malformed_request"));
    let throttled: Vec<_> = answers.iter().filter(|a| a.status == 429).collect();
    assert!(throttled.len() >= 4, "{answers:?}");
    for path in &attempts[..6] {
        let one = attempts
            .iter()
            .zip(&answers)
            .find(|(tried, answer)| *tried == path && answer.status == 429);
        assert!(one.is_some(), "{path} is not throttled");
    }
    for answer in throttled {
        assert_eq!(answer.problem(), (429, "throttled"));
        let seconds: u32 = answer.header("retry-after").parse().unwrap();
        assert!((1..=5).contains(&seconds));
    }
    for _ in 0..50 {
        let answer = server.post(CHALLENGE, None, &json!({ "client_id": "alice" }));
        assert_eq!(answer.status, 200);
    }
    assert_eq!(server.get("/healthz", None).status, 200);
}

#[test]
fn without_a_limit_nothing_is_throttled() {
    let server = Server::start();
    for _ in 0..300 {
        assert_eq!(server.post(VERIFY, None, &json!({})).status, 400);
    }
}
