//! Sessions: what is not listed is not good, and who may list and end what.

use serde_json::{Value, json};
use twofapi_server::{AttributesChange, RecordChange};

use crate::{
    client::{Answer, Client, END_SESSIONS, SESSIONS, WHOAMI},
    server::{NOW, Server},
};

impl Server {
    fn ids(&self, token: &str) -> Vec<String> {
        let answer = self.get(SESSIONS, Some(token));
        assert_eq!(answer.status, 200, "{answer:?}");
        let sessions = answer.body["sessions"].as_array().unwrap().clone();
        let id = |session: Value| session["session_id"].as_str().unwrap().to_owned();
        sessions.into_iter().map(id).collect()
    }

    /// The id of the session of this token.
    fn id(&self, token: &str) -> String {
        let answer = self.get(SESSIONS, Some(token));
        let sessions = answer.body["sessions"].as_array().unwrap();
        let current = sessions.iter().find(|session| session["current"] == true);
        current.unwrap()["session_id"].as_str().unwrap().to_owned()
    }

    fn end(&self, token: &str, body: &Value) -> Answer {
        self.post(END_SESSIONS, Some(token), body)
    }

    #[track_caller]
    fn is_good(&self, token: &str) -> bool {
        let answer = self.get(WHOAMI, Some(token));
        match answer.status {
            200 => true,
            _ => {
                assert_eq!(answer.problem(), (401, "denied"));
                false
            }
        }
    }
}

fn logins(server: &Server, client: &Client, count: usize) -> Vec<String> {
    (0..count).map(|_| server.log_in(client)).collect()
}

#[test]
fn a_client_sees_its_own_sessions_and_what_they_are() {
    let server = Server::start();
    let (phone, laptop) = server.with_two_devices("alice");
    let bob = server.log_in(&server.enrol("bob"));
    let first = server.log_in(&phone);
    server.clock.pass(5);
    let second = server.log_in_by_name(&laptop);
    let answer = server.get(SESSIONS, Some(&second));
    let ids = server.ids(&first);
    let session = |at: usize, of: &Client, issued_at: u64, current: bool| {
        json!({
            "session_id": ids[at], "credential_id": of.credential_id(), "amr": ["zkp"],
            "source": "127.0.0.1", "issued_at": issued_at, "expires_at": issued_at + 900,
            "current": current,
        })
    };
    // Linking was proven, and gave no token.
    let expected = json!({
        "client_id": "alice",
        "sessions": [session(0, &phone, NOW, false), session(1, &laptop, NOW + 5, true)],
    });
    assert_eq!((answer.status, answer.body), (200, expected));
    assert_eq!(server.ids(&bob).len(), 1);
    // Those that are over are not listed.
    server.clock.pass(896);
    assert_eq!(server.ids(&second), ids[1..]);
}

#[test]
fn a_token_whose_session_was_ended_is_denied_and_the_others_are_not() {
    let server = Server::start();
    let alice = server.enrol("alice");
    let tokens = logins(&server, &alice, 4);
    let ids: Vec<_> = tokens.iter().map(|token| server.id(token)).collect();
    let ended = server.end(&tokens[0], &json!({ "session_id": ids[1] }));
    let expected = json!({ "client_id": "alice", "ended": 1 });
    assert_eq!((ended.status, ended.body), (200, expected));
    assert!(!server.is_good(&tokens[1]));
    let good = |server: &Server| -> Vec<bool> {
        tokens.iter().map(|token| server.is_good(token)).collect()
    };
    assert_eq!(good(&server), [true, false, true, true]);
    // It is ended once, and brings nothing with it.
    let again = server.end(&tokens[0], &json!({ "session_id": ids[1] }));
    assert_eq!(again.body["ended"], 0);
    let others = server.end(&tokens[3], &json!({ "which": "others" }));
    assert_eq!(others.body["ended"], 2);
    assert_eq!(good(&server), [false, false, false, true]);
    // A client may end the session that it asks with.
    let all = server.end(&tokens[3], &json!({ "which": "all" }));
    assert_eq!(all.body["ended"], 1);
    assert_eq!(good(&server), [false; 4]);
    assert!(server.is_good(&server.log_in(&alice)));
}

#[test]
fn nobody_ends_a_session_of_somebody_else() {
    let server = Server::start();
    let alice = server.log_in(&server.enrol("alice"));
    let mallory = server.log_in(&server.enrol("mallory"));
    let of_alice = server.id(&alice);
    let ended = server.end(&mallory, &json!({ "session_id": of_alice }));
    // It is told neither that there is such a session nor whose it is.
    let nothing = json!({ "client_id": "mallory", "ended": 0 });
    assert_eq!((ended.status, ended.body), (200, nothing));
    for which in ["others", "all"] {
        let ended = server.end(&mallory, &json!({ "which": which }));
        assert_eq!(ended.status, 200, "{which}");
    }
    assert!(server.is_good(&alice));
    // And an ended session ends nothing.
    let own = json!({ "session_id": of_alice });
    assert_eq!(server.end(&alice, &own).body["ended"], 1);
    let again = server.end(&alice, &json!({ "which": "all" }));
    assert_eq!(again.problem(), (401, "denied"));
    assert_eq!(
        server.get(SESSIONS, Some(&alice)).problem(),
        (401, "denied")
    );
}

#[test]
fn what_the_record_does_not_honour_is_not_listed_as_good() {
    let server = Server::start();
    let (phone, laptop) = server.with_two_devices("alice");
    let of_phone = server.log_in(&phone);
    let of_laptop = server.log_in_by_name(&laptop);
    assert_eq!(server.ids(&of_phone).len(), 2);
    let expired = |at| RecordChange::SetExpiry {
        credential: laptop.credential_id().parse().unwrap(),
        expires_at: at,
    };
    // A live token of a credential that has expired.
    server.change("alice", expired(Some(NOW)));
    assert!(!server.is_good(&of_laptop));
    assert_eq!(server.ids(&of_phone).len(), 1);
    server.change("alice", expired(None));
    assert_eq!(server.ids(&of_phone).len(), 2);
    let client_expires = |at| {
        RecordChange::SetAttributes(Box::new(AttributesChange {
            expires_at: Some(at),
            ..AttributesChange::default()
        }))
    };
    server.change("alice", client_expires(Some(NOW)));
    assert!(!server.is_good(&of_phone));
    server.change("alice", client_expires(None));
    assert!(server.is_good(&of_phone));
    let unlink = server.unlinking(&phone, &laptop);
    assert_eq!(
        server.post(crate::client::UNLINK, None, &unlink).status,
        200
    );
    assert_eq!(server.ids(&of_phone).len(), 1);
    server.change("alice", RecordChange::EndSessions);
    assert!(!server.is_good(&of_phone));
    let again = server.log_in(&phone);
    assert_eq!(server.ids(&again).len(), 1);
    for change in [RecordChange::Suspend, RecordChange::Resume] {
        server.change("alice", change);
        assert!(!server.is_good(&again));
    }
}

#[test]
fn a_token_whose_session_was_lost_is_denied() {
    let server = Server::start();
    let alice = server.enrol("alice");
    let token = server.log_in(&alice);
    let ids = [server.id(&token).parse().unwrap()];
    let lost = server.store.end_sessions(&alice.id, &ids);
    assert_eq!(server.run(lost).unwrap(), 1);
    assert!(!server.is_good(&token));
}

#[test]
fn what_says_neither_which_nor_one_is_refused() {
    let server = Server::start();
    let token = server.log_in(&server.enrol("alice"));
    let id = server.id(&token);
    for body in [
        json!({}),
        json!({ "which": "this" }),
        json!({ "which": "All" }),
        json!({ "which": 1 }),
        json!({ "which": "all", "session_id": id }),
        json!({ "session_id": id.to_uppercase() }),
        json!({ "session_id": &id[1..] }),
        json!({ "session_id": id, "client_id": "bob" }),
    ] {
        let answer = server.end(&token, &body);
        assert_eq!(answer.problem().0, 400, "{body}");
    }
    assert!(server.is_good(&token));
}
