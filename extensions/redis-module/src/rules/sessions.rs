//! Who is behind which connection, by which credential, since when and until when.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use twofapi_crypto_core::CredentialId;

/// A connection's id, never used twice while the server runs.
pub(crate) type Connection = u64;

/// A session that has ended, and what is left to do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ended {
    pub(crate) connection: Connection,
    /// The connection became an ACL user, so it has to be closed.
    pub(crate) mapped: bool,
}

/// What a session rests on: it is good as long as its client's record honours these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Basis {
    /// The credential that has proven.
    pub(crate) credential: CredentialId,
    /// The version of the record that it came with.
    pub(crate) since: u32,
    pub(crate) generation: u32,
}

/// What time it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Now {
    /// Milliseconds of a clock that never goes back.
    pub(crate) steady: u64,
    /// Seconds of the clock that clients and credentials expire by.
    pub(crate) unix: u64,
}

/// Until when a session may last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Until {
    /// In milliseconds of the steady clock.
    pub(crate) steady: u64,
    /// In Unix seconds, where client or credential expires.
    pub(crate) unix: Option<u64>,
}

struct Session {
    client: Arc<str>,
    basis: Basis,
    until: Until,
    /// The ACL user that the connection became.
    user: Option<Arc<[u8]>>,
}

impl Session {
    /// Milliseconds that it still lasts.
    fn left(&self, now: Now) -> Option<u64> {
        let mut left = self.until.steady.checked_sub(now.steady)?;
        if let Some(until) = self.until.unix {
            left = left.min(until.checked_sub(now.unix)?.saturating_mul(1000));
        }
        Some(left).filter(|left| *left > 0)
    }
}

/// All sessions of this server.
#[derive(Default)]
pub(crate) struct Sessions {
    by_connection: HashMap<Connection, Session>,
    by_client: BTreeSet<(Arc<str>, Connection)>,
    by_expiry: BTreeSet<(u64, Connection)>,
    /// Those whose client or credential expires, by when.
    by_unix_expiry: BTreeSet<(u64, Connection)>,
    by_user: BTreeMap<Arc<[u8]>, BTreeSet<Connection>>,
}

impl Sessions {
    /// Opens a session, in the place of one that the connection may have had.
    pub(crate) fn open(
        &mut self,
        connection: Connection,
        client: &str,
        basis: Basis,
        until: Until,
        user: Option<&[u8]>,
    ) {
        self.end(connection);
        let client: Arc<str> = client.into();
        let user = user.map(|name| match self.by_user.get_key_value(name) {
            Some((name, _)) => Arc::clone(name),
            None => name.into(),
        });
        if let Some(user) = &user {
            let connections = self.by_user.entry(Arc::clone(user)).or_default();
            connections.insert(connection);
        }
        self.by_client.insert((Arc::clone(&client), connection));
        self.by_expiry.insert((until.steady, connection));
        if let Some(unix) = until.unix {
            self.by_unix_expiry.insert((unix, connection));
        }
        let session = Session {
            client,
            basis,
            until,
            user,
        };
        self.by_connection.insert(connection, session);
    }

    /// Who is behind a connection now.
    pub(crate) fn client_of(&self, connection: Connection, now: Now) -> Option<&str> {
        self.by_connection
            .get(&connection)
            .filter(|session| session.left(now).is_some())
            .map(|session| &*session.client)
    }

    /// Who is behind a connection, and on what that rests.
    pub(crate) fn proven_of(&self, connection: Connection, now: Now) -> Option<(&str, &Basis)> {
        let session = self.by_connection.get(&connection)?;
        session.left(now)?;
        Some((&*session.client, &session.basis))
    }

    /// Milliseconds that a connection's session still lasts.
    pub(crate) fn left(&self, connection: Connection, now: Now) -> Option<u64> {
        self.by_connection.get(&connection)?.left(now)
    }

    /// The sessions of one client or of all, by client and connection: whose, on which connection,
    /// and for how many milliseconds still.
    pub(crate) fn list(&self, client: Option<&str>, now: Now) -> Vec<(Arc<str>, Connection, u64)> {
        let first: (Arc<str>, Connection) = (client.unwrap_or_default().into(), 0);
        self.by_client
            .range(first..)
            .take_while(|(of, _)| client.is_none_or(|client| **of == *client))
            .filter_map(|(of, connection)| {
                Some((Arc::clone(of), *connection, self.left(*connection, now)?))
            })
            .collect()
    }

    pub(crate) fn end(&mut self, connection: Connection) -> Option<Ended> {
        let session = self.by_connection.remove(&connection)?;
        self.by_expiry.remove(&(session.until.steady, connection));
        if let Some(unix) = session.until.unix {
            self.by_unix_expiry.remove(&(unix, connection));
        }
        self.by_client.remove(&(session.client, connection));
        if let Some(user) = &session.user
            && let Some(connections) = self.by_user.get_mut(user)
        {
            connections.remove(&connection);
            if connections.is_empty() {
                self.by_user.remove(user);
            }
        }
        Some(Ended {
            connection,
            mapped: session.user.is_some(),
        })
    }

    /// When the next session expires.
    pub(crate) fn next_expiry(&self) -> Option<u64> {
        self.by_expiry.first().map(|(expires_at, _)| *expires_at)
    }

    /// The ACL users that connections have become: at most so many, from one on, and from the
    /// beginning again.
    pub(crate) fn users_from(&self, first: &[u8], at_most: usize) -> Vec<Arc<[u8]>> {
        use std::ops::Bound::{Excluded, Included, Unbounded};
        let later = (Included(first), Unbounded);
        let earlier = (Unbounded, Excluded(first));
        let later = self.by_user.range::<[u8], _>(later);
        let earlier = self.by_user.range::<[u8], _>(earlier);
        later
            .chain(earlier)
            .take(at_most)
            .map(|(name, _)| Arc::clone(name))
            .collect()
    }

    /// Ends every session of those who became an ACL user.
    pub(crate) fn end_user(&mut self, user: &[u8]) -> Vec<Ended> {
        let connections = self.by_user.get(user).cloned().unwrap_or_default();
        connections
            .into_iter()
            .filter_map(|connection| self.end(connection))
            .collect()
    }

    /// Ends every session of a client.
    pub(crate) fn end_client(&mut self, client: &str) -> Vec<Ended> {
        let connections = self.of_client(client);
        connections
            .into_iter()
            .filter_map(|connection| self.end(connection))
            .collect()
    }

    /// Ends the sessions of a client whose basis is honoured no longer. Of the others `judge` says when client
    /// or credential expires, if they do.
    pub(crate) fn look_again(
        &mut self,
        client: &str,
        mut judge: impl FnMut(&Basis) -> Option<Option<u64>>,
    ) -> Vec<Ended> {
        let mut ended = Vec::new();
        for connection in self.of_client(client) {
            let Some(session) = self.by_connection.get_mut(&connection) else {
                continue;
            };
            let Some(expiry) = judge(&session.basis) else {
                ended.extend(self.end(connection));
                continue;
            };
            if let Some(before) = std::mem::replace(&mut session.until.unix, expiry) {
                self.by_unix_expiry.remove(&(before, connection));
            }
            if let Some(at) = expiry {
                self.by_unix_expiry.insert((at, connection));
            }
        }
        ended
    }

    fn of_client(&self, client: &str) -> Vec<Connection> {
        let first: (Arc<str>, Connection) = (client.into(), 0);
        self.by_client
            .range(first..)
            .take_while(|(of, _)| &**of == client)
            .map(|(_, connection)| *connection)
            .collect()
    }

    /// Ends the sessions that have expired, at most so many by each clock.
    pub(crate) fn end_expired(&mut self, now: Now, at_most: usize) -> Vec<Ended> {
        let due = |by: &BTreeSet<(u64, Connection)>, now: u64| -> Vec<Connection> {
            by.iter()
                .take_while(|(expires_at, _)| *expires_at <= now)
                .take(at_most)
                .map(|(_, connection)| *connection)
                .collect()
        };
        let connections = [
            due(&self.by_expiry, now.steady),
            due(&self.by_unix_expiry, now.unix),
        ];
        connections
            .into_iter()
            .flatten()
            .filter_map(|connection| self.end(connection))
            .collect()
    }

    pub(crate) fn end_all(&mut self) -> Vec<Ended> {
        let all = std::mem::take(self);
        all.by_connection
            .into_iter()
            .map(|(connection, session)| Ended {
                connection,
                mapped: session.user.is_some(),
            })
            .collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.by_connection.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BASIS: Basis = Basis {
        credential: CredentialId::from_bytes([1; 16]),
        since: 1,
        generation: 0,
    };

    const fn until(steady: u64) -> Until {
        Until { steady, unix: None }
    }

    const fn at(steady: u64) -> Now {
        Now { steady, unix: 0 }
    }

    #[test]
    fn a_session_lives_until_its_end_and_no_longer() {
        let mut sessions = Sessions::default();
        sessions.open(7, "alice", BASIS, until(1000), None);
        assert_eq!(sessions.client_of(7, at(999)), Some("alice"));
        assert_eq!(sessions.client_of(7, at(1000)), None);
        assert_eq!(sessions.client_of(8, at(0)), None);
        let ended = Ended {
            connection: 7,
            mapped: false,
        };
        assert_eq!(sessions.end_expired(at(999), 10), []);
        assert_eq!(sessions.end_expired(at(1000), 10), [ended]);
        assert_eq!(sessions.len(), 0);
    }

    #[test]
    fn a_session_ends_when_its_client_or_credential_expires() {
        let mut sessions = Sessions::default();
        let soon = Until {
            steady: 10_000,
            unix: Some(50),
        };
        sessions.open(7, "alice", BASIS, soon, None);
        let now = |unix| Now { steady: 0, unix };
        assert_eq!(sessions.left(7, now(49)), Some(1000));
        assert_eq!(sessions.left(7, now(30)), Some(10_000));
        assert_eq!(sessions.client_of(7, now(50)), None);
        // It is said to expire later, then never, then soon again.
        assert_eq!(sessions.look_again("alice", |_| Some(Some(60))), []);
        assert_eq!(sessions.client_of(7, now(50)), Some("alice"));
        assert_eq!(sessions.look_again("alice", |_| Some(None)), []);
        assert_eq!(sessions.end_expired(now(1000), 10), []);
        assert_eq!(sessions.look_again("alice", |_| Some(Some(60))), []);
        assert_eq!(sessions.end_expired(now(59), 10), []);
        assert_eq!(sessions.end_expired(now(60), 10).len(), 1);
    }

    #[test]
    fn a_basis_that_is_honoured_no_longer_ends_its_sessions_and_no_others() {
        let mut sessions = Sessions::default();
        let other = Basis { since: 2, ..BASIS };
        for (connection, client, basis) in [
            (1, "alice", BASIS),
            (2, "alice", other),
            (3, "alice.b", BASIS),
        ] {
            sessions.open(connection, client, basis, until(10), None);
        }
        let ended = sessions.look_again("alice", |basis| (*basis == other).then_some(None));
        let ended: Vec<_> = ended.iter().map(|ended| ended.connection).collect();
        assert_eq!(ended, [1]);
        assert_eq!(sessions.client_of(2, at(0)), Some("alice"));
        assert_eq!(sessions.client_of(3, at(0)), Some("alice.b"));
    }

    #[test]
    fn ending_a_client_ends_all_of_its_sessions_and_nobody_elses() {
        let mut sessions = Sessions::default();
        for (connection, client) in [
            (1, "ali"),
            (2, "alice"),
            (3, "alice"),
            (4, "alice.b"),
            (5, "bob"),
        ] {
            let user = (connection == 3).then_some(&b"app"[..]);
            sessions.open(connection, client, BASIS, until(10), user);
        }
        let ended: Vec<_> = sessions
            .end_client("alice")
            .iter()
            .map(|e| (e.connection, e.mapped))
            .collect();
        assert_eq!(ended, [(2, false), (3, true)]);
        assert_eq!(sessions.end_client("alice"), []);
        assert_eq!(sessions.client_of(4, at(0)), Some("alice.b"));
        assert_eq!(sessions.len(), 3);
    }

    #[test]
    fn sessions_are_listed_for_one_client_or_for_all_with_the_time_that_is_left() {
        let mut sessions = Sessions::default();
        for (connection, client, end) in [(1, "bob", 50), (3, "alice", 20), (2, "alice.b", 9)] {
            sessions.open(connection, client, BASIS, until(end), None);
        }
        let list = |client, now| -> Vec<(String, u64, u64)> {
            let listed = sessions.list(client, at(now)).into_iter();
            listed
                .map(|(client, at, left)| (client.to_string(), at, left))
                .collect()
        };
        assert_eq!(list(Some("alice"), 5), [("alice".to_owned(), 3, 15)]);
        assert_eq!(list(Some("ali"), 5), []);
        let all = [("alice".to_owned(), 3, 11), ("bob".to_owned(), 1, 41)];
        assert_eq!(list(None, 9), all);
        assert_eq!(
            (sessions.left(3, at(19)), sessions.left(3, at(20))),
            (Some(1), None)
        );
    }

    #[test]
    fn every_user_comes_up_in_turn() {
        let mut sessions = Sessions::default();
        for (connection, user) in [(1, b"a"), (2, b"b"), (3, b"c"), (4, b"c")] {
            sessions.open(connection, "alice", BASIS, until(10), Some(user));
        }
        let names = |from: &[u8], at_most| -> Vec<u8> {
            let users = sessions.users_from(from, at_most);
            users.iter().map(|name| name[0]).collect()
        };
        assert_eq!(names(b"", 2), *b"ab");
        assert_eq!(names(b"b\0", 2), *b"ca");
        assert_eq!(names(b"x", 9), *b"abc");
    }

    #[derive(Clone, Debug)]
    enum Step {
        Open(u64, u8, u64, Option<u64>),
        End(u64),
        EndClient(u8),
        EndUser(u8),
        LookAgain(u8, Option<Option<u64>>),
        Expire(u64, u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (
                0_u64..6,
                0_u8..3,
                0_u64..20,
                proptest::option::of(0_u64..20)
            )
                .prop_map(|(c, who, at, unix)| Step::Open(c, who, at, unix)),
            (0_u64..6).prop_map(Step::End),
            (0_u8..3).prop_map(Step::EndClient),
            (1_u8..3).prop_map(Step::EndUser),
            (
                0_u8..3,
                proptest::option::of(proptest::option::of(0_u64..20))
            )
                .prop_map(|(who, verdict)| Step::LookAgain(who, verdict)),
            (0_u64..20, 0_u64..20).prop_map(|(steady, unix)| Step::Expire(steady, unix)),
        ]
    }

    proptest! {
        #[test]
        fn the_views_agree_with_a_plain_map(steps in proptest::collection::vec(step(), 0..60)) {
            let mut sessions = Sessions::default();
            let mut model: HashMap<u64, (String, Until)> = HashMap::new();
            for step in steps {
                match step {
                    Step::Open(c, who, steady, unix) => {
                        let (user, end) = ([b'u', who], Until { steady, unix });
                        let user = (who > 0).then_some(&user[..]);
                        sessions.open(c, &format!("c{who}"), BASIS, end, user);
                        model.insert(c, (format!("c{who}"), end));
                    }
                    Step::End(c) => {
                        prop_assert_eq!(sessions.end(c).is_some(), model.remove(&c).is_some());
                    }
                    Step::EndClient(who) => {
                        let ended = sessions.end_client(&format!("c{who}")).len();
                        let before = model.len();
                        model.retain(|_, (client, _)| *client != format!("c{who}"));
                        prop_assert_eq!(ended, before - model.len());
                    }
                    Step::EndUser(who) => {
                        let ended = sessions.end_user(&[b'u', who]);
                        prop_assert!(ended.iter().all(|session| session.mapped));
                        let before = model.len();
                        model.retain(|_, (client, _)| *client != format!("c{who}"));
                        prop_assert_eq!(ended.len(), before - model.len());
                    }
                    Step::LookAgain(who, verdict) => {
                        let client = format!("c{who}");
                        let ended = sessions.look_again(&client, |_| verdict).len();
                        let before = model.len();
                        match verdict {
                            None => model.retain(|_, (of, _)| *of != client),
                            Some(unix) => model
                                .values_mut()
                                .filter(|(of, _)| *of == client)
                                .for_each(|(_, end)| end.unix = unix),
                        }
                        prop_assert_eq!(ended, before - model.len());
                    }
                    Step::Expire(steady, unix) => {
                        sessions.end_expired(Now { steady, unix }, usize::MAX);
                        model.retain(|_, (_, end)| end.steady > steady && end.unix.is_none_or(|at| at > unix));
                    }
                }
                prop_assert_eq!(sessions.len(), model.len());
                prop_assert_eq!(sessions.by_client.len(), model.len());
                prop_assert_eq!(sessions.by_expiry.len(), model.len());
                let expiring = model.values().filter(|(_, end)| end.unix.is_some()).count();
                prop_assert_eq!(sessions.by_unix_expiry.len(), expiring);
                let mapped: usize = sessions.by_user.values().map(BTreeSet::len).sum();
                let became = model.values().filter(|(client, _)| client != "c0").count();
                prop_assert_eq!(mapped, became);
                prop_assert_eq!(sessions.next_expiry(), model.values().map(|(_, end)| end.steady).min());
                for c in 0..6 {
                    let lasts = |end: &Until| 5 < end.steady && end.unix.is_none_or(|at| 5 < at);
                    let expected = model.get(&c).filter(|(_, end)| lasts(end)).map(|(who, _)| who.as_str());
                    prop_assert_eq!(sessions.client_of(c, Now { steady: 5, unix: 5 }), expected);
                }
            }
        }
    }
}
