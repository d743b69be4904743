//! Access tokens that a service accepts, and some that it refuses.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ed25519_dalek::{Signer, SigningKey};
use serde_json::{Value, json};

use super::{random, rng};
use crate::cases::{SigningKeyCase, TokenCase, TokenFile};

const NOW: u64 = 1_795_000_000;
const ISSUER: &str = "https://login.example.com";
const AUDIENCE: &str = "https://api.example.com";

fn part(json: &Value) -> String {
    URL_SAFE_NO_PAD.encode(json.to_string())
}

fn token(key: &SigningKey, header: &Value, claims: &Value) -> String {
    let signed = format!("{}.{}", part(header), part(claims));
    let signature = URL_SAFE_NO_PAD.encode(key.sign(signed.as_bytes()).to_bytes());
    format!("{signed}.{signature}")
}

pub(super) fn file() -> TokenFile {
    let rng = &mut rng("access token");
    let seeds: [[u8; 32]; 3] = [random(rng), random(rng), random(rng)];
    let signing = seeds.map(|seed| SigningKey::from_bytes(&seed));
    let key = |at: usize| SigningKeyCase {
        kid: format!("key-{at}"),
        seed: hex::encode(seeds[at]),
        x: URL_SAFE_NO_PAD.encode(signing[at].verifying_key().as_bytes()),
    };
    let header = json!({ "alg": "EdDSA", "typ": "at+jwt", "kid": "key-0" });
    let jti: [u8; 16] = random(rng);
    let claims = json!({
        "iss": ISSUER, "sub": "alice", "client_id": "alice", "aud": AUDIENCE,
        "iat": NOW, "nbf": NOW, "exp": NOW + 900, "jti": hex::encode(jti),
        "amr": ["zkp"], "ver": 3,
    });
    let with = |of: &Value, field: &str, value: Value| {
        let mut changed = of.clone();
        changed[field] = value;
        changed
    };
    let without = |of: &Value, field: &str| {
        let mut changed = of.clone();
        if let Some(fields) = changed.as_object_mut() {
            fields.remove(field);
        }
        changed
    };
    let good = token(&signing[0], &header, &claims);
    let by_second = token(&signing[1], &with(&header, "kid", "key-1".into()), &claims);
    let further = token(&signing[0], &header, &with(&claims, "scope", "read".into()));
    let accepted = [
        ("first-second", NOW, &good),
        ("last-second", NOW + 899, &good),
        ("second-key", NOW, &by_second),
        ("further-claims", NOW, &further),
    ]
    .map(|(name, now, token)| TokenCase {
        name: name.into(),
        now,
        token: token.clone(),
        client_id: Some("alice".into()),
        version: Some(3),
        credential: None,
        generation: None,
        reason: None,
    });

    let mut rejected = Vec::new();
    let mut refuse = |name: &str, reason: &str, now: u64, token: String| {
        rejected.push(TokenCase {
            name: name.into(),
            now,
            token,
            client_id: None,
            version: None,
            credential: None,
            generation: None,
            reason: Some(reason.into()),
        });
    };
    refuse("a-second-early", "time", NOW - 1, good.clone());
    refuse("expired", "time", NOW + 900, good.clone());
    refuse("empty", "form", NOW, String::new());
    refuse(
        "two-parts",
        "form",
        NOW,
        good.rsplit_once('.').unwrap_or_default().0.into(),
    );
    refuse("four-parts", "form", NOW, format!("{good}.e30"));
    refuse("padded", "form", NOW, format!("{good}="));
    refuse("leading-blank", "form", NOW, format!(" {good}"));
    for (name, header) in [
        ("alg-none", with(&header, "alg", "none".into())),
        ("alg-hs256", with(&header, "alg", "HS256".into())),
        ("alg-missing", without(&header, "alg")),
        ("typ-jwt", with(&header, "typ", "JWT".into())),
        (
            "typ-application",
            with(&header, "typ", "application/at+jwt".into()),
        ),
        ("typ-missing", without(&header, "typ")),
        ("crit-empty", with(&header, "crit", json!([]))),
        ("crit-exp", with(&header, "crit", json!(["exp"]))),
    ] {
        refuse(name, "header", NOW, token(&signing[0], &header, &claims));
    }
    for (name, header) in [
        ("kid-of-nobody", with(&header, "kid", "key-2".into())),
        ("kid-missing", without(&header, "kid")),
    ] {
        refuse(name, "key", NOW, token(&signing[0], &header, &claims));
    }
    refuse(
        "signed-by-the-other-key",
        "signature",
        NOW,
        token(&signing[1], &header, &claims),
    );
    refuse(
        "signed-by-a-stranger",
        "signature",
        NOW,
        token(&signing[2], &header, &claims),
    );
    let (signed, _) = good.rsplit_once('.').unwrap_or_default();
    let (head, _) = signed.split_once('.').unwrap_or_default();
    let (_, signature) = good.rsplit_once('.').unwrap_or_default();
    let other = part(&with(&claims, "sub", "bob".into()));
    refuse(
        "claims-changed",
        "signature",
        NOW,
        format!("{head}.{other}.{signature}"),
    );
    refuse("no-signature", "form", NOW, format!("{signed}."));
    for (name, claims) in [
        ("iss-another", with(&claims, "iss", AUDIENCE.into())),
        ("iss-missing", without(&claims, "iss")),
        (
            "aud-another",
            with(&claims, "aud", "https://api.example.org".into()),
        ),
        (
            "aud-with-slash",
            with(&claims, "aud", format!("{AUDIENCE}/").into()),
        ),
        ("aud-in-a-list", with(&claims, "aud", json!([AUDIENCE]))),
        ("aud-missing", without(&claims, "aud")),
        ("exp-missing", without(&claims, "exp")),
        (
            "exp-a-text",
            with(&claims, "exp", (NOW + 900).to_string().into()),
        ),
        ("nbf-missing", without(&claims, "nbf")),
        ("sub-missing", without(&claims, "sub")),
    ] {
        refuse(name, "claims", NOW, token(&signing[0], &header, &claims));
    }
    TokenFile {
        suite: TokenFile::SUITE.into(),
        issuer: ISSUER.into(),
        audience: AUDIENCE.into(),
        keys: vec![key(0), key(1)],
        accepted: accepted.into(),
        rejected,
    }
}

/// Tokens that name the credential that has proven, and the generation of its client.
pub(super) fn of_credentials() -> TokenFile {
    let rng = &mut rng("access tokens of credentials");
    let seed: [u8; 32] = random(rng);
    let signing = SigningKey::from_bytes(&seed);
    let (jti, credential): ([u8; 16], [u8; 16]) = (random(rng), random(rng));
    let credential = hex::encode(credential);
    let claims = json!({
        "iss": ISSUER, "sub": "alice", "client_id": "alice", "aud": AUDIENCE,
        "iat": NOW, "nbf": NOW, "exp": NOW + 900, "jti": hex::encode(jti),
        "amr": ["zkp"], "ver": 3, "cred": credential, "gen": 7,
    });
    let signed = |field: &str, value: Option<Value>| {
        let mut changed = claims.clone();
        if let Some(fields) = changed.as_object_mut() {
            match value {
                Some(value) => fields.insert(field.into(), value),
                None => fields.remove(field),
            };
        }
        let header = json!({ "alg": "EdDSA", "typ": "at+jwt", "kid": "key-0" });
        token(&signing, &header, &changed)
    };
    let case = |name: &str, token: String| TokenCase {
        name: name.into(),
        now: NOW,
        token,
        client_id: None,
        version: None,
        credential: None,
        generation: None,
        reason: None,
    };
    let accepted = [
        (
            "credential-and-generation",
            signed("ver", Some(3.into())),
            true,
            Some(7),
        ),
        (
            "the-last-generation",
            signed("gen", Some(u32::MAX.into())),
            true,
            Some(u32::MAX),
        ),
        ("no-generation", signed("gen", None), true, None),
        ("no-credential", signed("cred", None), false, Some(7)),
    ]
    .map(|(name, token, named, generation)| TokenCase {
        client_id: Some("alice".into()),
        version: Some(3),
        credential: named.then(|| credential.clone()),
        generation,
        ..case(name, token)
    });
    let rejected = [
        ("cred-a-number", "cred", json!(7)),
        ("cred-empty", "cred", json!("")),
        ("cred-31-digits", "cred", json!(credential[1..])),
        ("cred-in-capitals", "cred", json!("ABCDEF".repeat(6)[..32])),
        ("cred-no-hex", "cred", json!("first")),
        ("cred-in-a-list", "cred", json!([credential])),
        ("gen-a-text", "gen", json!("7")),
        ("gen-negative", "gen", json!(-1)),
        ("gen-a-fraction", "gen", json!(7.5)),
        ("gen-too-large", "gen", json!(1_u64 << 32)),
        ("ver-missing-among-them", "ver", json!(null)),
    ]
    .map(|(name, field, value)| TokenCase {
        reason: Some("claims".into()),
        ..case(name, signed(field, Some(value)))
    });
    TokenFile {
        suite: TokenFile::SUITE.into(),
        issuer: ISSUER.into(),
        audience: AUDIENCE.into(),
        keys: vec![SigningKeyCase {
            kid: "key-0".into(),
            seed: hex::encode(seed),
            x: URL_SAFE_NO_PAD.encode(signing.verifying_key().as_bytes()),
        }],
        accepted: accepted.into(),
        rejected: rejected.into(),
    }
}
