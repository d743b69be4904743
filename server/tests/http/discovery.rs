//! How libraries find the issuer and its keys.

use twofapi_server::{Config, SigningAlgorithm};

use crate::{
    client::{JWKS, METADATA, OPENID},
    server::{AUDIENCE, Server},
};

fn issued_by(issuer: Option<&str>) -> Server {
    let config = Config {
        issuer: issuer.map(str::to_owned),
        ..Config::new(AUDIENCE.parse().unwrap())
    };
    Server::with(config, None)
}

#[test]
fn the_issuer_and_its_keys_are_found_at_either_path() {
    let server = issued_by(None);
    for path in [METADATA, OPENID] {
        let answer = server.get(path, None);
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.header("cache-control"), "public, max-age=3600");
        assert_eq!(answer.text("issuer"), AUDIENCE);
        assert_eq!(answer.text("jwks_uri"), format!("{AUDIENCE}{JWKS}"));
    }
    let config = Config {
        signing_algorithm: SigningAlgorithm::Es256,
        ..Config::new(AUDIENCE.parse().unwrap())
    };
    let answer = Server::with(config, None).get(OPENID, None);
    let algorithms = &answer.body["id_token_signing_alg_values_supported"];
    assert_eq!(*algorithms, serde_json::json!(["ES256"]));
}

#[test]
fn what_an_endpoint_of_the_metadata_says_is_there() {
    let server = issued_by(None);
    let answer = server.get(METADATA, None);
    for (name, value) in answer.body.as_object().unwrap() {
        if name.ends_with("_endpoint") || name.ends_with("_uri") {
            let path = value.as_str().unwrap().strip_prefix(AUDIENCE).unwrap();
            let there = server.get(path, None).status;
            assert_ne!(there, 404, "{name} is not at {path}");
        }
    }
}

#[test]
fn an_issuer_with_a_path_is_found_where_its_clients_look() {
    let issuer = "https://example.com/auth/one";
    let server = issued_by(Some(issuer));
    for path in [
        METADATA,
        OPENID,
        "/.well-known/oauth-authorization-server/auth/one",
        "/auth/one/.well-known/openid-configuration",
    ] {
        let answer = server.get(path, None);
        assert_eq!(
            (answer.status, answer.text("issuer")),
            (200, issuer),
            "{path}"
        );
        // The routes are where clients of the service find them, whoever issues.
        assert_eq!(answer.text("jwks_uri"), format!("{AUDIENCE}{JWKS}"));
    }
    for path in [
        "/.well-known/oauth-authorization-server/auth/two",
        "/.well-known/oauth-authorization-server/auth",
    ] {
        assert_eq!(server.get(path, None).status, 404, "{path}");
    }
}

#[test]
fn an_issuer_that_is_a_name_is_not_found_and_the_answer_says_why() {
    let server = issued_by(Some("our company"));
    for path in [METADATA, OPENID] {
        let answer = server.get(path, None);
        assert_eq!(answer.problem(), (404, "not_found"));
        assert!(answer.text("detail").contains("no URL"), "{answer:?}");
    }
    assert_eq!(server.get(JWKS, None).status, 200);
}
