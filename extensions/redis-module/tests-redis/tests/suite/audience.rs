//! A proof is for the server that the client means.

use redis::Value;
use twofapi_crypto_core::AuthenticationBinding;
use twofapi_tests_redis::{Client, Server};

use crate::{ask, prefix};

#[test]
fn with_an_audience_a_proof_for_another_or_for_none_is_denied() {
    let server = Server::start("2fapi.audience redis://orders.example");
    let mut connection = server.connect();
    let mut alice = Client::enrolled("alice", &mut connection);
    assert_eq!(prefix(&alice.log_in(&mut connection)), "DENIED");
    let audience = |text: &str| AuthenticationBinding::for_audience(&text.parse().unwrap());
    alice.binding = audience("redis://other.example");
    assert_eq!(prefix(&alice.log_in(&mut connection)), "DENIED");
    alice.binding = audience("redis://orders.example");
    assert_eq!(alice.log_in(&mut connection), Ok(Value::Okay));
    assert_eq!(alice.rotate(&mut connection), Ok(Value::Okay));
    ask(&mut connection, &["CONFIG", "SET", "2fapi.audience", ""]).unwrap();
    assert_eq!(prefix(&alice.log_in(&mut connection)), "DENIED");
    alice.binding = AuthenticationBinding::none();
    assert_eq!(alice.log_in(&mut connection), Ok(Value::Okay));
}

#[test]
fn an_audience_that_is_none_is_refused_and_the_old_one_stays() {
    let server = Server::start("2fapi.audience redis://orders.example");
    let mut connection = server.connect();
    let refused = ask(
        &mut connection,
        &["CONFIG", "SET", "2fapi.audience", "two words"],
    );
    assert!(refused.unwrap_err().to_string().contains("visible ASCII"));
    let shown: Vec<String> = redis::cmd("CONFIG")
        .arg("GET")
        .arg("2fapi.audience")
        .query(&mut connection)
        .unwrap();
    assert_eq!(shown[1], "redis://orders.example");
}
