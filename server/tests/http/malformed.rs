//! Bodies that no client of ours would send: each is answered with a problem that says what would be
//! right, and nothing panics.

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::{
    client::{
        Answer, CHALLENGE, ENROLL, JOIN, LINK, ROTATE, UNLINK, VERIFY, WHOAMI, credential,
        possession, raw, send,
    },
    server::Server,
};

const ROUTES: [&str; 7] = [ENROLL, CHALLENGE, VERIFY, ROTATE, LINK, JOIN, UNLINK];

fn send_body(server: &Server, path: &str, body: &[u8]) -> Answer {
    let headers = [
        ("content-type", "application/json"),
        ("authorization", "Bearer x"),
    ];
    send(&server.base_url, "POST", path, &headers, body)
}

/// A body of the right form, which is refused only because nobody is behind it.
fn well_formed(path: &str) -> Value {
    let possession = possession("alice", &credential());
    let challenge_id = "ch-6afd86c037009872e54f07c1.alice";
    match path {
        ENROLL => possession,
        CHALLENGE => json!({ "client_id": "alice" }),
        VERIFY => json!({ "challenge_id": challenge_id, "proof": possession["proof"] }),
        // Of a second device; the rest has tests of its own.
        LINK => json!({
            "challenge_id": challenge_id,
            "proof": possession["proof"],
            "commitment_new": possession["commitment"],
        }),
        JOIN => json!({
            "challenge_id": challenge_id,
            "commitment": possession["commitment"],
            "proof": possession["proof"],
            "name": "laptop",
        }),
        UNLINK => json!({
            "challenge_id": challenge_id,
            "proof": possession["proof"],
            "commitment_old": possession["commitment"],
        }),
        _ => json!({
            "challenge_id": challenge_id,
            "proof_old": possession["proof"],
            "commitment_new": possession["commitment"],
            "proof_new": possession["proof"],
        }),
    }
}

#[test]
fn what_is_no_json_object_is_refused() {
    let server = Server::start();
    let deep = [b"[".repeat(5000), b"]".repeat(5000)].concat();
    let deep_field = [b"{\"client_id\":".repeat(1000), b"}".repeat(1000)].concat();
    for path in ROUTES {
        for body in [
            &b""[..],
            b" ",
            b"x",
            b"null",
            b"true",
            b"7",
            b"\"alice\"",
            b"[]",
            b"[\"alice\"]",
            b"{",
            b"{}}",
            b"{} {}",
            b"{\"client_id\"}",
            b"{'client_id':'alice'}",
            b"{client_id:\"alice\"}",
            b"{\"client_id\":\"alice\",}",
            b"client_id=alice&proof=00",
            b"\xef\xbb\xbf{\"client_id\":\"alice\"}",
            b"{\"client_id\":\"\xff\xfe\"}",
            b"{\"client_id\":\"al\0ice\"}",
            b"{\"client_id\":\"\\ud800\"}",
            b"\0",
            b"\x1f\x8b\x08\0\0\0\0\0",
            &deep,
            &deep_field,
        ] {
            let answer = send_body(&server, path, body);
            assert_eq!(
                answer.problem(),
                (400, "malformed_request"),
                "{path} {}",
                String::from_utf8_lossy(&body[..body.len().min(40)])
            );
        }
    }
}

#[test]
fn fields_that_are_missing_doubled_unknown_or_of_another_type_are_refused_by_name() {
    let server = Server::start();
    for path in ROUTES {
        let good = well_formed(path);
        let names: Vec<String> = good.as_object().unwrap().keys().cloned().collect();
        for name in &names {
            let mut missing = good.clone();
            missing.as_object_mut().unwrap().remove(name);
            let answer = send_body(&server, path, missing.to_string().as_bytes());
            assert_eq!(answer.problem(), (400, "malformed_request"));
            assert!(answer.text("detail").contains(name.as_str()), "{answer:?}");

            for wrong in [
                json!(7),
                json!(null),
                json!(true),
                json!([]),
                json!({}),
                json!(1e300),
            ] {
                let mut body = good.clone();
                body[name] = wrong;
                let answer = send_body(&server, path, body.to_string().as_bytes());
                assert_eq!(answer.problem(), (400, "malformed_request"));
                let detail = answer.text("detail");
                assert!(
                    detail.contains(name.as_str()) && detail.contains("string"),
                    "{detail}"
                );
            }

            let doubled =
                good.to_string()
                    .replacen('{', &format!("{{{}:{},", json!(name), good[name]), 1);
            let answer = send_body(&server, path, doubled.as_bytes());
            assert_eq!(answer.problem(), (400, "malformed_request"));
            assert!(answer.text("detail").contains("twice"), "{answer:?}");
        }
        let mut unknown = good.clone();
        unknown["is_admin"] = json!(true);
        let answer = send_body(&server, path, unknown.to_string().as_bytes());
        assert_eq!(answer.problem(), (400, "malformed_request"));
        for name in &names {
            assert!(answer.text("detail").contains(name.as_str()), "{answer:?}");
        }
        for count in [17 - names.len(), 500] {
            let mut many = good.clone();
            for n in 0..count {
                many[format!("f{n}")] = json!(n);
            }
            let answer = send_body(&server, path, many.to_string().as_bytes());
            assert_eq!(answer.problem(), (400, "malformed_request"));
            assert!(
                answer.text("detail").contains("too many fields"),
                "{answer:?}"
            );
        }
    }
}

#[test]
fn client_id_and_user_id_are_one_field() {
    let server = Server::start();
    for path in [ENROLL, CHALLENGE] {
        let mut body = well_formed(path);
        body["user_id"] = json!("alice");
        let answer = send_body(&server, path, body.to_string().as_bytes());
        assert_eq!(answer.problem(), (400, "malformed_request"));
        assert!(answer.text("detail").contains("user_id"));
    }
}

#[test]
fn a_client_id_that_breaks_a_rule_is_refused_with_the_rules() {
    let server = Server::start();
    for id in [
        "",
        "a b",
        "a:b",
        "{a}",
        "a\0",
        "..",
        "a..b",
        "-a",
        "2fapi",
        "TwoFApi-x",
        "é",
    ]
    .into_iter()
    .map(str::to_owned)
    .chain(["a".repeat(129), "a".repeat(10_000)])
    {
        for (path, name) in [
            (ENROLL, "client_id"),
            (CHALLENGE, "client_id"),
            (CHALLENGE, "user_id"),
        ] {
            let mut body = well_formed(path);
            body.as_object_mut().unwrap().remove("client_id");
            body[name] = json!(id);
            let answer = send_body(&server, path, body.to_string().as_bytes());
            assert_eq!(answer.problem(), (400, "invalid_client_id"), "{id}");
            assert!(answer.text("detail").contains("1 to 128"), "{answer:?}");
        }
    }
}

#[test]
fn hex_of_the_wrong_length_or_alphabet_is_refused_with_the_right_one() {
    let server = Server::start();
    for path in [ENROLL, VERIFY, ROTATE, LINK, JOIN, UNLINK] {
        let good = well_formed(path);
        for (name, value) in good.as_object().unwrap() {
            let (bytes, right) = match name.as_str() {
                "proof" | "proof_old" | "proof_new" => (96, "96 bytes"),
                "commitment" | "commitment_new" | "commitment_old" => (32, "32 bytes"),
                _ => continue,
            };
            let hex = value.as_str().unwrap();
            let cases = [
                (String::new(), "invalid_length", right),
                (hex[2..].to_owned(), "invalid_length", right),
                (format!("{hex}00"), "invalid_length", right),
                ("00".repeat(4000), "invalid_length", right),
                (hex[1..].to_owned(), "invalid_length", "even number"),
                (format!("0x{}", &hex[2..]), "invalid_encoding", "hex digits"),
                (format!(" {}", &hex[1..]), "invalid_encoding", "hex digits"),
                (format!("{}g", &hex[1..]), "invalid_encoding", "hex digits"),
                (format!("{}\0", &hex[1..]), "invalid_encoding", "hex digits"),
                ("é".repeat(bytes), "invalid_encoding", "hex digits"),
                ("00".repeat(bytes), "invalid_encoding", "canonical"),
                ("ff".repeat(bytes), "invalid_encoding", "canonical"),
            ];
            for (wrong, code, says) in cases {
                let mut body = good.clone();
                body[name] = json!(wrong);
                let answer = send_body(&server, path, body.to_string().as_bytes());
                assert_eq!(answer.problem(), (400, code), "{path} {name} {wrong}");
                assert!(answer.text("detail").contains(says), "{answer:?}");
            }
        }
    }
}

#[test]
fn upper_case_hex_is_accepted() {
    let server = Server::start();
    let credential = credential();
    let upper = |body: Value, names: &[&str]| {
        let mut body = body;
        for name in names {
            body[*name] = json!(body[*name].as_str().unwrap().to_uppercase());
        }
        body
    };
    let body = upper(possession("alice", &credential), &["commitment", "proof"]);
    let token = server.invite("alice");
    assert_eq!(server.post(ENROLL, Some(&token), &body).status, 201);
    let alice = crate::client::Client {
        id: "alice".parse().unwrap(),
        credential,
    };
    let body = upper(server.proven(&alice), &["proof"]);
    assert_eq!(server.verify(&body).status, 200);
    let rotation = server.rotation(&alice, &crate::client::credential());
    let body = upper(rotation, &["proof_old", "commitment_new", "proof_new"]);
    assert_eq!(server.post(ROTATE, None, &body).status, 200);
}

#[test]
fn a_body_that_is_too_large_is_refused_and_its_sender_sees_why() {
    let server = Server::start();
    let padded = |size: usize| {
        let mut body = well_formed(CHALLENGE).to_string().into_bytes();
        body.resize(size, b' ');
        body
    };
    for path in ROUTES {
        for size in [16 * 1024 + 1, 100_000, 10_000_000] {
            let answer = send_body(&server, path, &padded(size));
            assert_eq!(
                answer.problem(),
                (413, "payload_too_large"),
                "{path} {size}"
            );
            assert!(answer.text("detail").contains("16384"), "{answer:?}");
        }
    }
    assert_eq!(
        send_body(&server, CHALLENGE, &padded(16 * 1024)).status,
        200
    );

    // Without a length that could be looked at first.
    let chunk = [b"3e8\r\n".as_slice(), &b" ".repeat(1000), b"\r\n"].concat();
    let mut request = format!(
        "POST {CHALLENGE} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: \
         application/json\r\ntransfer-encoding: chunked\r\n\r\n"
    )
    .into_bytes();
    request.extend(chunk.repeat(100));
    request.extend(b"0\r\n\r\n");
    let answer = raw(&server.base_url, &request);
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");

    // Whoever asks first is told before it sends.
    let answer = raw(
        &server.base_url,
        format!(
            "POST {CHALLENGE} HTTP/1.1\r\nhost: x\r\nconnection: close\r\nexpect: 100-continue\r\n\
             content-type: application/json\r\ncontent-length: 10000000\r\n\r\n"
        )
        .as_bytes(),
    );
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
}

#[test]
fn another_content_type_or_none_is_refused() {
    let server = Server::start();
    for path in ROUTES {
        let body = well_formed(path).to_string();
        for media in [
            "text/plain",
            "application/x-www-form-urlencoded",
            "application/jsonp",
            "application/json-patch+json",
            "json",
            "",
        ] {
            let headers = [("content-type", media)];
            let answer = send(&server.base_url, "POST", path, &headers, body.as_bytes());
            assert_eq!(answer.problem(), (415, "unsupported_media_type"), "{media}");
            assert!(answer.text("detail").contains("application/json"));
        }
        let answer = raw(
            &server.base_url,
            format!(
                "POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: \
                 {}\r\n\r\n{body}",
                body.len()
            )
            .as_bytes(),
        );
        assert!(answer.starts_with("HTTP/1.1 415 "), "{answer}");
    }
    for media in ["application/json; charset=utf-8", "Application/JSON"] {
        let headers = [("content-type", media)];
        let answer = send(
            &server.base_url,
            "POST",
            CHALLENGE,
            &headers,
            b"{\"client_id\":\"a\"}",
        );
        assert_eq!(answer.status, 200, "{media}");
    }
}

#[test]
fn a_problem_repeats_nothing_of_the_body() {
    let server = Server::start();
    let secret = "5ec2e7".repeat(20);
    for path in ROUTES {
        let mut wrong_name = well_formed(path);
        wrong_name[&secret] = json!(secret);
        let bodies = [
            wrong_name.to_string(),
            format!("{{\"{secret}"),
            json!(secret).to_string(),
            json!({ "client_id": secret, "challenge_id": secret, "proof": secret }).to_string(),
        ];
        for body in bodies {
            let answer = send_body(&server, path, body.as_bytes());
            assert!(answer.problem().0 < 500);
            assert!(!answer.body.to_string().contains("5ec2e7"), "{answer:?}");
        }
    }
}

#[test]
fn arbitrary_bodies_and_headers_are_answered_and_never_accepted() {
    let server = Server::start();
    let mangled = (0..ROUTES.len()).prop_flat_map(|route| {
        let good = well_formed(ROUTES[route]).to_string().into_bytes();
        let len = good.len();
        let arbitrary = proptest::collection::vec(any::<u8>(), 0..300);
        let changed = proptest::collection::vec((0..len, any::<u8>()), 1..4).prop_map(move |at| {
            let mut body = good.clone();
            for (at, byte) in at {
                body[at] = byte;
            }
            body
        });
        let json = "\\{(\"(client_id|proof|commitment|challenge_id|x)\":(\"[a-f0-9.ch-]{0,200}\"|[0-9]{1,9}|null|\\[\\]|\\{\\}),?){0,5}\\}"
            .prop_map(String::into_bytes);
        (Just(route), prop_oneof![arbitrary, changed, json])
    });
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        cases: 400,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    runner
        .run(&mangled, |(route, body)| {
            let answer = send_body(&server, ROUTES[route], &body);
            if ROUTES[route] == CHALLENGE && answer.status == 200 {
                return Ok(());
            }
            let (status, _) = answer.problem();
            prop_assert!((400..500).contains(&status), "{answer:?}");
            Ok(())
        })
        .unwrap();
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        cases: 200,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    runner
        .run(&"[ -~]{0,200}", |token| {
            let value = format!("Bearer {token}");
            let headers = [("authorization", value.as_str())];
            let answer = send(&server.base_url, "GET", WHOAMI, &headers, b"");
            prop_assert_eq!(answer.problem(), (401, "denied"));
            Ok(())
        })
        .unwrap();
}
