//! A session from the service's token: opened for whom the configured service says it is, and for
//! nobody else.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ed25519_dalek::{Signer as _, SigningKey};
use postgres::Client as Connection;
use serde_json::{Value, json};
use twofapi_tests_pg::{Client, Database, Server};

use crate::{current_client, database, eventually, refusal};

const ISSUER: &str = "https://id.example";
const AUDIENCE: &str = "db.example";

fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs()
}

fn service() -> SigningKey {
    SigningKey::from_bytes(&[7; 32])
}

fn token_with(client: &str, change: impl FnOnce(&mut Value)) -> String {
    let header = json!({"alg": "EdDSA", "typ": "at+jwt", "kid": "one"});
    let mut claims = json!({
        "iss": ISSUER, "sub": client, "client_id": client, "aud": AUDIENCE, "iat": now(),
        "nbf": now(), "exp": now() + 900, "jti": "00", "amr": ["zkp"], "ver": 1,
    });
    change(&mut claims);
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", part(&header), part(&claims));
    let signature = service().sign(signed.as_bytes()).to_bytes();
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

fn token(client: &str) -> String {
    token_with(client, |_| {})
}

/// A database that takes the service's tokens, and a role that may log in.
fn scene() -> (Database, Connection, String) {
    scene_in(database())
}

fn scene_in(database: Database) -> (Database, Connection, String) {
    let mut admin = database.connect();
    let x = URL_SAFE_NO_PAD.encode(service().verifying_key().to_bytes());
    let keys = json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "one", "x": x}]});
    admin
        .batch_execute(&format!(
            "ALTER DATABASE {name} SET twofapi.token_keys = '{keys}';
             ALTER DATABASE {name} SET twofapi.token_issuer = '{ISSUER}';
             ALTER DATABASE {name} SET twofapi.token_audience = '{AUDIENCE}'",
            name = database.name
        ))
        .unwrap();
    let role = database.role("authenticator");
    (database, admin, role)
}

fn opens(connection: &mut Connection, token: &str) -> bool {
    let row = connection.query_one("SELECT twofapi.session_from_token($1)", &[&token]);
    row.unwrap().get(0)
}

#[test]
fn a_token_of_the_configured_service_opens_its_clients_session() {
    let server = Server::start("");
    let (database, mut admin, role) = scene_in(server.database());
    let mut connection = database.connect_as(&role);
    assert!(opens(&mut connection, &token("alice")));
    assert_eq!(current_client(&mut connection), Some("alice".into()));
    assert!(opens(&mut connection, &token("bob")));
    assert_eq!(current_client(&mut connection), Some("bob".into()));
    let shown = admin
        .query_one(
            "SELECT client_id, commitment_version IS NULL FROM twofapi.sessions",
            &[],
        )
        .unwrap();
    assert_eq!((shown.get(0), shown.get(1)), ("bob", true));
    admin
        .batch_execute("SELECT twofapi.end_sessions('bob')")
        .unwrap();
    assert_eq!(current_client(&mut connection), None);
    eventually("it is in the audit", || {
        admin
            .query(
                "SELECT FROM twofapi.audit_log WHERE action = 'token' AND outcome = 'accepted'",
                &[],
            )
            .unwrap()
            .len()
            == 2
    });
}

#[test]
fn no_other_token_opens_a_session_and_the_one_that_was_open_ends() {
    let (database, _, role) = scene();
    let mut connection = database.connect_as(&role);
    let good = token("alice");
    let (rest, _) = good.rsplit_once('.').unwrap();
    let wrong = [
        String::new(),
        "a.b.c".into(),
        format!("{rest}."),
        format!("{rest}.{}", URL_SAFE_NO_PAD.encode([0_u8; 64])),
        token_with("alice", |claims| claims["exp"] = json!(now() - 1)),
        token_with("alice", |claims| claims["aud"] = json!("other.example")),
        token_with("alice", |claims| {
            claims["iss"] = json!("https://other.example")
        }),
        token_with("alice", |claims| claims["client_id"] = json!("bob")),
        "x".repeat(100_000),
    ];
    for token in wrong {
        assert!(opens(&mut connection, &good));
        assert!(!opens(&mut connection, &token), "{token}");
        assert_eq!(current_client(&mut connection), None, "{token}");
    }
    assert!(opens(&mut connection, &good));
    let none = connection.query_one("SELECT twofapi.session_from_token(NULL)", &[]);
    assert!(!none.unwrap().get::<_, bool>(0));
    assert_eq!(current_client(&mut connection), None);
}

#[test]
fn without_keys_issuer_and_audience_no_token_is_accepted() {
    let (database, mut admin, role) = scene();
    for setting in ["token_keys", "token_issuer", "token_audience"] {
        admin
            .batch_execute(&format!("ALTER ROLE {role} SET twofapi.{setting} = ''"))
            .unwrap();
        let mut connection = database.connect_as(&role);
        let answer = connection.query("SELECT twofapi.session_from_token($1)", &[&token("alice")]);
        let (code, message) = refusal(answer);
        assert_eq!(code, "55000");
        assert!(message.contains("twofapi.token_keys"), "{message}");
        assert_eq!(current_client(&mut connection), None);
        admin
            .batch_execute(&format!("ALTER ROLE {role} RESET ALL"))
            .unwrap();
    }
}

/// A token that is issued a few seconds from now, as it may be by a clock that is ahead.
fn later(claims: &mut Value) {
    claims["nbf"] = json!(now() + 3);
}

#[test]
fn a_client_that_is_enrolled_here_as_well_must_be_active_and_of_that_version() {
    let (database, mut admin, role) = scene();
    let mut alice = Client::enrolled(&mut admin, "alice");
    let mut connection = database.connect_as(&role);
    assert!(opens(&mut connection, &token("alice")));
    let before = token("alice");
    admin
        .batch_execute("SELECT twofapi.suspend_client('alice')")
        .unwrap();
    assert_eq!(current_client(&mut connection), None);
    assert!(!opens(&mut connection, &token_with("alice", later)));
    admin
        .batch_execute("SELECT twofapi.resume_client('alice')")
        .unwrap();
    // What was issued before the suspension stays bad.
    assert!(!opens(&mut connection, &before));
    assert!(opens(&mut connection, &token_with("alice", later)));
    assert!(alice.rotate(&mut admin));
    assert_eq!(current_client(&mut connection), None);
    assert!(!opens(&mut connection, &token_with("alice", later)));
    let of_the_new = token_with("alice", |claims| {
        later(claims);
        claims["ver"] = json!(2);
    });
    assert!(opens(&mut connection, &of_the_new));
    admin
        .batch_execute("SELECT twofapi.revoke_client('alice')")
        .unwrap();
    assert!(!opens(&mut connection, &of_the_new));
}

#[test]
fn a_token_that_names_a_credential_is_good_while_the_client_has_it_here() {
    let (database, mut admin, role) = scene();
    let phone = Client::enrolled(&mut admin, "alice");
    let laptop = Client::new("alice");
    assert!(phone.link(&mut admin, &laptop, "laptop"));
    // Versions are counted by each host for itself.
    let token_of = |client: &Client| {
        token_with("alice", |claims| {
            claims["cred"] = json!(client.credential_id().to_string());
            claims["gen"] = json!(7);
            claims["ver"] = json!(99);
        })
    };
    let [mut one, mut other] = [database.connect_as(&role), database.connect_as(&role)];
    assert!(opens(&mut one, &token_of(&phone)) && opens(&mut other, &token_of(&laptop)));
    assert!(!opens(
        &mut database.connect_as(&role),
        &token_of(&Client::new("alice"))
    ));
    assert!(phone.unlink(&mut admin, &laptop));
    assert_eq!(current_client(&mut one), Some("alice".into()));
    assert_eq!(current_client(&mut other), None);
    assert!(!opens(&mut other, &token_of(&laptop)));
    assert!(opens(&mut other, &token_of(&phone)));
    let before = token_of(&phone);
    let end = "SELECT twofapi.end_sessions('alice')";
    assert_eq!(admin.query_one(end, &[]).unwrap().get::<_, i32>(0), 2);
    assert!(!opens(&mut other, &before));
    let expire = "SELECT twofapi.set_client_expiry('alice', now() - interval '1 second')";
    admin.batch_execute(expire).unwrap();
    let fresh = token_with("alice", |claims| {
        later(claims);
        claims["cred"] = json!(phone.credential_id().to_string());
    });
    assert!(!opens(&mut one, &fresh));
    admin
        .batch_execute("SELECT twofapi.set_client_expiry('alice')")
        .unwrap();
    assert!(opens(&mut one, &fresh));
}

#[test]
fn a_session_ends_when_its_token_does() {
    let (database, _, role) = scene();
    let mut connection = database.connect_as(&role);
    let short = token_with("alice", |claims| claims["exp"] = json!(now() + 2));
    assert!(opens(&mut connection, &short));
    eventually("the token ends", || {
        current_client(&mut connection).is_none()
    });
}

/// What PostgREST sends for each request, with a function that runs before it.
#[test]
fn requests_through_one_pooled_connection_see_their_own_clients_rows_only() {
    let (database, mut admin, role) = scene();
    let readme = include_str!("../../../README.md");
    let pre_request = readme
        .split("```sql pre-request\n")
        .nth(1)
        .and_then(|rest| rest.split("```").next())
        .expect("a function in the README");
    admin.batch_execute(pre_request).unwrap();
    admin
        .batch_execute(&format!(
            "CREATE TABLE my_data (owner text, note text);
             INSERT INTO my_data VALUES ('alice', 'of alice'), ('bob', 'of bob');
             ALTER TABLE my_data ENABLE ROW LEVEL SECURITY;
             CREATE POLICY own ON my_data USING (owner = twofapi.current_client());
             GRANT SELECT ON my_data TO {role};
             ALTER ROLE {role} SET twofapi.session_scope = transaction"
        ))
        .unwrap();
    let mut connection = database.connect_as(&role);
    let mut request = |token: Option<&str>, statement: &str| {
        let headers = match token {
            Some(token) => json!({"x-2fapi-token": token}),
            None => json!({}),
        };
        let mut transaction = connection.transaction().unwrap();
        transaction
            .batch_execute("SET TRANSACTION READ ONLY")
            .unwrap();
        transaction
            .execute(
                "SELECT set_config('request.headers', $1, true)",
                &[&headers.to_string()],
            )
            .unwrap();
        transaction.batch_execute("SELECT pre_request()")?;
        let rows = transaction.query(statement, &[])?;
        transaction.commit()?;
        Ok::<Vec<String>, postgres::Error>(rows.iter().map(|row| row.get(0)).collect())
    };
    let all = "SELECT owner FROM my_data";
    let (alice, bob) = (token("alice"), token("bob"));
    let nobody: [String; 0] = [];
    for _ in 0..2 {
        assert_eq!(request(None, all).unwrap(), nobody);
        assert_eq!(request(Some(&alice), all).unwrap(), ["alice"]);
        assert_eq!(request(None, all).unwrap(), nobody);
        assert_eq!(request(Some(&bob), all).unwrap(), ["bob"]);
        assert!(request(Some(&alice), "SELECT (1 / 0)::text").is_err());
        assert_eq!(request(None, all).unwrap(), nobody);
        let (code, _) = refusal(request(Some("forged"), all));
        assert_eq!(code, "PT401");
    }
}
