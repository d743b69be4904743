//! Access tokens: what is in them, what is refused, and how their keys turn over.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ed25519_dalek::{Signature, VerifyingKey};
use serde_json::{Value, json};
use twofapi_crypto_core::CredentialId;
use twofapi_server::{Config, RecordChange, SigningAlgorithm};

use crate::{
    client::{JWKS, VERIFY, WHOAMI},
    server::{AUDIENCE, NOW, Server},
};

const DAY: u64 = 24 * 3600;

pub(crate) fn part(jwt: &str, n: usize) -> Value {
    let part = jwt.split('.').nth(n).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

pub(crate) fn encode(json: &Value) -> String {
    URL_SAFE_NO_PAD.encode(json.to_string())
}

fn kids(server: &Server) -> Vec<String> {
    let set = server.get(JWKS, None).body;
    let keys = set["keys"].as_array().unwrap().iter();
    keys.map(|key| key["kid"].as_str().unwrap().to_owned())
        .collect()
}

/// Checks a token as another service would: by the published keys alone.
fn checks_out(server: &Server, jwt: &str) -> bool {
    let set = server.get(JWKS, None).body;
    let header = part(jwt, 0);
    let keys = set["keys"].as_array().unwrap();
    let Some(key) = keys.iter().find(|key| key["kid"] == header["kid"]) else {
        return false;
    };
    assert_eq!(
        (&key["kty"], &key["crv"], &key["alg"], &key["use"]),
        (
            &json!("OKP"),
            &json!("Ed25519"),
            &json!("EdDSA"),
            &json!("sig")
        )
    );
    assert!(key.get("d").is_none(), "a private key is published");
    let public = URL_SAFE_NO_PAD.decode(key["x"].as_str().unwrap()).unwrap();
    let public = VerifyingKey::from_bytes(&public.try_into().unwrap()).unwrap();
    let (message, signature) = jwt.rsplit_once('.').unwrap();
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let signature = Signature::from_slice(&signature).unwrap();
    public.verify_strict(message.as_bytes(), &signature).is_ok()
}

#[test]
fn a_token_says_who_by_whom_for_whom_and_until_when() {
    let config = Config {
        issuer: Some("https://issuer.example".into()),
        token_ttl: 600,
        ..Config::new(AUDIENCE.parse().unwrap())
    };
    let server = Server::with(config, None);
    let alice = server.enrol("alice");
    let answer = server.post(VERIFY, None, &server.proven(&alice));
    assert_eq!(answer.text("token_type"), "Bearer");
    assert_eq!(answer.text("client_id"), "alice");
    assert_eq!(answer.body["expires_in"], 600);
    assert_eq!(answer.header("cache-control"), "no-store");
    let jwt = answer.text("access_token");
    assert!(checks_out(&server, jwt));

    let header = part(jwt, 0);
    assert_eq!(
        (&header["alg"], &header["typ"]),
        (&json!("EdDSA"), &json!("at+jwt"))
    );
    let claims = part(jwt, 1);
    let jti = claims["jti"].as_str().unwrap();
    assert_eq!(jti.len(), 32);
    let expected = json!({
        "iss": "https://issuer.example", "sub": "alice", "client_id": "alice", "aud": AUDIENCE,
        "iat": NOW, "nbf": NOW, "exp": NOW + 600, "jti": jti, "sid": jti, "amr": ["zkp"],
        "acr": "urn:2fapi:acr:sigma", "auth_time": NOW, "ver": 1,
        "cred": CredentialId::of(alice.credential.commitment().as_bytes()).to_string(), "gen": 0,
    });
    assert_eq!(claims, expected);

    let whoami = server.get(WHOAMI, Some(jwt));
    let expected =
        json!({ "client_id": "alice", "expires_at": NOW + 600, "commitment_version": 1 });
    assert_eq!((whoami.status, whoami.body), (200, expected));
    assert_ne!(part(&server.log_in(&alice), 1)["jti"], jti);
}

/// A token as this server signs it, with other claims.
pub(crate) fn signed(server: &Server, jwt: &str, claims: &Value) -> String {
    let keys = server.run(server.store.signing_keys()).unwrap();
    let seed = keys[0].seed.as_bytes().try_into().unwrap();
    let key = ed25519_dalek::SigningKey::from_bytes(&seed);
    let message = format!("{}.{}", jwt.split('.').next().unwrap(), encode(claims));
    let signature = ed25519_dalek::Signer::sign(&key, message.as_bytes());
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature.to_bytes()))
}

#[test]
fn a_service_may_sign_with_es256() {
    let config = Config {
        signing_algorithm: SigningAlgorithm::Es256,
        ..Config::new(AUDIENCE.parse().unwrap())
    };
    let server = Server::with(config, None);
    let jwt = server.log_in(&server.enrol("alice"));
    let header = part(&jwt, 0);
    assert_eq!(
        (&header["alg"], &header["typ"]),
        (&json!("ES256"), &json!("at+jwt"))
    );
    let set = server.get(JWKS, None).body;
    let key = &set["keys"][0];
    let said = [
        &key["kty"],
        &key["crv"],
        &key["alg"],
        &key["use"],
        &key["kid"],
    ];
    assert_eq!(
        said,
        [
            &json!("EC"),
            &json!("P-256"),
            &json!("ES256"),
            &json!("sig"),
            &header["kid"]
        ]
    );
    assert!(key.get("d").is_none(), "a private key is published");
    // By another library than the one that has signed.
    let bytes = |part: &str| URL_SAFE_NO_PAD.decode(part).unwrap();
    let [x, y] = ["x", "y"].map(|name| bytes(key[name].as_str().unwrap()));
    let point = [&[4][..], &x, &y].concat();
    let public = p256::ecdsa::VerifyingKey::from_sec1_bytes(&point).unwrap();
    let (message, signature) = jwt.rsplit_once('.').unwrap();
    let signature = p256::ecdsa::Signature::from_slice(&bytes(signature)).unwrap();
    p256::ecdsa::signature::Verifier::verify(&public, message.as_bytes(), &signature).unwrap();
    assert_eq!(server.get(WHOAMI, Some(&jwt)).status, 200);
}

#[test]
fn a_token_of_before_means_the_first_credential_and_the_first_generation() {
    let server = Server::start();
    let (phone, laptop) = server.with_two_devices("alice");
    let before = |jwt: &str| {
        let mut claims = part(jwt, 1);
        for name in ["cred", "gen", "sid"] {
            assert!(claims.as_object_mut().unwrap().remove(name).is_some());
        }
        signed(&server, jwt, &claims)
    };
    let of_phone = before(&server.log_in(&phone));
    let whoami = server.get(WHOAMI, Some(&of_phone));
    assert_eq!((whoami.status, whoami.text("client_id")), (200, "alice"));
    // The laptop's names a version that the first credential did not come with.
    let of_laptop = before(&server.log_in_by_name(&laptop));
    assert_eq!(
        server.get(WHOAMI, Some(&of_laptop)).problem(),
        (401, "denied")
    );
    server.change("alice", RecordChange::EndSessions);
    assert_eq!(
        server.get(WHOAMI, Some(&of_phone)).problem(),
        (401, "denied")
    );
}

#[test]
fn a_token_of_another_credential_version_or_generation_is_refused() {
    let server = Server::start();
    let (phone, laptop) = server.with_two_devices("alice");
    let jwt = server.log_in(&phone);
    let claims = part(&jwt, 1);
    assert_eq!(
        server
            .get(WHOAMI, Some(&signed(&server, &jwt, &claims)))
            .status,
        200
    );
    for (name, value) in [
        ("cred", json!(laptop.credential_id())),
        ("cred", json!("0".repeat(32))),
        ("cred", json!("first")),
        ("cred", json!(7)),
        ("ver", json!(2)),
        ("gen", json!(1)),
        ("gen", json!(-1)),
        ("sub", json!("bob")),
    ] {
        let mut claims = claims.clone();
        claims[name] = value;
        let token = signed(&server, &jwt, &claims);
        assert_eq!(
            server.get(WHOAMI, Some(&token)).problem(),
            (401, "denied"),
            "{claims}"
        );
    }
}

#[test]
fn a_token_that_was_tampered_with_is_refused() {
    let server = Server::start();
    let jwt = server.log_in(&server.enrol("alice"));
    let bob = server.log_in(&server.enrol("bob"));
    let pieces: Vec<&str> = jwt.split('.').collect();
    let (header, claims) = (part(&jwt, 0), part(&jwt, 1));
    let with = |json: &Value, name: &str, value: Value| {
        let mut json = json.clone();
        json[name] = value;
        encode(&json)
    };
    let signature = pieces[2];
    let mut bad = vec![
        format!(
            "{}.{}.{}",
            with(&header, "alg", json!("none")),
            pieces[1],
            ""
        ),
        format!(
            "{}.{}.{signature}",
            with(&header, "alg", json!("none")),
            pieces[1]
        ),
        format!(
            "{}.{}.{signature}",
            with(&header, "alg", json!("HS256")),
            pieces[1]
        ),
        format!(
            "{}.{}.{signature}",
            with(&header, "kid", json!("other")),
            pieces[1]
        ),
        format!(
            "{}.{}.{signature}",
            with(&header, "kid", json!(7)),
            pieces[1]
        ),
        format!(
            "{}.{}.{signature}",
            with(&header, "typ", json!("JWT")),
            pieces[1]
        ),
        format!(
            "{}.{}.{}",
            pieces[0],
            pieces[1],
            bob.rsplit_once('.').unwrap().1
        ),
        format!("{}.{}", pieces[0], pieces[1]),
        format!("{jwt}."),
        format!("{jwt}A"),
        format!("{jwt}="),
        jwt.to_uppercase(),
        "..".into(),
        ".".into(),
        "x".into(),
        "A".repeat(8000),
    ];
    for (name, value) in [
        ("sub", json!("bob")),
        ("exp", json!(NOW + 1_000_000)),
        ("exp", json!(-1)),
        ("exp", json!("never")),
        ("exp", json!(u64::MAX)),
        ("nbf", json!(0)),
        ("aud", json!("https://evil.example")),
        ("iss", json!("https://evil.example")),
        ("ver", json!(2)),
    ] {
        bad.push(format!(
            "{}.{}.{signature}",
            pieces[0],
            with(&claims, name, value)
        ));
    }
    for token in bad {
        let answer = server.get(WHOAMI, Some(&token));
        assert_eq!(answer.problem(), (401, "denied"), "{token}");
        let expected = format!("Bearer realm=\"{AUDIENCE}\", error=\"invalid_token\"");
        assert_eq!(answer.header("www-authenticate"), expected);
        assert!(!answer.body.to_string().contains(signature), "{token}");
    }
    assert_eq!(server.get(WHOAMI, Some(&jwt)).status, 200);
}

#[test]
fn a_public_key_taken_for_a_shared_secret_signs_nothing() {
    use jsonwebtoken::{Algorithm, EncodingKey, Header};
    let server = Server::start();
    let jwt = server.log_in(&server.enrol("alice"));
    let set = server.get(JWKS, None).body;
    let key = &set["keys"][0];
    let encoded = key["x"].as_str().unwrap();
    let public = URL_SAFE_NO_PAD.decode(encoded).unwrap();
    for secret in [
        public.as_slice(),
        encoded.as_bytes(),
        key.to_string().as_bytes(),
    ] {
        let header = Header {
            typ: Some("at+jwt".into()),
            kid: Some(key["kid"].as_str().unwrap().into()),
            ..Header::new(Algorithm::HS256)
        };
        let secret = EncodingKey::from_secret(secret);
        let forged = jsonwebtoken::encode(&header, &part(&jwt, 1), &secret).unwrap();
        assert_eq!(server.get(WHOAMI, Some(&forged)).problem(), (401, "denied"));
    }
}

#[test]
fn a_token_of_another_server_is_refused() {
    let (here, there) = (Server::start(), Server::start());
    here.enrol("alice");
    let jwt = there.log_in(&there.enrol("alice"));
    assert_eq!(here.get(WHOAMI, Some(&jwt)).problem(), (401, "denied"));
}

#[test]
fn a_clock_ahead_for_a_moment_forgets_no_invitation_and_stops_no_key() {
    let server = Server::start();
    let alice = server.enrol("alice");
    let invitation = server.invite("bob");
    let token = server.log_in(&alice);
    server.clock.set_wall(NOW + 3650 * DAY);
    server.log_in(&alice);
    server.invite("carl");
    server.clock.set_wall(NOW + 1);
    assert_eq!(server.get(WHOAMI, Some(&token)).status, 200);
    let body = crate::client::possession("bob", &crate::client::credential());
    let enrolled = server.post(crate::client::ENROLL, Some(&invitation), &body);
    assert_eq!(enrolled.status, 201, "{enrolled:?}");
    let signs = |days: u64| {
        server.clock.set_wall(NOW + days * DAY);
        let jwt = server.log_in(&alice);
        assert!(checks_out(&server, &jwt));
        part(&jwt, 0)["kid"].as_str().unwrap().to_owned()
    };
    let turns: Vec<_> = (0..=100).map(signs).collect();
    let distinct: std::collections::HashSet<_> = turns.iter().collect();
    assert!(
        distinct.len() >= 3,
        "keys stopped taking turns: {distinct:?}"
    );
}

#[test]
fn a_token_is_good_for_its_life_and_not_a_second_longer() {
    let server = Server::start();
    let jwt = server.log_in(&server.enrol("alice"));
    server.clock.pass(899);
    assert_eq!(server.get(WHOAMI, Some(&jwt)).status, 200);
    server.clock.pass(1);
    assert_eq!(server.get(WHOAMI, Some(&jwt)).problem(), (401, "denied"));
}

#[test]
fn a_request_without_a_token_is_told_to_send_one() {
    let server = Server::start();
    let send = |headers: &[(&str, &str)]| {
        crate::client::send(&server.base_url, "GET", WHOAMI, headers, b"")
    };
    for headers in [
        &[][..],
        &[("authorization", "Basic YTpi")],
        &[("authorization", "Bearer")],
        &[("authorization", "Bearer ")],
        &[("authorization", "Bearer a"), ("authorization", "Bearer b")],
    ] {
        let answer = send(headers);
        assert_eq!(answer.problem(), (401, "denied"), "{headers:?}");
        let expected = format!("Bearer realm=\"{AUDIENCE}\"");
        assert_eq!(answer.header("www-authenticate"), expected, "{headers:?}");
    }
    let jwt = server.log_in(&server.enrol("alice"));
    let lower = format!("bearer {jwt}");
    assert_eq!(send(&[("authorization", &lower)]).status, 200);
}

#[test]
fn the_next_key_is_published_before_it_signs_and_the_last_one_until_its_tokens_are_dead() {
    let server = Server::start();
    let alice = server.enrol("alice");
    let cached = server.get(JWKS, None);
    let max_age: u64 = cached
        .header("cache-control")
        .strip_prefix("public, max-age=")
        .unwrap()
        .parse()
        .unwrap();
    let first = kids(&server);
    assert_eq!(first.len(), 1);

    let mut known_since = std::collections::HashMap::from([(first[0].clone(), NOW)]);
    let mut turns = 0;
    let mut signing = first[0].clone();
    let mut last = None;
    // Two turns, looked at every ten minutes around them and every day else.
    while turns < 2 {
        let now = twofapi_server::Clock::wall(&*server.clock);
        assert!(now < NOW + 70 * DAY, "keys do not turn over");
        for kid in kids(&server) {
            known_since.entry(kid).or_insert(now);
        }
        let jwt = server.log_in(&alice);
        let kid = part(&jwt, 0)["kid"].as_str().unwrap().to_owned();
        if kid != signing {
            turns += 1;
            let ahead = now - known_since[&kid];
            assert!(ahead >= max_age, "published only {ahead} s ahead");
            // A token that the key before signed last is good, here and elsewhere, until it expires.
            let last: String = last.take().unwrap();
            let left = part(&last, 1)["exp"].as_u64().unwrap() - now;
            server.clock.pass(left - 1);
            assert!(checks_out(&server, &last));
            assert_eq!(server.get(WHOAMI, Some(&last)).status, 200);
            for _ in 0..2 {
                server.clock.pass(1000);
                let _ = server.log_in(&alice);
            }
            assert!(!kids(&server).contains(&signing), "a dead key is kept");
            signing = kid;
        }
        last = Some(jwt);
        let day = (now - NOW) % (30 * DAY);
        let near = day > 28 * DAY;
        server.clock.pass(if near { 600 } else { DAY });
    }
}
