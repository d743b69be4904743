//! How a server gets in: by a user with no more rights than the documentation says, and over TLS with whom it trusts.

use std::{path::Path, process::Command, sync::Arc};

use twofapi_server::{OperatorKeys, RecordChange, RedisStore, Store};
use twofapi_tests_redis::Server;
use twofapi_tests_stores::{Alice, log_in, server_over};

use crate::place::{DURABLE, Place, say};

/// What the documentation of the store says that its user needs.
fn rights() -> Vec<String> {
    let documentation = include_str!("../../../../server/src/store/redis/mod.rs");
    let line = documentation
        .lines()
        .find_map(|line| line.split_once("needs `+").map(|(_, rest)| rest));
    let line = line.expect("what it needs").split('`').next();
    let rights = line.expect("the end of it").split_whitespace();
    rights
        .enumerate()
        .map(|(at, right)| match at {
            0 => format!("+{right}"),
            _ => right.to_owned(),
        })
        .collect()
}

#[tokio::test]
async fn a_user_with_no_more_rights_than_the_documentation_says_is_enough() {
    let place = Place::on_a_server(DURABLE, "1");
    // A right to a command that this server does not have is none.
    say(
        &place.server,
        &["ACL", "SETUSER", "2fapi", "on", ">pw", "~{2fapi:*"],
    );
    let mut rights = rights();
    let info: String =
        redis::from_redis_value(say(&place.server, &["INFO", "server"])).expect("text");
    if info.contains("redis_version:7.0") {
        rights.push("+config|get".into());
    }
    for right in rights {
        let set = redis::cmd("ACL")
            .arg(&["SETUSER", "2fapi", &right])
            .query::<()>(&mut place.server.connect());
        if let Err(error) = set {
            assert!(
                error.to_string().contains("Unknown command"),
                "{right}: {error}"
            );
        }
    }
    let url = place.url.replace("//", "//2fapi:pw@");
    RedisStore::migrate(&url, &place.keys)
        .await
        .expect("it works");
    let store = RedisStore::open(&url, place.keys.clone(), 100).await;
    let store = Arc::new(store.expect("the store opens"));
    store.check().await.expect("it works");
    let served = server_over(store.clone(), Some(place.keys.clone())).await;
    let service = served.expect("a server");
    let alice = Alice::enrolled_at(&service).await;
    let (name, proof) = alice.proven(&service).await;
    let let_in = log_in(&service, &name, &proof).await;
    assert!(let_in.is_ok(), "{let_in:?}");
    let revoked = store.change_record(&alice.id, &RecordChange::Revoke).await;
    revoked.expect("it works").expect("the rules permit it");
    assert_eq!(
        store.clients_after(None, 10).await.expect("it works").len(),
        1
    );
    assert_eq!(
        store.cancel_invitations(&alice.id).await.expect("it works"),
        0
    );
    assert_eq!(store.rewrap().await.expect("it works"), 0);
}

fn openssl(directory: &Path, words: &str) {
    let output = Command::new("openssl")
        .args(words.split_whitespace())
        .current_dir(directory)
        .output()
        .expect("openssl");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "openssl {words}: {said}");
}

/// An authority, another one, and certificates of the first for a server called localhost and for a client.
fn certificates(directory: &Path) {
    for authority in ["ca", "other"] {
        openssl(
            directory,
            &format!(
                "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN={authority} \
                 -keyout {authority}.key -out {authority}.crt"
            ),
        );
    }
    for (name, extension) in [
        ("server", "subjectAltName=DNS:localhost"),
        ("client", "extendedKeyUsage=clientAuth"),
    ] {
        openssl(
            directory,
            &format!(
                "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN={name} -CA ca.crt \
                 -CAkey ca.key -addext {extension} -addext basicConstraints=critical,CA:FALSE \
                 -keyout {name}.key -out {name}.crt"
            ),
        );
    }
}

#[tokio::test]
async fn over_tls_the_server_is_who_the_authority_says_and_the_client_is_known_by_its_certificate()
{
    let directory = tempfile::tempdir().expect("a directory");
    let anybody = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(directory.path(), anybody).expect("permissions");
    certificates(directory.path());
    let at = directory.path().display();
    let server = Server::start_without_module(&[], DURABLE);
    // Whoever starts a server has looked that this one is free.
    let port = server.port() + 10_000;
    let at_port = port.to_string();
    for (name, value) in [
        ("tls-cert-file", format!("{at}/server.crt").as_str()),
        ("tls-key-file", &format!("{at}/server.key")),
        ("tls-ca-cert-file", &format!("{at}/ca.crt")),
        ("tls-auth-clients", "yes"),
        ("tls-port", &at_port),
    ] {
        say(&server, &["CONFIG", "SET", name, value]);
    }
    let keys = OperatorKeys::generate(0).expect("randomness");
    let own = format!("sslcert={at}/client.crt&sslkey={at}/client.key");
    let url = format!("rediss://localhost:{port}?sslrootcert={at}/ca.crt&{own}");
    RedisStore::migrate(&url, &keys).await.expect("it works");
    let store = RedisStore::open(&url, keys.clone(), 100).await;
    store
        .expect("the store opens")
        .check()
        .await
        .expect("it works");
    for wrong in [
        // Another authority, those of the system, another name, and nobody.
        format!("rediss://localhost:{port}?sslrootcert={at}/other.crt&{own}"),
        format!("rediss://localhost:{port}?{own}"),
        format!("rediss://127.0.0.1:{port}?sslrootcert={at}/ca.crt&{own}"),
        format!("rediss://localhost:{port}?sslrootcert={at}/ca.crt"),
    ] {
        let opened = RedisStore::open(&wrong, keys.clone(), 100).await;
        assert!(opened.is_err(), "{wrong}");
    }
}
