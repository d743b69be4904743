//! Who is behind which connection, since when and until when.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

/// A connection's id, never used twice while the server runs.
pub(crate) type Connection = u64;

/// A session that has ended, and what is left to do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ended {
    pub(crate) connection: Connection,
    /// The connection became an ACL user, so it has to be closed.
    pub(crate) mapped: bool,
}

struct Session {
    client: Arc<str>,
    expires_at: u64,
    /// The ACL user that the connection became.
    user: Option<Arc<[u8]>>,
}

/// All sessions of this server. Times are milliseconds of one clock that never goes back.
#[derive(Default)]
pub(crate) struct Sessions {
    by_connection: HashMap<Connection, Session>,
    by_client: BTreeSet<(Arc<str>, Connection)>,
    by_expiry: BTreeSet<(u64, Connection)>,
    by_user: BTreeMap<Arc<[u8]>, BTreeSet<Connection>>,
}

impl Sessions {
    /// Opens a session, in the place of one that the connection may have had.
    pub(crate) fn open(
        &mut self,
        connection: Connection,
        client: &str,
        expires_at: u64,
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
        self.by_expiry.insert((expires_at, connection));
        let session = Session {
            client,
            expires_at,
            user,
        };
        self.by_connection.insert(connection, session);
    }

    /// Who is behind a connection now.
    pub(crate) fn client_of(&self, connection: Connection, now: u64) -> Option<&str> {
        self.by_connection
            .get(&connection)
            .filter(|session| now < session.expires_at)
            .map(|session| &*session.client)
    }

    /// Milliseconds that a connection's session still lasts.
    pub(crate) fn left(&self, connection: Connection, now: u64) -> Option<u64> {
        let session = self.by_connection.get(&connection)?;
        session.expires_at.checked_sub(now).filter(|left| *left > 0)
    }

    /// The sessions of one client or of all, by client and connection: whose, on which connection,
    /// and for how many milliseconds still.
    pub(crate) fn list(&self, client: Option<&str>, now: u64) -> Vec<(Arc<str>, Connection, u64)> {
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
        self.by_expiry.remove(&(session.expires_at, connection));
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
        let first: (Arc<str>, Connection) = (client.into(), 0);
        let connections: Vec<_> = self
            .by_client
            .range(first..)
            .take_while(|(of, _)| &**of == client)
            .map(|(_, connection)| *connection)
            .collect();
        connections
            .into_iter()
            .filter_map(|connection| self.end(connection))
            .collect()
    }

    /// Ends the sessions that have expired, at most so many.
    pub(crate) fn end_expired(&mut self, now: u64, at_most: usize) -> Vec<Ended> {
        let connections: Vec<_> = self
            .by_expiry
            .iter()
            .take_while(|(expires_at, _)| *expires_at <= now)
            .take(at_most)
            .map(|(_, connection)| *connection)
            .collect();
        connections
            .into_iter()
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

    #[test]
    fn a_session_lives_until_its_end_and_no_longer() {
        let mut sessions = Sessions::default();
        sessions.open(7, "alice", 1000, None);
        assert_eq!(sessions.client_of(7, 999), Some("alice"));
        assert_eq!(sessions.client_of(7, 1000), None);
        assert_eq!(sessions.client_of(8, 0), None);
        let ended = Ended {
            connection: 7,
            mapped: false,
        };
        assert_eq!(sessions.end_expired(999, 10), []);
        assert_eq!(sessions.end_expired(1000, 10), [ended]);
        assert_eq!(sessions.len(), 0);
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
            sessions.open(connection, client, 10, user);
        }
        let ended: Vec<_> = sessions
            .end_client("alice")
            .iter()
            .map(|e| (e.connection, e.mapped))
            .collect();
        assert_eq!(ended, [(2, false), (3, true)]);
        assert_eq!(sessions.end_client("alice"), []);
        assert_eq!(sessions.client_of(4, 0), Some("alice.b"));
        assert_eq!(sessions.len(), 3);
    }

    #[test]
    fn sessions_are_listed_for_one_client_or_for_all_with_the_time_that_is_left() {
        let mut sessions = Sessions::default();
        for (connection, client, until) in [(1, "bob", 50), (3, "alice", 20), (2, "alice.b", 9)] {
            sessions.open(connection, client, until, None);
        }
        let list = |client, now| -> Vec<(String, u64, u64)> {
            let listed = sessions.list(client, now).into_iter();
            listed
                .map(|(client, at, left)| (client.to_string(), at, left))
                .collect()
        };
        assert_eq!(list(Some("alice"), 5), [("alice".to_owned(), 3, 15)]);
        assert_eq!(list(Some("ali"), 5), []);
        let all = [("alice".to_owned(), 3, 11), ("bob".to_owned(), 1, 41)];
        assert_eq!(list(None, 9), all);
        assert_eq!(
            (sessions.left(3, 19), sessions.left(3, 20)),
            (Some(1), None)
        );
    }

    #[test]
    fn every_user_comes_up_in_turn() {
        let mut sessions = Sessions::default();
        for (connection, user) in [(1, b"a"), (2, b"b"), (3, b"c"), (4, b"c")] {
            sessions.open(connection, "alice", 10, Some(user));
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
        Open(u64, u8, u64),
        End(u64),
        EndClient(u8),
        EndUser(u8),
        Expire(u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (0_u64..6, 0_u8..3, 0_u64..20).prop_map(|(c, who, at)| Step::Open(c, who, at)),
            (0_u64..6).prop_map(Step::End),
            (0_u8..3).prop_map(Step::EndClient),
            (1_u8..3).prop_map(Step::EndUser),
            (0_u64..20).prop_map(Step::Expire),
        ]
    }

    proptest! {
        #[test]
        fn the_views_agree_with_a_plain_map(steps in proptest::collection::vec(step(), 0..60)) {
            let mut sessions = Sessions::default();
            let mut model: HashMap<u64, (String, u64)> = HashMap::new();
            for step in steps {
                match step {
                    Step::Open(c, who, at) => {
                        let user = [b'u', who];
                        sessions.open(c, &format!("c{who}"), at, (who > 0).then_some(&user[..]));
                        model.insert(c, (format!("c{who}"), at));
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
                    Step::Expire(now) => {
                        sessions.end_expired(now, usize::MAX);
                        model.retain(|_, (_, at)| *at > now);
                    }
                }
                prop_assert_eq!(sessions.len(), model.len());
                prop_assert_eq!(sessions.by_client.len(), model.len());
                prop_assert_eq!(sessions.by_expiry.len(), model.len());
                let mapped: usize = sessions.by_user.values().map(BTreeSet::len).sum();
                let became = model.values().filter(|(client, _)| client != "c0").count();
                prop_assert_eq!(mapped, became);
                prop_assert_eq!(sessions.next_expiry(), model.values().map(|(_, at)| *at).min());
                for c in 0..6 {
                    let expected = model.get(&c).filter(|(_, at)| 5 < *at).map(|(who, _)| who.as_str());
                    prop_assert_eq!(sessions.client_of(c, 5), expected);
                }
            }
        }
    }
}
