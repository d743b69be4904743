//! Tokens and keys over a store in memory, and over one that is slow and fails.

use std::{
    str::FromStr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header, decode_header, encode};
use serde_json::json;
use twofapi_crypto_core::{
    ClientId, CredentialId, Error, Record, Scopes, Transition,
    ceremony::{At, Committed, PendingLink, Step},
};

use super::{
    AccessToken, Claims, Proven, Tokens,
    keys::{REFRESH, RETRY, UNKNOWN_IN_A_SECOND},
    ring::{Key, part},
    schedule::{KeySchedule, STRAY_MAX},
};
use crate::store::{
    EmbeddedStore, Invitation, InvitationKey, InvitationKind, RecordChange, Seed, Session,
    SessionId, SigningAlgorithm, SigningKeyRecord, Store, StoreError,
};

const NOW: u64 = 1_795_000_000;
const SCHEDULE: KeySchedule = KeySchedule {
    rotate_after: 30 * 86_400,
    publish_ahead: 86_400,
    token_ttl: 900,
};

const EDDSA: SigningAlgorithm = SigningAlgorithm::EdDsa;
const ES256: SigningAlgorithm = SigningAlgorithm::Es256;

async fn tokens() -> Tokens {
    tokens_by(EDDSA).await
}

async fn tokens_by(algorithm: SigningAlgorithm) -> Tokens {
    let store = Arc::new(EmbeddedStore::in_memory(10).unwrap());
    tokens_over(store, algorithm, NOW).await
}

/// A server of this store.
async fn tokens_over(store: Arc<dyn Store>, algorithm: SigningAlgorithm, now: u64) -> Tokens {
    let (issuer, audience) = ("https://iss.example".into(), "https://aud.example".into());
    Tokens::new(store, issuer, audience, SCHEDULE, algorithm, now)
        .await
        .unwrap()
}

fn alice() -> ClientId {
    ClientId::parse("alice").unwrap()
}

impl Tokens {
    async fn issue_for(&self, id: &ClientId, since: u32, now: u64) -> Result<AccessToken, Error> {
        let session = Session {
            id: SessionId::generate()?,
            client_id: id.clone(),
            credential: CredentialId::from_bytes([7; 16]),
            since,
            generation: 5,
            amr: vec!["zkp".into()],
            source: None,
            issued_at: now,
            expires_at: now + self.token_ttl,
            jkt: None,
        };
        let proven = Proven {
            session: &session,
            scopes: Scopes::default(),
            attributes: None,
            acr: "urn:2fapi:acr:sigma".into(),
        };
        self.issue_to(proven).await
    }
}

async fn published(tokens: &Tokens, now: u64) -> Vec<String> {
    let set = tokens.jwks(now).await.unwrap();
    let kid = |key: &serde_json::Value| key["kid"].as_str().unwrap().to_owned();
    set["keys"].as_array().unwrap().iter().map(kid).collect()
}

fn kid_of(token: &AccessToken) -> String {
    decode_header(&*token.jwt).unwrap().kid.unwrap()
}

#[tokio::test]
async fn a_token_is_good_for_its_life_and_not_a_second_longer() {
    for algorithm in [EDDSA, ES256] {
        good_for_its_life(&tokens_by(algorithm).await).await;
    }
}

async fn good_for_its_life(tokens: &Tokens) {
    let token = tokens.issue_for(&alice(), 3, NOW).await.unwrap();
    let claims = tokens.check(&token.jwt, NOW + 899).await.unwrap();
    assert_eq!(
        (claims.sub.as_str(), claims.ver, claims.exp - claims.iat),
        ("alice", 3, 900)
    );
    assert_eq!(claims.amr, ["zkp"]);
    let proven = Some(CredentialId::from_bytes([7; 16]));
    assert_eq!((claims.credential(), claims.generation), (Ok(proven), 5));
    for now in [NOW - 1, NOW + 900] {
        assert!(matches!(
            tokens.check(&token.jwt, now).await,
            Err(Error::Denied)
        ));
    }
}

#[tokio::test]
async fn two_tokens_have_two_names() {
    let tokens = tokens().await;
    let mut names = Vec::new();
    for _ in 0..2 {
        let token = tokens.issue_for(&alice(), 1, NOW).await.unwrap();
        names.push(tokens.check(&token.jwt, NOW).await.unwrap().jti);
    }
    assert_ne!(names[0], names[1]);
}

#[tokio::test]
async fn the_next_key_is_published_before_it_signs_and_the_last_one_until_its_tokens_are_dead() {
    let tokens = tokens().await;
    let first = kid_of(&tokens.issue_for(&alice(), 1, NOW).await.unwrap());
    let turn = NOW + SCHEDULE.rotate_after;

    let before = turn - SCHEDULE.publish_ahead - 1;
    assert_eq!(
        published(&tokens, before).await,
        std::slice::from_ref(&first)
    );
    let ahead = published(&tokens, before + 1).await;
    assert_eq!((ahead.len(), &ahead[0]), (2, &first));
    let second = ahead[1].clone();

    let last_of_first = tokens.issue_for(&alice(), 1, turn - 1).await.unwrap();
    assert_eq!(kid_of(&last_of_first), first);
    let first_of_second = tokens.issue_for(&alice(), 1, turn).await.unwrap();
    assert_eq!(kid_of(&first_of_second), second);

    let dies = turn - 1 + SCHEDULE.token_ttl;
    assert!(tokens.check(&last_of_first.jwt, dies - 1).await.is_ok());
    assert!(published(&tokens, dies).await.contains(&first));
    let later = turn + SCHEDULE.token_ttl + REFRESH;
    assert!(published(&tokens, later).await.contains(&first));
    assert_eq!(published(&tokens, later + REFRESH).await, [second]);
    assert!(tokens.check(&first_of_second.jwt, turn + 1).await.is_ok());
}

#[tokio::test]
async fn a_server_that_slept_through_a_turn_still_publishes_ahead() {
    let tokens = tokens().await;
    let first = kid_of(&tokens.issue_for(&alice(), 1, NOW).await.unwrap());
    let much_later = NOW + 10 * SCHEDULE.rotate_after;
    let token = tokens.issue_for(&alice(), 1, much_later).await.unwrap();
    assert_eq!(
        kid_of(&token),
        first,
        "a key signed before it was published"
    );
    assert_eq!(published(&tokens, much_later).await.len(), 2);
}

#[tokio::test]
async fn a_clock_that_was_ahead_for_a_moment_does_not_stop_keys_from_taking_turns() {
    let tokens = tokens().await;
    let day = 86_400;
    let first = kid_of(&tokens.issue_for(&alice(), 1, NOW).await.unwrap());
    for years in [10, 20] {
        published(&tokens, NOW + years * 365 * day).await;
    }
    let mut signed = vec![first.clone()];
    for days in 0..400 {
        let now = NOW + days * day;
        let before = published(&tokens, now).await;
        let kid = kid_of(&tokens.issue_for(&alice(), 1, now).await.unwrap());
        assert!(before.contains(&kid), "it signed before it was published");
        if signed.last() != Some(&kid) {
            signed.push(kid);
        }
    }
    assert!(signed.len() >= 12, "{} turns in 400 days", signed.len());
    assert_eq!(signed[0], first);
}

#[tokio::test]
async fn a_clock_that_is_far_behind_drops_no_key_and_one_that_jumps_about_leaves_few() {
    let tokens = tokens().await;
    let first = kid_of(&tokens.issue_for(&alice(), 1, NOW).await.unwrap());
    assert!(published(&tokens, 600).await.contains(&first));
    assert_eq!(
        kid_of(&tokens.issue_for(&alice(), 1, NOW).await.unwrap()),
        first
    );
    for years in 1..40 {
        published(&tokens, NOW + years * 365 * 86_400).await;
        published(&tokens, NOW).await;
    }
    assert!(published(&tokens, NOW + REFRESH).await.len() <= STRAY_MAX + 4);
    assert_eq!(
        kid_of(&tokens.issue_for(&alice(), 1, NOW).await.unwrap()),
        first
    );
}

/// Counts how often the keys are read, each time slowly.
struct Slow {
    store: EmbeddedStore,
    reads: AtomicU64,
    works: std::sync::atomic::AtomicBool,
}

/// The attribute has to see whole methods, so the macro writes all of the implementation.
macro_rules! slow_store {
    ($($name:ident($($arg:ident: $type:ty),*) -> $answer:ty;)*) => {
        #[async_trait::async_trait]
        impl Store for Slow {
            fn is_shared(&self) -> bool {
                true
            }

            fn signing_keys_number(&self) -> u64 {
                self.store.signing_keys_number()
            }

            async fn signing_keys(&self) -> Result<Vec<SigningKeyRecord>, StoreError> {
                self.reads.fetch_add(1, Ordering::SeqCst);
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                if self.works.load(Ordering::SeqCst) {
                    self.store.signing_keys().await
                } else {
                    Err(StoreError("away".into()))
                }
            }

            $(async fn $name(&self, $($arg: $type),*) -> Result<$answer, StoreError> {
                self.store.$name($($arg),*).await
            })*
        }
    };
}

slow_store! {
    look_up(id: &ClientId) -> Option<Record>;
    clients_after(after: Option<&ClientId>, limit: usize) -> Vec<(ClientId, Record)>;
    change_record(id: &ClientId, change: &RecordChange) -> Result<(Transition, Record), Error>;
    invite(invitation: &Invitation, now: u64) -> ();
    invited_to(key: &InvitationKey, id: &ClientId, now: u64) -> Option<InvitationKind>;
    cancel_invitations(id: &ClientId) -> u64;
    pending_link(id: &ClientId, now: u64) -> Option<PendingLink>;
    offer_link(id: &ClientId, offer: &PendingLink, now: u64) -> ();
    replace_pending_link(id: &ClientId, before: &PendingLink, after: &PendingLink, now: u64) -> bool;
    epoch(id: &ClientId, now: u64) -> At;
    commit(step: &Step, session: Option<&Session>, now: u64) -> Committed;
    session(client: &ClientId, id: &SessionId, now: u64) -> Option<Session>;
    sessions(client: &ClientId, now: u64) -> Vec<Session>;
    end_sessions(client: &ClientId, ids: &[SessionId]) -> u64;
    add_signing_key(key: &SigningKeyRecord, others: &[String]) -> bool;
    remove_signing_key(kid: &str) -> ();
    check() -> ();
}

#[tokio::test]
async fn when_the_keys_are_to_be_read_again_one_request_does_it_and_nobody_waits() {
    let store = Arc::new(Slow {
        store: EmbeddedStore::in_memory(10).unwrap(),
        reads: AtomicU64::new(0),
        works: true.into(),
    });
    let tokens = Arc::new(tokens_over(store.clone(), EDDSA, NOW).await);
    for (works, at) in [(true, NOW + REFRESH), (false, NOW + 2 * REFRESH)] {
        store.works.store(works, Ordering::SeqCst);
        let before = store.reads.load(Ordering::SeqCst);
        let mut requests = tokio::task::JoinSet::new();
        for _ in 0..500 {
            let tokens = tokens.clone();
            requests.spawn(async move { tokens.issue_for(&alice(), 1, at).await.map(drop) });
        }
        assert!(requests.join_all().await.iter().all(Result::is_ok));
        for _ in 0..500 {
            assert!(tokens.issue_for(&alice(), 1, at).await.is_ok());
        }
        assert_eq!(store.reads.load(Ordering::SeqCst) - before, 1);
    }
    // When it works again, it is asked again.
    store.works.store(true, Ordering::SeqCst);
    let later = NOW + 2 * REFRESH + RETRY;
    assert!(tokens.issue_for(&alice(), 1, later).await.is_ok());
    let keys = &tokens.keys;
    assert!(keys.is_as_fresh(&keys.current(), later, REFRESH));
}

#[tokio::test]
async fn a_token_with_critical_extensions_is_refused() {
    let tokens = tokens().await;
    let good = tokens.issue_for(&alice(), 1, NOW).await.unwrap();
    let claims = tokens.check(&good.jwt, NOW).await.unwrap();
    let ring = tokens.keys.ring(NOW).await.unwrap();
    let key = ring.signing(NOW).unwrap();
    let kid = kid_of(&good);
    let plain = Header {
        typ: Some("at+jwt".into()),
        kid: Some(kid.clone()),
        ..Header::new(Algorithm::EdDSA)
    };
    let plain = key.sign_under(&part(&plain).unwrap(), &claims).unwrap();
    assert!(tokens.check(&plain, NOW).await.is_ok());
    for crit in [
        vec![],
        vec!["exp".to_owned()],
        vec!["b64".into(), "x".into()],
    ] {
        let header = Header {
            typ: Some("at+jwt".into()),
            kid: Some(kid.clone()),
            crit: Some(crit),
            ..Header::new(Algorithm::EdDSA)
        };
        let token = key.sign_under(&part(&header).unwrap(), &claims).unwrap();
        assert!(matches!(
            tokens.check(&token, NOW).await,
            Err(Error::Denied)
        ));
    }
}

#[tokio::test]
async fn tokens_that_others_made_are_refused() {
    let tokens = tokens().await;
    let good = tokens.issue_for(&alice(), 1, NOW).await.unwrap();
    let parts: Vec<&str> = good.jwt.split('.').collect();
    let kid = kid_of(&good);
    let claims = tokens.check(&good.jwt, NOW).await.unwrap();

    let none = json!({ "alg": "none", "typ": "at+jwt", "kid": kid });
    let none = part(&none).unwrap();
    let ring = tokens.keys.ring(NOW).await.unwrap();
    let public = ring.keys()[0].published();
    let public = URL_SAFE_NO_PAD.decode(public["x"].as_str().unwrap());
    // Signed with the public key as if that were a shared secret.
    let confused = encode(
        &Header {
            typ: Some("at+jwt".into()),
            kid: Some(kid.clone()),
            ..Header::new(Algorithm::HS256)
        },
        &claims,
        &EncodingKey::from_secret(&public.unwrap()),
    )
    .unwrap();
    let stranger = Key::new(&SigningKeyRecord {
        kid,
        activates_at: NOW,
        algorithm: EDDSA,
        seed: Seed::generate().unwrap(),
    });
    let forged = stranger.unwrap().sign(&claims).unwrap().to_string();
    let changed = Claims {
        sub: "bob".into(),
        ..claims
    };
    let changed = part(&changed).unwrap();
    for bad in [
        String::new(),
        "a.b.c".into(),
        format!("{none}.{}.", parts[1]),
        format!("{}.{changed}.{}", parts[0], parts[2]),
        format!("{}.{}", parts[0], parts[1]),
        confused,
        forged,
    ] {
        assert!(
            matches!(tokens.check(&bad, NOW).await, Err(Error::Denied)),
            "{bad}"
        );
    }
}

/// A store with a key of each algorithm that may sign, and its server.
async fn of_both_algorithms() -> Tokens {
    let store = EmbeddedStore::in_memory(10).unwrap();
    let mut others = Vec::new();
    for (algorithm, activates_at) in [(ES256, NOW - 2), (EDDSA, NOW - 1)] {
        let key = SigningKeyRecord::generate(algorithm, activates_at).unwrap();
        assert!(store.add_signing_key(&key, &others).await.unwrap());
        others.push(key.kid);
    }
    tokens_over(Arc::new(store), EDDSA, NOW).await
}

#[tokio::test]
async fn a_token_is_checked_by_the_algorithm_of_its_key_whatever_it_says() {
    let tokens = of_both_algorithms().await;
    let good = tokens.issue_for(&alice(), 1, NOW).await.unwrap();
    let claims = tokens.check(&good.jwt, NOW).await.unwrap();
    let ring = tokens.keys.ring(NOW).await.unwrap();
    let [es256, eddsa] = ring.keys() else {
        panic!("two keys");
    };
    let algorithms = [es256.algorithm(), eddsa.algorithm()];
    assert_eq!(algorithms, [Algorithm::ES256, Algorithm::EdDSA]);
    let kid = |key: &Key| key.published()["kid"].clone();
    let header =
        |algorithm: &str, of: &Key| json!({ "alg": algorithm, "typ": "at+jwt", "kid": kid(of) });
    let signed = |header: &serde_json::Value, by: &Key| {
        let jwt = by.sign_under(&part(header).unwrap(), &claims).unwrap();
        jwt.to_string()
    };
    for (algorithm, key) in [("ES256", es256), ("EdDSA", eddsa)] {
        let jwt = signed(&header(algorithm, key), key);
        assert!(tokens.check(&jwt, NOW).await.is_ok());
    }
    let mut forged = Vec::new();
    for said in [
        "EdDSA", "ES256", "ES384", "RS256", "HS256", "none", "NONE", "eddsa", "",
    ] {
        for (named, own) in [(es256, "ES256"), (eddsa, "EdDSA")] {
            for by in [es256, eddsa] {
                if said != own || !std::ptr::eq(named, by) {
                    forged.push(signed(&header(said, named), by));
                }
            }
            let unsigned = part(&header(said, named)).unwrap();
            forged.push(format!("{unsigned}.{}.", part(&claims).unwrap()));
        }
    }
    // A public key, in whatever form, taken for a shared secret.
    for key in [es256, eddsa] {
        let public = key.published();
        let x = URL_SAFE_NO_PAD
            .decode(public["x"].as_str().unwrap())
            .unwrap();
        let y = public["y"]
            .as_str()
            .map(|y| URL_SAFE_NO_PAD.decode(y).unwrap());
        let point = [&[4][..], &x, y.as_deref().unwrap_or_default()].concat();
        for secret in [
            x,
            point[1..].to_vec(),
            point,
            public["x"].as_str().unwrap().into(),
            public.to_string().into_bytes(),
        ] {
            for algorithm in [Algorithm::HS256, Algorithm::HS512] {
                let header = Header {
                    typ: Some("at+jwt".into()),
                    kid: public["kid"].as_str().map(str::to_owned),
                    ..Header::new(algorithm)
                };
                let secret = EncodingKey::from_secret(&secret);
                forged.push(encode(&header, &claims, &secret).unwrap());
            }
        }
    }
    for jwt in forged {
        let checked = tokens.check(&jwt, NOW).await;
        assert!(matches!(checked, Err(Error::Denied)), "{jwt}");
    }
}

#[tokio::test]
async fn a_key_that_comes_with_a_token_is_not_looked_at() {
    let tokens = of_both_algorithms().await;
    let good = tokens.issue_for(&alice(), 1, NOW).await.unwrap();
    let claims = tokens.check(&good.jwt, NOW).await.unwrap();
    let ring = tokens.keys.ring(NOW).await.unwrap();
    for own in ring.keys() {
        let algorithm = match own.algorithm() {
            Algorithm::ES256 => ES256,
            _ => EDDSA,
        };
        let stranger = SigningKeyRecord::generate(algorithm, NOW).unwrap();
        let stranger = Key::new(&stranger).unwrap();
        for kid in [&own.published()["kid"], &stranger.published()["kid"]] {
            for (name, value) in [
                ("jwk", stranger.published()),
                ("jku", json!("https://evil.example/jwks.json")),
                ("x5u", json!("https://evil.example/cert.pem")),
                ("x5c", json!(["MIIB"])),
            ] {
                let mut header = json!({
                    "alg": algorithm.as_str(), "typ": "at+jwt", "kid": kid,
                });
                header[name] = value;
                let header = part(&header).unwrap();
                let forged = stranger.sign_under(&header, &claims).unwrap();
                let checked = tokens.check(&forged, NOW).await;
                assert!(matches!(checked, Err(Error::Denied)), "{name} of {kid}");
            }
        }
    }
}

#[tokio::test]
async fn where_the_algorithm_is_changed_a_key_of_the_other_one_takes_its_turn() {
    for (before, after) in [(EDDSA, ES256), (ES256, EDDSA)] {
        let store: Arc<dyn Store> = Arc::new(EmbeddedStore::in_memory(10).unwrap());
        let first = tokens_over(store.clone(), before, NOW).await;
        let token = first.issue_for(&alice(), 1, NOW).await.unwrap();
        let second = tokens_over(store.clone(), after, NOW + 10).await;
        let keys = published(&second, NOW + 10).await;
        assert_eq!(keys.len(), 2);
        let turn = NOW + 10 + SCHEDULE.publish_ahead;
        let last = second.issue_for(&alice(), 1, turn - 1).await.unwrap();
        assert_eq!(
            [kid_of(&token), kid_of(&last)],
            [keys[0].clone(), keys[0].clone()]
        );
        let next = second.issue_for(&alice(), 1, turn).await.unwrap();
        assert_eq!(kid_of(&next), keys[1]);
        let header = decode_header(&*next.jwt).unwrap();
        assert_eq!(
            format!("{:?}", header.alg),
            format!("{:?}", Algorithm::from_str(after.as_str()).unwrap())
        );
        for server in [&first, &second] {
            for token in [&last, &next] {
                assert!(server.check(&token.jwt, turn + 1).await.is_ok());
            }
        }
    }
}

#[tokio::test]
async fn servers_that_want_different_algorithms_make_no_keys_without_end() {
    let store: Arc<dyn Store> = Arc::new(EmbeddedStore::in_memory(10).unwrap());
    let one = tokens_over(store.clone(), EDDSA, NOW).await;
    let other = tokens_over(store.clone(), ES256, NOW).await;
    for minute in 0..7 * 24 * 60 {
        let now = NOW + minute * 60;
        for server in [&one, &other] {
            server.issue_for(&alice(), 1, now).await.unwrap();
        }
    }
    let keys = store.signing_keys().await.unwrap().len();
    assert!(keys <= 4, "{keys} keys");
}

#[tokio::test]
async fn a_key_that_is_dropped_is_no_key_at_any_server_once_the_store_has_said_so() {
    let store: Arc<dyn Store> = Arc::new(EmbeddedStore::in_memory(10).unwrap());
    let one = tokens_over(store.clone(), EDDSA, NOW).await;
    let other = tokens_over(store.clone(), EDDSA, NOW).await;
    let token = one.issue_for(&alice(), 1, NOW).await.unwrap();
    let leaked = kid_of(&token);
    for server in [&one, &other] {
        server.check(&token.jwt, NOW).await.unwrap();
        server.still_ours(&token.jwt, NOW).await.unwrap();
    }
    store.remove_signing_key(&leaked).await.unwrap();
    for server in [&one, &other] {
        assert!(server.still_ours(&token.jwt, NOW).await.is_err());
        assert!(server.check(&token.jwt, NOW).await.is_err());
        assert!(!published(server, NOW).await.contains(&leaked));
    }
    // The next one signs at once, and whoever has not read it yet takes its tokens all the same.
    let next = one.issue_for(&alice(), 1, NOW).await.unwrap();
    assert_ne!(kid_of(&next), leaked);
    for server in [&one, &other] {
        server.check(&next.jwt, NOW).await.unwrap();
        server.still_ours(&next.jwt, NOW).await.unwrap();
    }
}

#[tokio::test]
async fn servers_of_a_shared_store_take_a_token_of_one_that_is_two_seconds_ahead_and_no_more() {
    let store = Slow {
        store: EmbeddedStore::in_memory(10).unwrap(),
        reads: AtomicU64::new(0),
        works: true.into(),
    };
    let tokens = tokens_over(Arc::new(store), EDDSA, NOW).await;
    for (ahead, is_good) in [(0, true), (2, true), (3, false)] {
        let token = tokens.issue_for(&alice(), 1, NOW + ahead).await.unwrap();
        assert_eq!(tokens.check(&token.jwt, NOW).await.is_ok(), is_good);
    }
}

#[tokio::test]
async fn tokens_of_keys_that_nobody_knows_have_the_store_asked_a_few_times_a_second() {
    let store = Arc::new(Slow {
        store: EmbeddedStore::in_memory(10).unwrap(),
        reads: AtomicU64::new(0),
        works: true.into(),
    });
    let tokens = tokens_over(store.clone(), EDDSA, NOW).await;
    let good = tokens.issue_for(&alice(), 1, NOW).await.unwrap();
    let claims = tokens.check(&good.jwt, NOW).await.unwrap();
    for second in 0..2 {
        let before = store.reads.load(Ordering::SeqCst);
        for _ in 0..50 {
            let stranger = SigningKeyRecord::generate(EDDSA, NOW).unwrap();
            let forged = Key::new(&stranger).unwrap().sign(&claims).unwrap();
            assert!(tokens.check(&forged, NOW + second).await.is_err());
        }
        let reads = store.reads.load(Ordering::SeqCst) - before;
        assert_eq!(reads, u64::from(UNKNOWN_IN_A_SECOND));
    }
}

#[tokio::test]
async fn access_tokens_are_judged_as_the_vectors_say() {
    for file in [
        include_str!("../../../spec/vectors/access-token-v1.json"),
        include_str!("../../../spec/vectors/access-token-credential-v1.json"),
    ] {
        judged_as_it_says(&serde_json::from_str(file).unwrap()).await;
    }
}

async fn judged_as_it_says(file: &serde_json::Value) {
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let store = EmbeddedStore::in_memory(10).unwrap();
    for key in file["keys"].as_array().unwrap() {
        let seed = hex::decode(text(&key["seed"])).unwrap();
        let key = SigningKeyRecord {
            kid: text(&key["kid"]),
            activates_at: NOW - 2,
            algorithm: EDDSA,
            seed: Seed::from_bytes(&seed).unwrap(),
        };
        let others: Vec<_> = store.signing_keys().await.unwrap();
        let others: Vec<_> = others.into_iter().map(|other| other.kid).collect();
        assert!(store.add_signing_key(&key, &others).await.unwrap());
    }
    let (issuer, audience) = (text(&file["issuer"]), text(&file["audience"]));
    let tokens = Tokens::new(Arc::new(store), issuer, audience, SCHEDULE, EDDSA, NOW)
        .await
        .unwrap();
    for case in file["accepted"].as_array().unwrap() {
        let now = case["now"].as_u64().unwrap();
        let claims = tokens.check(&text(&case["token"]), now).await;
        let claims = claims.unwrap_or_else(|error| panic!("{}: {error}", case["name"]));
        assert_eq!(claims.sub, text(&case["client_id"]));
        assert_eq!(u64::from(claims.ver), case["version"].as_u64().unwrap());
        // A token of before names neither.
        let credential = claims.credential().unwrap().map(|id| id.to_string());
        assert_eq!(credential.as_deref(), case["credential"].as_str());
        let generation = case["generation"].as_u64().unwrap_or(0);
        assert_eq!(u64::from(claims.generation), generation);
    }
    let rejected = file["rejected"].as_array().unwrap();
    assert!(!rejected.is_empty());
    for case in rejected {
        let now = case["now"].as_u64().unwrap();
        let checked = tokens.check(&text(&case["token"]), now).await;
        let checked = checked.and_then(|claims| claims.credential());
        assert_eq!(checked, Err(Error::Denied), "{}", case["name"]);
    }
}

#[tokio::test]
async fn a_token_for_another_audience_or_from_another_issuer_is_refused() {
    let store: Arc<dyn Store> = Arc::new(EmbeddedStore::in_memory(10).unwrap());
    let make = |issuer: &str, audience: &str| {
        let (issuer, audience) = (issuer.to_owned(), audience.to_owned());
        Tokens::new(store.clone(), issuer, audience, SCHEDULE, EDDSA, NOW)
    };
    let ours = make("i", "a").await.unwrap();
    for other in [make("i", "b").await.unwrap(), make("j", "a").await.unwrap()] {
        let token = other.issue_for(&alice(), 1, NOW).await.unwrap();
        assert!(other.check(&token.jwt, NOW).await.is_ok());
        assert!(ours.check(&token.jwt, NOW).await.is_err());
    }
}
