//! What logs say was done since a backup, and what becomes of it.

use std::fmt::Write as _;

use twofapi_crypto_core::{ClientStatus, CredentialId, CredentialName, Record};

use super::{clients, commitment, id, named, record};
use crate::{
    moving::{Audit, Found, What, apply, look, serve_again},
    store::{Contents, EmbeddedContents, Mark},
};

const SINCE: u64 = 1_795_000_000;

/// A restored store with these clients.
async fn restored(with: &[(&str, &Record)]) -> EmbeddedContents {
    let store = EmbeddedContents::in_memory();
    let mark = Mark::Restored { since: SINCE };
    store
        .change_mark(None, Some(&mark))
        .await
        .expect("it works");
    let clients: Vec<_> = with
        .iter()
        .map(|(name, record)| (id(name), (*record).clone()))
        .collect();
    store.put_clients(&mark, &clients).await.expect("it works");
    store
}

/// A log of these messages, a second each.
fn log(lines: &[(&str, String)]) -> Audit {
    let mut text = String::new();
    for (at, (message, fields)) in lines.iter().enumerate() {
        let at = std::time::UNIX_EPOCH + std::time::Duration::from_secs(SINCE + at as u64);
        let at = humantime::format_rfc3339_micros(at);
        writeln!(
            text,
            r#"{{"timestamp":"{at}","level":"INFO","fields":{{"message":"{message}",{fields}}}}}"#
        )
        .expect("memory");
    }
    read(&text)
}

fn read(text: &str) -> Audit {
    let mut audit = Audit::default();
    audit.read(text.as_bytes()).expect("memory");
    audit
}

fn of(client: &str, rest: &str) -> String {
    format!(r#""client_id":"{client}",{rest}"#)
}

fn operated(client: &str, what: &str, status: &str) -> (&'static str, String) {
    let rest = format!(r#""what":"{what}","status":"{status}","version":1,"generation":1"#);
    ("changed by the operator", of(client, &rest))
}

async fn applied(store: &EmbeddedContents, audit: &Audit) -> Vec<Found> {
    let seen = look(named(store, "store"), audit).await.expect("it works");
    let done = apply(named(store, "store"), audit).await.expect("it works");
    assert_eq!(seen, done);
    // Twice is as once: the same are out.
    let after = clients(store).await;
    apply(named(store, "store"), audit).await.expect("it works");
    for ((_, one), (_, again)) in after.iter().zip(clients(store).await) {
        assert_eq!(one.status(), again.status());
        let expiries = |of: &Record| {
            of.credentials()
                .iter()
                .map(|one| one.expires_at())
                .collect::<Vec<_>>()
        };
        assert_eq!(expiries(one), expiries(&again));
    }
    done
}

async fn kept(store: &EmbeddedContents, name: &str) -> Record {
    store
        .client(&id(name))
        .await
        .expect("it works")
        .expect("a record")
}

#[tokio::test]
async fn who_was_suspended_or_revoked_since_is_out_again_and_who_was_resumed_is_not() {
    let one = record();
    let mut suspended = record();
    suspended.suspend().expect("it is active");
    let names = ["revoked", "suspended", "back", "ended", "untouched"];
    let mut with: Vec<_> = names.iter().map(|name| (*name, &one)).collect();
    with.push(("let-in", &suspended));
    let store = restored(&with).await;
    let audit = log(&[
        operated("revoked", "revoked", "revoked"),
        operated("suspended", "suspended", "suspended"),
        operated("back", "suspended", "suspended"),
        operated("back", "resumed", "active"),
        operated("ended", "sessions ended", "active"),
        operated("let-in", "resumed", "active"),
        // Of somebody who was enrolled since: the id is taken for ever.
        operated("stranger", "revoked", "revoked"),
        operated("nobody", "suspended", "suspended"),
    ]);
    let found = applied(&store, &audit).await;
    assert_eq!(found.len(), 8, "{found:?}");
    for (name, status) in [
        ("revoked", ClientStatus::Revoked),
        ("suspended", ClientStatus::Suspended),
        ("back", ClientStatus::Active),
        ("ended", ClientStatus::Active),
        ("untouched", ClientStatus::Active),
        ("let-in", ClientStatus::Active),
        ("stranger", ClientStatus::Revoked),
    ] {
        assert_eq!(kept(&store, name).await.status(), status, "{name}");
    }
    assert!(
        store
            .client(&id("nobody"))
            .await
            .expect("it works")
            .is_none()
    );
    serve_again(named(&store, "store")).await.expect("it works");
}

fn is_let_in(record: &Record, credential: &CredentialId) -> bool {
    let named = record.credential(Some(credential));
    let now = SINCE + 1000;
    record.is_active()
        && named.is_some_and(|named| record.expiry_of(named).is_none_or(|at| now < at))
}

/// A client with two credentials.
fn with_two() -> (Record, CredentialId, CredentialId) {
    let mut record = record();
    let second = commitment();
    let by = record.first().id();
    record
        .link(&by, &second, CredentialName::unnamed(), 2)
        .expect("it is active");
    let ids = [0, 1].map(|at| record.credentials()[at].id());
    (record, ids[0], ids[1])
}

#[tokio::test]
async fn what_a_client_gave_up_since_lets_nobody_in_and_what_it_kept_does() {
    let (two, first, second) = with_two();
    let one = record();
    let only = one.first().id();
    let names = [
        "rotated",
        "of-before",
        "unlinked",
        "reset",
        "both",
        "known",
        "expiring",
    ];
    let mut with: Vec<_> = names.iter().map(|name| (*name, &two)).collect();
    with.push(("alone", &one));
    let store = restored(&with).await;
    let new = CredentialId::from_bytes([7; 16]);
    let audit = log(&[
        (
            "rotated",
            of(
                "rotated",
                &format!(r#""credential":"{new}","was":"{first}","version":3"#),
            ),
        ),
        // A log that does not say which: each may be the one.
        (
            "rotated",
            of("of-before", &format!(r#""credential":"{new}","version":3"#)),
        ),
        (
            "unlinked",
            of(
                "unlinked",
                &format!(r#""credential":"{second}","by":"{first}","version":3"#),
            ),
        ),
        (
            "linked",
            of(
                "alone",
                &format!(r#""credential":"{new}","by":"{only}","version":2"#),
            ),
        ),
        (
            "unlinked",
            of(
                "alone",
                &format!(r#""credential":"{only}","by":"{new}","version":3"#),
            ),
        ),
        (
            "reset",
            of("reset", &format!(r#""credential":"{new}","version":3"#)),
        ),
        (
            "rotated",
            of(
                "both",
                &format!(r#""credential":"{new}","was":"{first}","version":3"#),
            ),
        ),
        (
            "unlinked",
            of(
                "both",
                &format!(r#""credential":"{second}","by":"{new}","version":4"#),
            ),
        ),
        // The backup has it: it was logged a moment after it was made.
        (
            "linked",
            of(
                "known",
                &format!(r#""credential":"{second}","by":"{first}","version":2"#),
            ),
        ),
        (
            "rotated",
            of(
                "known",
                &format!(r#""credential":"{first}","was":"{second}","version":2"#),
            ),
        ),
        (
            "changed by the operator",
            of(
                "expiring",
                &format!(
                    r#""what":"expiry of a credential set","credential":"{second}","expires_at":{SINCE},"status":"active","version":3,"generation":0"#
                ),
            ),
        ),
    ]);
    let found = applied(&store, &audit).await;
    assert_eq!(found.len(), 9, "{found:?}");
    for (name, first_in, second_in) in [
        ("rotated", false, true),
        ("of-before", false, false),
        ("unlinked", true, false),
        ("reset", false, false),
        ("both", false, false),
        ("known", true, true),
        ("expiring", true, false),
    ] {
        let kept = kept(&store, name).await;
        let in_now = [first, second].map(|one| is_let_in(&kept, &one));
        assert_eq!(in_now, [first_in, second_in], "{name}: {found:?}");
        // A suspended client that is resumed gives nothing back.
        let mut resumed = kept.clone();
        resumed.suspend().expect("it is not revoked");
        resumed.resume().expect("it is suspended");
        let in_then = [first, second].map(|one| is_let_in(&resumed, &one));
        assert_eq!(in_then, in_now, "{name}");
    }
    assert!(!is_let_in(&kept(&store, "alone").await, &only));
}

#[tokio::test]
async fn what_the_log_does_not_repeat_holds_the_client_until_somebody_has_looked() {
    let one = record();
    let store = restored(&[("alice", &one), ("bob", &one)]).await;
    let said = |name, version| {
        let rest = format!(
            r#""what":"attributes set","status":"active","version":{version},"generation":0"#
        );
        ("changed by the operator", of(name, &rest))
    };
    // A resumption after it was for who knew what was said.
    let audit = log(&[
        said("alice", 2),
        operated("alice", "suspended", "suspended"),
        operated("alice", "resumed", "active"),
        said("bob", 1),
    ]);
    applied(&store, &audit).await;
    assert_eq!(
        kept(&store, "alice").await.status(),
        ClientStatus::Suspended
    );
    assert!(kept(&store, "bob").await.is_active());
}

#[test]
fn a_log_says_what_it_does_not_say() {
    let line =
        |text: &str| format!(r#"{{"timestamp":"2026-11-28T08:30:00.5Z","fields":{{{text}}}}}"#);
    let good = line(r#""message":"enrolled","client_id":"alice""#);
    let audit = read(&format!(
        "{good}\n\n{}\n",
        line(r#""message":"authenticated","client_id":"alice""#)
    ));
    assert_eq!((audit.events.len(), audit.unread, audit.dropped), (1, 0, 0));
    assert_eq!(audit.events[0].what, What::Enrolled);
    assert_eq!(audit.begins, Some(audit.events[0].at));
    let audit = read(&format!("{good}\n{}", &good[..40]));
    assert_eq!(audit.unread, 1, "a line that was cut off");
    let dropped =
        line(r#""message":"lines of this log were dropped: nobody read them in time","lines":5"#);
    assert_eq!(read(&dropped).dropped, 5);
    for wrong in [
        r#""message":"rotated","client_id":"alice""#,
        r#""message":"unlinked","client_id":"alice","version":2,"credential":"zz""#,
        r#""message":"changed by the operator","client_id":"alice","version":2"#,
        r#""message":"enrolled","client_id":"no one""#,
    ] {
        assert_eq!(read(&line(wrong)).unread, 1, "{wrong}");
    }
    assert_eq!(
        read("2026-11-28T08:30:00Z  INFO enrolled client_id=alice\n").begins,
        None
    );
}
