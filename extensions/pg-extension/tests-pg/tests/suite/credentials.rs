//! A client with several credentials: linked at one device, unlinked, rotated, reset, expired; each ends
//! what it must and nothing else.

use std::thread;

use postgres::{Client as Connection, types::ToSql};
use twofapi_tests_pg::{Challenge, Client, Database, Server};

use crate::{current_client, database, eventually, refusal, session::copy};

struct Scene {
    database: Database,
    admin: Connection,
    phone: Client,
    laptop: Client,
}

/// Alice has a phone and a laptop.
fn scene() -> Scene {
    let database = database();
    let mut admin = database.connect();
    let phone = Client::enrolled(&mut admin, "alice");
    let laptop = Client::new("alice");
    assert!(phone.link(&mut admin, &laptop, "laptop"));
    Scene {
        database,
        admin,
        phone,
        laptop,
    }
}

impl Scene {
    /// A connection on which each of the two has logged in.
    fn both(&self) -> [Connection; 2] {
        let [mut one, mut other] = [self.database.connect(), self.database.connect()];
        assert!(self.phone.log_in(&mut one) && self.laptop.log_in_by_name(&mut other));
        [one, other]
    }
}

fn inside(connections: &mut [Connection; 2]) -> [bool; 2] {
    connections
        .each_mut()
        .map(|connection| current_client(connection).is_some())
}

fn does(connection: &mut Connection, call: &str) {
    connection.batch_execute(call).expect(call);
}

/// What `client_credentials` shows, as text.
fn listed(admin: &mut Connection) -> Vec<String> {
    let rows = admin.query(
        "SELECT name || ' ' || since || ' ' || (created IS NOT NULL) || ' ' || (expires_at IS NOT NULL)
         FROM twofapi.client_credentials('alice')",
        &[],
    );
    rows.unwrap().iter().map(|row| row.get(0)).collect()
}

/// What a linking call is made of, to be altered one by one.
struct Link<'a> {
    challenge: &'a str,
    proof: &'a [u8],
    commitment: &'a [u8],
    joining: Option<&'a [u8]>,
    name: Option<&'a str>,
}

impl Link<'_> {
    fn sent(&self, connection: &mut Connection) -> Result<bool, postgres::Error> {
        let parameters: [&(dyn ToSql + Sync); 6] = [
            &"alice",
            &self.challenge,
            &self.proof,
            &self.commitment,
            &self.joining,
            &self.name,
        ];
        let row = connection.query_one(
            "SELECT twofapi.link_credential($1, $2, $3, $4, $5, $6)",
            &parameters,
        )?;
        Ok(row.get(0))
    }
}

#[test]
fn each_credential_logs_in_and_the_first_is_meant_where_none_is_named() {
    let mut s = scene();
    let [mut one, mut other] = s.both();
    assert!(!s.laptop.log_in(&mut other));
    assert!(s.phone.log_in_by_name(&mut other));
    assert!(s.laptop.log_in_by_name(&mut one));
    assert!(!Client::new("alice").log_in_by_name(&mut one));
    assert_eq!(
        listed(&mut s.admin),
        ["first 1 true false", "laptop 2 true false"]
    );
    // The client sees its own, and nobody else's.
    let shown = |connection: &mut Connection| -> Vec<String> {
        let rows = connection.query("SELECT credential_id FROM twofapi.credentials()", &[]);
        rows.unwrap().iter().map(|row| row.get(0)).collect()
    };
    let ids = [&s.phone, &s.laptop].map(|one| one.credential_id().to_string());
    assert_eq!(shown(&mut other), ids);
    assert!(shown(&mut s.database.connect()).is_empty());
    let role = s.database.role("app");
    let mut app = s.database.connect_as(&role);
    for hidden in [
        "SELECT * FROM twofapi.client_credentials('alice')",
        "SELECT twofapi.reset_client('alice', '', '')",
        "SELECT twofapi.set_client_expiry('alice')",
        "SELECT * FROM twofapi.pending_links",
    ] {
        assert_eq!(refusal(app.query(hidden, &[])).0, "42501", "{hidden}");
    }
    // Everybody may link and log in by name, as everybody may prove.
    let tablet = Client::new("alice");
    assert!(s.laptop.link(&mut app, &tablet, "tablet"));
    assert!(tablet.log_in_by_name(&mut app));
}

#[test]
fn a_link_ends_nobodys_session() {
    let mut s = scene();
    let mut connections = s.both();
    for n in 0..3 {
        let new = Client::new("alice");
        let by = if n == 1 { &s.laptop } else { &s.phone };
        assert!(by.link(&mut s.admin, &new, "new"));
        assert_eq!(inside(&mut connections), [true, true]);
    }
}

#[test]
fn an_unlinked_credential_is_out_with_its_sessions_and_the_others_stay() {
    for by_itself in [false, true] {
        let mut s = scene();
        let mut connections = s.both();
        let by = if by_itself { &s.laptop } else { &s.phone };
        assert!(by.unlink(&mut s.admin, &s.laptop));
        assert_eq!(inside(&mut connections), [true, false]);
        assert!(!s.laptop.log_in_by_name(&mut connections[1]));
        assert!(s.phone.log_in(&mut connections[1]));
        // The last one stays.
        assert!(!s.phone.unlink(&mut s.admin, &s.phone));
        assert_eq!(listed(&mut s.admin).len(), 1);
    }
    // The first may go as well; then the next one is meant.
    let mut s = scene();
    let mut connections = s.both();
    assert!(s.laptop.unlink(&mut s.admin, &s.phone));
    assert_eq!(inside(&mut connections), [false, true]);
    assert!(s.laptop.log_in(&mut connections[0]));
    assert_eq!(listed(&mut s.admin), ["laptop 2 true false"]);
}

#[test]
fn a_rotation_ends_the_sessions_of_its_credential_alone() {
    let mut s = scene();
    let mut connections = s.both();
    let mut phone = Client {
        id: s.phone.id.clone(),
        credential: copy(&s.phone),
    };
    assert!(phone.rotate(&mut s.admin));
    assert_eq!(inside(&mut connections), [false, true]);
    assert!(!s.phone.log_in(&mut s.admin) && phone.log_in(&mut s.admin));

    let mut connections = [s.database.connect(), s.database.connect()];
    assert!(phone.log_in(&mut connections[0]) && s.laptop.log_in_by_name(&mut connections[1]));
    let next = Client::new("alice");
    let challenge = s.laptop.challenge(&mut s.admin);
    let row = s.admin.query_one(
        "SELECT twofapi.rotate_commitment($1, $2, $3, $4, $5, credential_id => $6)",
        &[
            &"alice",
            &challenge.id,
            &s.laptop
                .rotation_proof(&challenge, next.credential.commitment()),
            &next.commitment(),
            &next.possession(),
            &s.laptop.credential_id().to_string(),
        ],
    );
    assert!(row.unwrap().get::<_, bool>(0));
    assert_eq!(inside(&mut connections), [true, false]);
    assert!(next.log_in_by_name(&mut connections[1]));
    assert_eq!(
        listed(&mut s.admin),
        ["first 3 true false", "laptop 4 true false"]
    );
}

#[test]
fn suspending_and_ending_sessions_end_those_of_every_credential_for_good() {
    for call in [
        "SELECT twofapi.suspend_client('alice')",
        "SELECT twofapi.end_sessions('alice')",
        "BEGIN; SELECT twofapi.end_sessions('alice'); ROLLBACK",
    ] {
        let mut s = scene();
        let mut connections = s.both();
        does(&mut s.admin, call);
        does(&mut s.admin, "SELECT twofapi.resume_client('alice')");
        assert_eq!(inside(&mut connections), [false, false], "{call}");
        assert!(s.laptop.log_in_by_name(&mut connections[1]));
        assert_eq!(inside(&mut connections), [false, true], "{call}");
    }
}

#[test]
fn a_row_that_is_written_by_hand_ends_all_sessions_and_one_that_a_function_goes_on_from_none() {
    let mut s = scene();
    let mut connections = s.both();
    does(
        &mut s.admin,
        "UPDATE twofapi.clients SET status = 'suspended';
         UPDATE twofapi.clients SET status = 'active'",
    );
    // A function that writes the row next hides nothing.
    let tablet = Client::new("alice");
    assert!(s.phone.link(&mut s.admin, &tablet, "tablet"));
    assert_eq!(inside(&mut connections), [false, false]);
    let mut connections = s.both();
    assert!(s.phone.unlink(&mut s.admin, &tablet));
    assert_eq!(inside(&mut connections), [true, true]);
    // In a savepoint as well.
    let mut transaction = s.admin.transaction().unwrap();
    let mut savepoint = transaction.savepoint("s").unwrap();
    savepoint
        .batch_execute("SELECT twofapi.set_client_attributes('alice', tenant => 'acme')")
        .unwrap();
    savepoint.commit().unwrap();
    transaction.commit().unwrap();
    assert_eq!(inside(&mut connections), [true, true]);
}

#[test]
fn a_reset_puts_one_credential_in_the_place_of_all_and_ends_everything() {
    let mut s = scene();
    let mut connections = s.both();
    let new = Client::new("alice");
    let reset = |admin: &mut Connection, id: &str, new: &Client| -> bool {
        let row = admin.query_one(
            "SELECT twofapi.reset_client($1, $2, $3)",
            &[&id, &new.commitment(), &new.possession()],
        );
        row.unwrap().get(0)
    };
    assert!(!reset(&mut s.admin, "bob", &Client::new("bob")));
    // A proof of possession for another client id, and one of a credential that is there already.
    assert!(!reset(&mut s.admin, "alice", &Client::new("bob")));
    assert!(!reset(&mut s.admin, "alice", &s.laptop));
    assert_eq!(inside(&mut connections), [true, true]);
    does(&mut s.admin, "SELECT twofapi.suspend_client('alice')");
    assert!(reset(&mut s.admin, "alice", &new));
    // It stays suspended.
    assert!(!new.log_in(&mut s.admin));
    does(&mut s.admin, "SELECT twofapi.resume_client('alice')");
    assert_eq!(inside(&mut connections), [false, false]);
    let [one, other] = &mut connections;
    assert!(!s.phone.log_in(one) && !s.laptop.log_in_by_name(other));
    assert!(new.log_in(one));
    assert_eq!(listed(&mut s.admin), ["first 3 true false"]);
    does(&mut s.admin, "SELECT twofapi.revoke_client('alice')");
    assert!(!reset(&mut s.admin, "alice", &Client::new("alice")));
}

#[test]
fn whoever_has_expired_is_out_and_so_are_sessions_that_are_open() {
    let mut s = scene();
    let mut connections = s.both();
    let laptop = s.laptop.credential_id().to_string();
    let expire = |admin: &mut Connection, at: &str| -> bool {
        let call = format!("SELECT twofapi.set_credential_expiry('alice', $1, {at})");
        admin.query_one(&call, &[&laptop]).unwrap().get(0)
    };
    assert!(expire(&mut s.admin, "now() + interval '1 day'"));
    assert_eq!(inside(&mut connections), [true, true]);
    assert!(expire(&mut s.admin, "now() - interval '1 second'"));
    assert_eq!(inside(&mut connections), [true, false]);
    assert!(!s.laptop.log_in_by_name(&mut connections[1]));
    assert!(expire(&mut s.admin, "NULL") && !expire(&mut s.admin, "'infinity'"));
    assert!(s.laptop.log_in_by_name(&mut connections[1]));
    does(
        &mut s.admin,
        "SELECT twofapi.set_client_expiry('alice', '-infinity')",
    );
    assert_eq!(inside(&mut connections), [false, false]);
    assert!(!s.phone.log_in(&mut connections[0]));
    does(&mut s.admin, "SELECT twofapi.set_client_expiry('alice')");
    assert!(s.phone.log_in(&mut connections[0]));
    let unknown = "SELECT twofapi.set_credential_expiry('alice', repeat('0', 32), now())";
    assert_eq!(refusal(s.admin.batch_execute(unknown)).0, "02000");
}

#[test]
fn a_session_that_is_open_ends_when_its_credential_expires() {
    let mut s = scene();
    let mut connections = s.both();
    // Set while one is open, and before another is opened.
    let laptop = s.laptop.credential_id();
    does(
        &mut s.admin,
        &format!(
            "SELECT twofapi.set_credential_expiry('alice', '{laptop}', now() + interval '10 seconds')"
        ),
    );
    assert_eq!(inside(&mut connections), [true, true]);
    let mut late = s.database.connect();
    assert!(s.laptop.log_in_by_name(&mut late));
    eventually("both are over", || {
        current_client(&mut connections[1]).is_none() && current_client(&mut late).is_none()
    });
    assert_eq!(inside(&mut connections), [true, false]);
    let shown = s.admin.query("SELECT FROM twofapi.sessions", &[]).unwrap();
    assert_eq!(shown.len(), 1);
}

#[test]
fn no_proof_of_another_purpose_and_no_other_order_links() {
    let mut s = scene();
    let new = Client::new("alice");
    let fresh = |s: &mut Scene| s.phone.challenge(&mut s.admin);
    let challenge = fresh(&mut s);
    let good = s
        .phone
        .linking_proof(&challenge, new.credential.commitment());
    let joining = new.joining_proof(&challenge);
    let link = |challenge: &Challenge, proof: &[u8], joining: Option<&[u8]>| {
        let name = joining.map(|_| "new");
        let mut connection = s.database.connect();
        let link = Link {
            challenge: &challenge.id,
            proof,
            commitment: &new.commitment(),
            joining,
            name,
        };
        link.sent(&mut connection).unwrap()
    };
    let of_another = Client::new("alice");
    for (what, proof) in [
        ("authentication", s.phone.proof(&challenge)),
        (
            "rotation",
            s.phone
                .rotation_proof(&challenge, new.credential.commitment()),
        ),
        (
            "unlinking",
            s.phone
                .unlinking_proof(&challenge, new.credential.commitment()),
        ),
        ("enrolment", s.phone.possession()),
        ("joining", s.phone.joining_proof(&challenge)),
        (
            "a link of another",
            s.phone
                .linking_proof(&challenge, of_another.credential.commitment()),
        ),
        (
            "one by the new credential",
            new.linking_proof(&challenge, new.credential.commitment()),
        ),
        (
            "one by a credential that is not named",
            s.laptop
                .linking_proof(&challenge, new.credential.commitment()),
        ),
    ] {
        assert!(!link(&challenge, &proof, Some(&joining)), "{what}");
    }
    for (what, joining) in [
        ("enrolment", new.possession()),
        ("authentication", new.proof(&challenge)),
        ("another's", of_another.joining_proof(&challenge)),
        ("the old credential's", s.phone.joining_proof(&challenge)),
    ] {
        assert!(
            !link(&challenge, &good, Some(&joining)),
            "joining by {what}"
        );
    }
    assert!(!link(&challenge, &good, None), "nobody has joined");
    assert!(link(&challenge, &good, Some(&joining)));
    // What linked is good once, and is no proof of another kind.
    assert!(!link(&challenge, &good, Some(&joining)));
    assert!(!s.phone.unlink(&mut s.admin, &of_another));
    assert_eq!(listed(&mut s.admin).len(), 3);
}

#[test]
fn a_seventeenth_credential_and_one_that_is_there_are_denied_and_names_smuggle_nothing() {
    let mut s = scene();
    assert!(!s.phone.link(&mut s.admin, &s.laptop, "again"));
    assert!(!s.phone.link(&mut s.admin, &s.phone, "itself"));
    let smuggling = [
        "'); DROP TABLE twofapi.clients; --",
        "\"},{\"name\":\"x",
        "\\u0000\\n$1 %s",
    ];
    let mut all = Vec::new();
    for n in 2..16 {
        let new = Client::new("alice");
        let name = smuggling.get(n - 2).copied().unwrap_or("one more");
        assert!(s.phone.link(&mut s.admin, &new, name), "{n}");
        all.push(new);
    }
    assert!(!s.phone.link(&mut s.admin, &Client::new("alice"), "17th"));
    let mut connection = s.database.connect();
    assert!(all.iter().all(|one| one.log_in_by_name(&mut connection)));
    let names = s
        .admin
        .query("SELECT name FROM twofapi.client_credentials('alice')", &[])
        .unwrap();
    let names: Vec<String> = names.iter().map(|row| row.get(0)).collect();
    assert_eq!(names[2..5], smuggling);

    let new = Client::new("alice");
    let challenge = s.phone.challenge(&mut s.admin);
    let proof = s
        .phone
        .linking_proof(&challenge, new.credential.commitment());
    let joining = new.joining_proof(&challenge);
    let long = "x".repeat(65);
    for name in ["", " a", "a ", "a\tb", "\u{e9}", &long] {
        let link = Link {
            challenge: &challenge.id,
            proof: &proof,
            commitment: &new.commitment(),
            joining: Some(&joining),
            name: Some(name),
        };
        assert_eq!(refusal(link.sent(&mut s.admin)).0, "22023", "{name:?}");
    }
    // Both or neither.
    for (joining, name) in [(Some(&joining[..]), None), (None, Some("new"))] {
        let link = Link {
            challenge: &challenge.id,
            proof: &proof,
            commitment: &new.commitment(),
            joining,
            name,
        };
        assert_eq!(refusal(link.sent(&mut s.admin)).0, "22023");
    }
    for id in ["", "00", &"0".repeat(33), &"G".repeat(32), &"A".repeat(32)] {
        let call = "SELECT twofapi.verify('alice', $1, $2, credential_id => $3)";
        let answer = s.admin.query(call, &[&challenge.id, &proof, &id]);
        assert_eq!(refusal(answer).0, "22023", "{id:?}");
    }
}

#[test]
fn what_an_unlinked_device_kept_is_of_no_use() {
    let mut s = scene();
    let challenge = s.laptop.challenge(&mut s.admin);
    let tablet = Client::new("alice");
    let link = s
        .laptop
        .linking_proof(&challenge, tablet.credential.commitment());
    let unlink = s
        .laptop
        .unlinking_proof(&challenge, s.phone.credential.commitment());
    let (log_in, joining) = (s.laptop.proof(&challenge), tablet.joining_proof(&challenge));
    assert!(s.phone.unlink(&mut s.admin, &s.laptop));
    let (id, old) = (s.laptop.credential_id().to_string(), s.phone.commitment());
    let mut says = |call: &str, parameters: &[&(dyn ToSql + Sync)]| -> bool {
        s.admin.query_one(call, parameters).unwrap().get(0)
    };
    assert!(!says(
        "SELECT twofapi.authenticate('alice', $1, $2, credential_id => $3)",
        &[&challenge.id, &log_in, &id]
    ));
    assert!(!says(
        "SELECT twofapi.unlink_credential('alice', $1, $2, $3, $4)",
        &[&challenge.id, &unlink, &old, &id]
    ));
    assert!(!says(
        "SELECT twofapi.link_credential('alice', $1, $2, $3, $4, 'tablet', $5)",
        &[&challenge.id, &link, &tablet.commitment(), &joining, &id]
    ));
    // Enrolled anew under the same id and version, it is another client's still.
    does(&mut s.admin, "DELETE FROM twofapi.clients");
    assert!(Client::new("alice").enrol(&mut s.admin).unwrap());
    assert!(!s.laptop.log_in_by_name(&mut s.admin) && !s.phone.log_in(&mut s.admin));
}

/// Two changes of one client at once, each of which was good when it began.
#[test]
fn of_two_changes_at_once_one_wins_and_the_last_credential_is_safe() {
    let mut s = scene();
    for _ in 0..20 {
        let (phone, laptop) = (&s.phone, &s.laptop);
        let [mut one, mut other] = [s.database.connect(), s.database.connect()];
        // Each takes the other away.
        let (first, second) = thread::scope(|scope| {
            let first = scope.spawn(|| phone.unlink(&mut one, laptop));
            let second = scope.spawn(|| laptop.unlink(&mut other, phone));
            (first.join().unwrap(), second.join().unwrap())
        });
        assert!(first ^ second, "{first} {second}");
        assert_eq!(listed(&mut s.admin).len(), 1);
        let (left, gone) = if first {
            (phone, laptop)
        } else {
            (laptop, phone)
        };
        assert!(left.link(&mut s.admin, gone, "again"));

        // A link by one that is being unlinked, and a suspension at the same time as well.
        let tablet = Client::new("alice");
        let mut third = s.database.connect();
        let (unlinked, linked) = thread::scope(|scope| {
            let unlinked = scope.spawn(|| left.unlink(&mut one, gone));
            let linked = scope.spawn(|| gone.link(&mut other, &tablet, "tablet"));
            let suspended =
                scope.spawn(|| does(&mut third, "SELECT twofapi.suspend_client('alice')"));
            suspended.join().unwrap();
            (unlinked.join().unwrap(), linked.join().unwrap())
        });
        does(&mut s.admin, "SELECT twofapi.resume_client('alice')");
        assert_eq!(gone.log_in_by_name(&mut s.admin), !unlinked);
        let count = listed(&mut s.admin).len();
        assert_eq!(count, 2 + usize::from(linked) - usize::from(unlinked));
        if linked {
            assert!(left.unlink(&mut s.admin, &tablet));
        }
        if unlinked {
            assert!(left.link(&mut s.admin, gone, "again"));
        }
    }
}

#[test]
fn what_is_said_of_a_client_is_kept_shown_dumped_and_restored() {
    let server = Server::start("");
    let database = server.database();
    let mut admin = database.connect();
    let phone = Client::enrolled(&mut admin, "alice");
    let laptop = Client::new("alice");
    assert!(phone.link(&mut admin, &laptop, "lap\"top"));
    does(
        &mut admin,
        &format!(
            "SELECT twofapi.set_client_attributes('alice', scopes => '{{read,write:all}}',
                 claims => '{{ \"b\": [1e300, 2], \"a\": \"x\" }}', sources => '{{192.0.2.0/24,::1}}',
                 requests_per_minute => 60, tenant => 'acme');
             SELECT twofapi.set_client_expiry('alice', '2099-01-01 00:00:00+00');
             SELECT twofapi.set_credential_expiry('alice', '{}', '2098-01-01 00:00:00+00');
             SELECT twofapi.end_sessions('alice')",
            laptop.credential_id()
        ),
    );
    // Once more is no change.
    let again = "SELECT twofapi.set_client_expiry('alice', '2099-01-01 00:00:00+00')";
    assert!(!admin.query_one(again, &[]).unwrap().get::<_, bool>(0));
    let shown = |connection: &mut Connection| -> String {
        let row = connection.query_one(
            "SELECT (to_jsonb(c) - ARRAY['lineage', 'changed_at', 'enrolled_at', 'tokens_from',
                 'credential_created', 'further_credentials', 'commitment'])::text
             FROM twofapi.clients c",
            &[],
        );
        row.unwrap().get(0)
    };
    let before = shown(&mut admin);
    for part in [
        "\"scopes\": [\"read\", \"write:all\"]",
        "\"sources\": [\"192.0.2.0/24\", \"::1/128\"]",
        "\"requests_per_minute\": 60",
        "\"tenant\": \"acme\"",
        "\"generation\": 1",
        "\"commitment_version\": 5",
        "2099-01-01",
    ] {
        assert!(before.contains(part), "{part}: {before}");
    }
    let claims: String = admin
        .query_one("SELECT claims::text FROM twofapi.clients", &[])
        .unwrap()
        .get(0);
    assert!(
        claims.contains("1e+300") && !claims.contains(' '),
        "{claims}"
    );

    let mut restored = crate::dump::restored(&server, &database);
    assert_eq!(shown(&mut restored), before);
    assert_eq!(listed(&mut restored), listed(&mut admin));
    // It comes over a Unix socket, which is from nowhere.
    does(
        &mut restored,
        "SELECT twofapi.set_client_attributes('alice', tenant => 'acme')",
    );
    assert!(phone.log_in(&mut restored) && laptop.log_in_by_name(&mut restored));
    assert!(laptop.unlink(&mut restored, &phone));
    // Nobody takes back by another change what was said.
    assert!(shown(&mut restored).contains("acme"));
    for wrong in [
        "scopes => '{a,a}'",
        "scopes => '{NULL}'",
        "scopes => ARRAY['a b']",
        "claims => '[]'",
        "claims => '1'",
        "sources => '{192.0.2.1/24}'",
        "requests_per_minute => 0",
        "requests_per_minute => 4294967296",
        "tenant => ''",
        "tenant => 'a b'",
    ] {
        let call = format!("SELECT twofapi.set_client_attributes('alice', {wrong})");
        assert_eq!(refusal(restored.batch_execute(&call)).0, "22023", "{wrong}");
    }
}

#[test]
fn links_unlinks_and_resets_are_in_the_audit() {
    let server = Server::start("");
    let database = server.database();
    let mut admin = database.connect();
    let phone = Client::enrolled(&mut admin, "alice");
    let laptop = Client::new("alice");
    assert!(phone.link(&mut admin, &laptop, "laptop"));
    assert!(!phone.link(&mut admin, &laptop, "laptop"));
    assert!(phone.unlink(&mut admin, &laptop));
    assert!(!laptop.log_in_by_name(&mut admin));
    let new = Client::new("alice");
    admin
        .execute(
            "SELECT twofapi.reset_client('alice', $1, $2)",
            &[&new.commitment(), &new.possession()],
        )
        .unwrap();
    let expected = [
        "enrol accepted ",
        "link accepted ",
        "link denied credential there already, the last, or one too many",
        "unlink accepted ",
        "authenticate denied no such credential",
        "reset accepted ",
    ];
    let audit = "SELECT action || ' ' || outcome || ' ' || coalesce(reason, '')
                 FROM twofapi.audit_log WHERE client_id = 'alice' ORDER BY id";
    eventually("all of it is written", || {
        let rows = admin.query(audit, &[]).unwrap();
        let rows: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
        rows == expected
    });
    // What is gone can still be told.
    let about = "SELECT credential_id FROM twofapi.audit_log ORDER BY id";
    let about: Vec<Option<String>> = admin
        .query(about, &[])
        .unwrap()
        .iter()
        .map(|row| row.get(0))
        .collect();
    let named = [&phone, &laptop, &laptop, &laptop, &laptop, &new];
    assert_eq!(
        about,
        named.map(|client| Some(client.credential_id().to_string()))
    );
    assert!(server.log().contains(&format!(
        "2fapi: unlink accepted client=\"alice\" credential={}",
        laptop.credential_id()
    )));
}
