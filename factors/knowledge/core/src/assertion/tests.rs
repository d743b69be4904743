use super::*;
use crate::{
    challenge::Challenge,
    persona::{PersonaId, Threshold},
};

const ORIGIN: &str = "https://login.example.com";
const TOP: &str = "https://shop.example.com";

fn digest() -> challenge::Digest {
    Challenge {
        audience: "https://auth.example.com",
        provider: "prov-a",
        rp_id: "example.com",
        persona: PersonaId::from_bytes([1; 16]),
        purpose: challenge::Purpose::Authenticate,
        kind: Kind::Human,
        threshold: Threshold::new(3, 5).ok(),
        nonce: [2; 16],
        expires_at: 1_795_000_000,
    }
    .digest()
    .unwrap()
}

fn authenticator_data(flags: u8, count: u32, extensions: &[u8]) -> Vec<u8> {
    let mut data = Sha256::digest("example.com").to_vec();
    data.push(flags);
    data.extend_from_slice(&count.to_be_bytes());
    data.extend_from_slice(extensions);
    data
}

/// The members that every assertion has, and more.
fn client_data(more: &str) -> String {
    let challenge = Base64UrlUnpadded::encode_string(digest().as_bytes());
    format!(r#"{{"type":"webauthn.get","challenge":"{challenge}","origin":"{ORIGIN}"{more}}}"#)
}

fn check_for(
    kind: Kind,
    cross_origin: bool,
    data: &[u8],
    json: &str,
) -> Result<Assertion, Refusal> {
    let expected = Expected {
        digest: &digest(),
        rp_id: "example.com",
        origins: &[ORIGIN, TOP],
        kind,
        cross_origin,
    };
    Assertion::check(data, json.as_bytes(), &expected)
}

fn of_json(json: &str) -> Result<Assertion, Refusal> {
    check_for(Kind::Human, false, &authenticator_data(5, 1, &[]), json)
}

fn of_data(data: &[u8]) -> Result<Assertion, Refusal> {
    check_for(Kind::Human, false, data, &client_data(""))
}

#[test]
fn an_assertion_of_a_browser_is_read() {
    let data = authenticator_data(0x1d, 7, &[]);
    let json = client_data(r#","crossOrigin":false,"other_keys_can_be_added_here":{"a":[1,2]}"#);
    let assertion = check_for(Kind::Human, false, &data, &json).unwrap();
    assert_eq!(assertion.sign_count, 7);
    assert!(assertion.backup_eligible && assertion.backed_up);
    let signed = [&data[..], &Sha256::digest(&json)].concat();
    assert_eq!(assertion.message_hash[..], Sha256::digest(signed)[..]);
}

#[test]
fn client_data_that_is_no_object_or_says_a_thing_twice_is_refused() {
    let good = client_data("");
    for bad in [
        String::new(),
        "[]".into(),
        format!("{good} x"),
        format!("{good}{good}"),
        format!("\u{feff}{good}"),
        good.replace("\"webauthn.get\"", "1"),
        client_data(r#","type":"webauthn.get""#),
        client_data(r#","typ\u0065":"webauthn.get""#),
        client_data(r#","origin":"https://evil.example""#),
        client_data(r#","challenge":"AAAA""#),
        client_data(r#","crossOrigin":"false""#),
        client_data(r#","crossOrigin":false,"crossOrigin":false"#),
        client_data(","),
        client_data(r#","x":01"#),
        good.replace("origin", "0rigin"),
        good.replace("type", "kind"),
        good.replace("challenge", "chal1enge"),
    ] {
        assert_eq!(of_json(&bad), Err(Refusal::ClientData), "{bad}");
    }
    let expected = Expected {
        digest: &digest(),
        rp_id: "example.com",
        origins: &[ORIGIN],
        kind: Kind::Human,
        cross_origin: false,
    };
    let mut bytes = client_data(r#","x":"?""#).into_bytes();
    let at = bytes.iter().position(|b| *b == b'?').unwrap();
    bytes[at] = 0xff;
    let data = authenticator_data(5, 1, &[]);
    let refused = Assertion::check(&data, &bytes, &expected);
    assert_eq!(refused, Err(Refusal::ClientData));
    assert!(of_json(&good).is_ok());
}

#[test]
fn an_assertion_that_was_made_for_enrolment_or_payment_is_refused() {
    for other in ["webauthn.create", "payment.get", "WebAuthn.get", ""] {
        let json = client_data("").replace("webauthn.get", other);
        assert_eq!(of_json(&json), Err(Refusal::Type));
    }
}

#[test]
fn an_assertion_for_another_challenge_is_refused() {
    let right = Base64UrlUnpadded::encode_string(digest().as_bytes());
    let mut other = *digest().as_bytes();
    other[31] ^= 1;
    for wrong in [
        Base64UrlUnpadded::encode_string(&other),
        format!("{right}="),
        right.to_lowercase(),
        String::new(),
    ] {
        let json = client_data("").replace(&right, &wrong);
        assert_eq!(of_json(&json), Err(Refusal::Challenge));
    }
}

#[test]
fn an_assertion_of_another_origin_is_refused() {
    for other in [
        "https://evil.example",
        "http://login.example.com",
        "https://login.example.com:8443",
        "https://login.example.com/",
        "https://LOGIN.example.com",
        "https://login.example.com.evil.example",
    ] {
        let json = client_data("").replace(ORIGIN, other);
        assert_eq!(of_json(&json), Err(Refusal::Origin), "{other}");
    }
}

#[test]
fn an_embedded_page_needs_the_policy_and_a_top_origin_of_the_provider() {
    let data = authenticator_data(5, 1, &[]);
    let of = |policy, more: &str| check_for(Kind::Human, policy, &data, &client_data(more));
    let embedded = format!(r#","crossOrigin":true,"topOrigin":"{TOP}""#);
    assert!(of(true, &embedded).is_ok());
    assert!(of(true, "").is_ok());
    for (policy, more) in [
        (false, embedded.as_str()),
        (true, r#","crossOrigin":true"#),
        (
            true,
            r#","crossOrigin":true,"topOrigin":"https://evil.example""#,
        ),
        (true, &format!(r#","topOrigin":"{TOP}""#)),
        (
            true,
            &format!(r#","crossOrigin":false,"topOrigin":"{TOP}""#),
        ),
    ] {
        assert_eq!(of(policy, more), Err(Refusal::CrossOrigin), "{more}");
    }
}

#[test]
fn an_assertion_for_another_relying_party_is_refused() {
    let mut data = authenticator_data(5, 1, &[]);
    data[31] ^= 1;
    assert_eq!(of_data(&data), Err(Refusal::RelyingParty));
}

#[test]
fn nobody_present_or_verified_is_refused() {
    for flags in [0x00, 0x04] {
        let refused = of_data(&authenticator_data(flags, 1, &[]));
        assert_eq!(refused, Err(Refusal::UserPresence));
    }
    let present = authenticator_data(0x01, 1, &[]);
    assert_eq!(of_data(&present), Err(Refusal::UserVerification));
    // A program has nobody to verify.
    assert!(check_for(Kind::Agent, false, &present, &client_data("")).is_ok());
}

#[test]
fn attested_credential_data_is_refused() {
    let data = authenticator_data(0x45, 1, &[0; 50]);
    assert_eq!(of_data(&data), Err(Refusal::Attested));
}

#[test]
fn extensions_are_there_if_the_flag_says_so_and_are_one_map() {
    let map = [0xa1, 0x61, b'a', 0x01];
    assert!(of_data(&authenticator_data(0x85, 1, &map)).is_ok());
    for (flags, extensions) in [
        (0x05, &map[..]),
        (0x85, &[]),
        (0x85, &map[..3]),
        (0x85, &[0xa1, 0x61, b'a', 0x01, 0x00]),
        (0x85, &[0x81, 0x01]),
        (0x85, &[0xbf, 0x61, b'a', 0x01, 0xff]),
        (0x85, &[0xa1, 0x61, b'a', 0x1c]),
        (
            0x85,
            &[0xbb, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        ),
    ] {
        let refused = of_data(&authenticator_data(flags, 1, extensions));
        assert_eq!(refused, Err(Refusal::Extensions), "{extensions:02x?}");
    }
    // Nested as deep as the length allows.
    let mut deep = vec![0xa1, 0x00];
    deep.extend([0x81; 900]);
    deep.push(0x00);
    assert!(of_data(&authenticator_data(0x85, 1, &deep)).is_ok());
}

#[test]
fn backed_up_without_being_eligible_is_refused() {
    let refused = of_data(&authenticator_data(0x15, 1, &[]));
    assert_eq!(refused, Err(Refusal::Backup));
    assert!(of_data(&authenticator_data(0x0d, 1, &[])).is_ok());
}

#[test]
fn lengths_have_bounds() {
    let good = authenticator_data(5, 1, &[]);
    assert_eq!(of_data(&good[..36]), Err(Refusal::Length));
    assert_eq!(of_data(&[0; 1025]), Err(Refusal::Length));
    let pad = |len: usize| {
        let json = client_data(r#","x":"""#);
        let fill = "y".repeat(len - json.len());
        client_data(&format!(r#","x":"{fill}""#))
    };
    assert!(of_json(&pad(1024)).is_ok());
    assert_eq!(of_json(&pad(1025)), Err(Refusal::Length));
}

#[test]
fn a_counter_that_does_not_grow_is_refused_unless_there_is_none() {
    let of = |count| of_data(&authenticator_data(5, count, &[])).unwrap();
    assert_eq!(of(0).follows(0, false), Ok(()));
    assert_eq!(of(8).follows(7, false), Ok(()));
    assert_eq!(of(1).follows(0, false), Ok(()));
    for (now, stored) in [(7, 7), (6, 7), (0, 1)] {
        assert_eq!(of(now).follows(stored, false), Err(Refusal::SignCount));
    }
    let eligibility = of(8).follows(7, true);
    assert_eq!(eligibility, Err(Refusal::BackupEligibility));
}

#[test]
fn assertions_of_chromium_are_read() {
    // Made by virtual authenticators: of the platform, a security key, a synced one, and U2F.
    let file: serde_json::Value =
        serde_json::from_str(include_str!("../../tests/assertions.json")).unwrap();
    let assertions = file.as_array().unwrap();
    assert_eq!(assertions.len(), 12);
    for assertion in assertions {
        let text = |name: &str| assertion[name].as_str().unwrap();
        let bytes = |name: &str| hex::decode(text(name)).unwrap();
        let (data, json) = (bytes("authData"), bytes("clientData"));
        let parsed: serde_json::Value = serde_json::from_slice(&json).unwrap();
        let challenge = parsed["challenge"].as_str().unwrap();
        let digest = Base64UrlUnpadded::decode_vec(challenge).unwrap();
        let digest = challenge::Digest::from_bytes(digest.try_into().unwrap());
        let expected = |kind| Expected {
            digest: &digest,
            rp_id: "localhost",
            origins: &["http://localhost:43521"],
            kind,
            cross_origin: false,
        };
        let agent = Assertion::check(&data, &json, &expected(Kind::Agent)).unwrap();
        assert_eq!(agent.message_hash, message_hash(&data, &json));
        let human = Assertion::check(&data, &json, &expected(Kind::Human));
        match text("name") {
            "u2f" => assert_eq!(human, Err(Refusal::UserVerification)),
            name => assert_eq!(human.unwrap().backed_up, name == "synced"),
        }
    }
}
