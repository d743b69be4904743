//! Tokens that are not what they must be: signed by the key of the issuer, where it would matter who signs.

use axum::http::StatusCode;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ed25519_dalek::Signer;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use twofapi_protect::RequireToken;
use twofapi_server::{SigningAlgorithm, SigningKeyRecord};

use crate::issuer::{Issuer, ask, behind, status};

const BOTH: [SigningAlgorithm; 2] = [SigningAlgorithm::EdDsa, SigningAlgorithm::Es256];

fn part(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

fn signed(header: &Value, claims: &Value, by: &SigningKeyRecord) -> String {
    let message = format!("{}.{}", part(header), part(claims));
    let signature = match by.algorithm {
        SigningAlgorithm::EdDsa => {
            let seed = by.seed.as_bytes().try_into().unwrap();
            let key = ed25519_dalek::SigningKey::from_bytes(seed);
            key.sign(message.as_bytes()).to_bytes().to_vec()
        }
        SigningAlgorithm::Es256 => {
            let key = p256::ecdsa::SigningKey::from_slice(by.seed.as_bytes()).unwrap();
            let signature: p256::ecdsa::Signature = key.sign(message.as_bytes());
            signature.to_bytes().to_vec()
        }
    };
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// What its tokens say, and the key that signs them.
async fn parts(issuer: &Issuer) -> (Value, Value, SigningKeyRecord) {
    let token = issuer.token().await;
    let part = |at: usize| -> Value {
        let part = token.split('.').nth(at).unwrap();
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
    };
    let header = part(0);
    let keys = issuer.store.signing_keys().await.unwrap();
    let mut keys = keys.into_iter();
    let key = keys.find(|key| header["kid"] == key.kid.as_str()).unwrap();
    (header, part(1), key)
}

fn with(value: &Value, name: &str, said: Value) -> Value {
    let mut value = value.clone();
    value[name] = said;
    value
}

fn without(value: &Value, name: &str) -> Value {
    let mut value = value.clone();
    value.as_object_mut().unwrap().remove(name).unwrap();
    value
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap().as_secs()
}

#[tokio::test]
async fn the_algorithm_is_that_of_the_key_whatever_a_token_says() {
    for algorithm in BOTH {
        let issuer = Issuer::start(algorithm).await;
        let application = issuer.application();
        let (header, claims, key) = parts(&issuer).await;
        let good = signed(&header, &claims, &key);
        assert_eq!(status(&application, "/", &good).await, StatusCode::OK);

        let mut forged = Vec::new();
        for other in BOTH {
            let stranger = SigningKeyRecord::generate(other, now()).unwrap();
            for said in [
                "EdDSA", "ES256", "ES384", "RS256", "HS256", "none", "NONE", "",
            ] {
                let header = with(&header, "alg", json!(said));
                forged.push(signed(&header, &claims, &stranger));
                if said != algorithm.as_str() {
                    forged.push(signed(&header, &claims, &key));
                }
                forged.push(format!("{}.{}.", part(&header), part(&claims)));
            }
        }
        // A public key, in whatever form, taken for a shared secret.
        let set = issuer.service.jwks().await.unwrap();
        let public = &set["keys"][0];
        assert_eq!(public["kid"], header["kid"]);
        let x = public["x"].as_str().unwrap();
        for secret in [
            URL_SAFE_NO_PAD.decode(x).unwrap(),
            x.into(),
            public.to_string().into_bytes(),
        ] {
            for algorithm in [Algorithm::HS256, Algorithm::HS512] {
                let header = Header {
                    typ: Some("at+jwt".into()),
                    kid: Some(key.kid.clone()),
                    ..Header::new(algorithm)
                };
                let secret = EncodingKey::from_secret(&secret);
                forged.push(encode(&header, &claims, &secret).unwrap());
            }
        }
        for token in forged {
            let status = status(&application, "/", &token).await;
            assert_eq!(status, StatusCode::UNAUTHORIZED, "{token}");
        }
    }
}

#[tokio::test]
async fn a_header_that_is_not_that_of_an_access_token_or_brings_a_key_is_refused() {
    let issuer = Issuer::start(SigningAlgorithm::EdDsa).await;
    let application = issuer.application();
    let (header, claims, key) = parts(&issuer).await;
    let stranger = SigningKeyRecord::generate(SigningAlgorithm::EdDsa, now()).unwrap();
    let public =
        ed25519_dalek::SigningKey::from_bytes(stranger.seed.as_bytes().try_into().unwrap());
    let x = URL_SAFE_NO_PAD.encode(public.verifying_key());
    let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "x": x, "kid": key.kid });
    for (header, by) in [
        (without(&header, "typ"), &key),
        (with(&header, "typ", json!("JWT")), &key),
        (with(&header, "typ", json!("dpop+jwt")), &key),
        (with(&header, "crit", json!(["exp"])), &key),
        (with(&header, "crit", json!([])), &key),
        (without(&header, "kid"), &key),
        (with(&header, "kid", json!(stranger.kid)), &key),
        (header.clone(), &stranger),
        (with(&header, "jwk", jwk), &stranger),
    ] {
        let token = signed(&header, &claims, by);
        let status = status(&application, "/", &token).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{header}");
    }
    // What says where another key is says nothing: the one that is named counts.
    let more = with(&header, "jku", json!("https://evil.example/jwks.json"));
    let token = signed(&more, &claims, &key);
    assert_eq!(status(&application, "/", &token).await, StatusCode::OK);
}

#[tokio::test]
async fn claims_that_are_not_of_now_from_this_issuer_and_for_this_audience_are_refused() {
    let issuer = Issuer::start(SigningAlgorithm::EdDsa).await;
    let application = issuer.application();
    let (header, claims, key) = parts(&issuer).await;
    let mut bad: Vec<Value> = ["iss", "sub", "client_id", "aud", "nbf", "exp"]
        .map(|name| without(&claims, name))
        .into();
    for (name, said) in [
        ("iss", json!("https://evil.example")),
        ("iss", json!(format!("{}/", issuer.url))),
        ("aud", json!("https://other.example")),
        ("aud", json!([issuer.url])),
        ("aud", json!([issuer.url, "https://other.example"])),
        ("sub", json!("bob")),
        ("client_id", json!("bob")),
        ("exp", json!(now())),
        ("exp", json!("9999999999")),
        ("nbf", json!(now() + 600)),
    ] {
        bad.push(with(&claims, name, said));
    }
    for claims in bad {
        let token = signed(&header, &claims, &key);
        let status = status(&application, "/", &token).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{claims}");
    }
    let reports = |scope: Value| signed(&header, &with(&claims, "scope", scope), &key);
    for (scope, expected) in [
        (json!("a reports:read b"), StatusCode::OK),
        (json!("reports:read2"), StatusCode::FORBIDDEN),
        (json!(""), StatusCode::FORBIDDEN),
        (json!(["reports:read"]), StatusCode::UNAUTHORIZED),
    ] {
        let status = status(&application, "/reports", &reports(scope.clone())).await;
        assert_eq!(status, expected, "{scope}");
    }
}

#[tokio::test]
async fn a_clock_may_be_off_by_a_minute_at_most_and_only_where_it_is_said() {
    let issuer = Issuer::start(SigningAlgorithm::EdDsa).await;
    let (header, claims, key) = parts(&issuer).await;
    let tokens = RequireToken::new(&issuer.url, &issuer.url).unwrap();
    let patient = behind(tokens.clone().leeway(Duration::from_secs(3600)));
    let strict = behind(tokens);
    let expired = |ago: u64| signed(&header, &with(&claims, "exp", json!(now() - ago)), &key);
    assert_eq!(status(&patient, "/", &expired(5)).await, StatusCode::OK);
    for (application, ago) in [(&strict, 5), (&patient, 60)] {
        let status = status(application, "/", &expired(ago)).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED);
    }
}

#[tokio::test]
async fn a_token_that_is_bound_to_a_key_is_no_bearer_token() {
    let issuer = Issuer::start(SigningAlgorithm::EdDsa).await;
    let application = issuer.application();
    let (header, claims, key) = parts(&issuer).await;
    for cnf in [
        json!({ "jkt": "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs" }),
        json!({ "x5t#S256": "bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2" }),
        json!({}),
        Value::Null,
    ] {
        let token = signed(&header, &with(&claims, "cnf", cnf), &key);
        let answer = ask(&application, "/", &[&token]).await;
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    }
}
