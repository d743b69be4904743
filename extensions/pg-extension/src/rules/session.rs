//! The life of a session within the tree of transactions: opened in one that aborts, it is closed;
//! a released savepoint hands it to its parent.

use super::{ClientKey, board::Seen, proven::Proven};

/// How long a session lasts when nothing ends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// Until its TTL is over, across transactions.
    Session,
    /// Until the end of the transaction that opened it.
    Transaction,
}

impl Scope {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Transaction => "transaction",
        }
    }
}

/// An authenticated client of this connection.
#[derive(Clone, Copy)]
pub(crate) struct Session {
    pub(crate) client: ClientKey,
    /// Which of this connection's sessions it is, from 1.
    pub(crate) number: u64,
    /// What it stands on; a token may be of a client that is not enrolled here.
    pub(crate) proven: Option<Proven>,
    /// The connection's place in the roster.
    pub(crate) place: usize,
    pub(crate) scope: Scope,
    /// Microseconds since the Unix epoch, for showing.
    pub(crate) since: i64,
    /// Microseconds since the Unix epoch, for showing.
    pub(crate) expires_at: i64,
    /// The same by a clock that nobody sets, in milliseconds.
    pub(crate) deadline: u64,
    /// The connection's session user; the session is no other's.
    pub(crate) role: u32,
    /// What the board said before the client's row was read.
    pub(crate) seen: Seen,
    /// When the client's row was last read, on a server that gets no postings (milliseconds).
    pub(crate) checked_at: Option<u64>,
}

/// At most one session, and the (sub)transaction that it depends on.
pub(crate) struct Keeper {
    session: Option<Session>,
    opened_in: Option<u32>,
}

impl Keeper {
    pub(crate) const EMPTY: Self = Self {
        session: None,
        opened_in: None,
    };

    /// Opens a session in a (sub)transaction, in the place of one that may be open.
    pub(crate) fn open(&mut self, session: Session, subtransaction: u32) {
        self.session = Some(session);
        self.opened_in = Some(subtransaction);
    }

    /// Ends the session. No rollback brings it back.
    pub(crate) fn end(&mut self) -> Option<Session> {
        self.opened_in = None;
        self.session.take()
    }

    pub(crate) const fn session(&self) -> Option<&Session> {
        self.session.as_ref()
    }

    pub(crate) const fn session_mut(&mut self) -> Option<&mut Session> {
        self.session.as_mut()
    }

    pub(crate) fn subtransaction_committed(&mut self, id: u32, parent: u32) {
        if self.opened_in == Some(id) {
            self.opened_in = Some(parent);
        }
    }

    pub(crate) fn subtransaction_aborted(&mut self, id: u32) {
        if self.opened_in == Some(id) {
            self.end();
        }
    }

    pub(crate) fn transaction_committed(&mut self) {
        match self.session {
            Some(Session {
                scope: Scope::Transaction,
                ..
            }) => {
                self.end();
            }
            _ => self.opened_in = None,
        }
    }

    /// Aborted, or prepared and so out of this connection's hands.
    pub(crate) fn transaction_aborted(&mut self) {
        let bound = self
            .session
            .is_some_and(|session| session.scope == Scope::Transaction);
        if self.opened_in.is_some() || bound {
            self.end();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::board::Board;
    use super::*;
    use proptest::prelude::*;

    fn session(name: u32, scope: Scope) -> Session {
        let client = ClientKey::of(name, None);
        Session {
            client,
            number: u64::from(name),
            proven: None,
            place: 0,
            scope,
            since: 0,
            expires_at: 0,
            deadline: 0,
            role: 10,
            seen: Board::new([7; Board::KEY_LEN]).seen(&client, 0),
            checked_at: None,
        }
    }

    #[test]
    fn a_transaction_scoped_session_never_outlives_its_transaction() {
        let mut keeper = Keeper::EMPTY;
        keeper.open(session(1, Scope::Transaction), 1);
        keeper.transaction_committed();
        assert!(keeper.session().is_none());
        keeper.open(session(1, Scope::Transaction), 1);
        keeper.transaction_aborted();
        assert!(keeper.session().is_none());
    }

    #[test]
    fn a_rollback_brings_no_ended_session_back() {
        let mut keeper = Keeper::EMPTY;
        keeper.open(session(1, Scope::Session), 1);
        keeper.transaction_committed();
        keeper.open(session(2, Scope::Session), 2);
        keeper.subtransaction_aborted(2);
        assert!(keeper.session().is_none());
    }

    /// What a connection may do, as the server would report it.
    #[derive(Clone, Debug)]
    enum Step {
        Savepoint,
        Release,
        RollbackTo,
        Open,
        End,
        Commit,
        Abort,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            Just(Step::Savepoint),
            Just(Step::Release),
            Just(Step::RollbackTo),
            Just(Step::Open),
            Just(Step::End),
            Just(Step::Commit),
            Just(Step::Abort),
        ]
    }

    proptest! {
        /// The model keeps, for each level, what was opened in it and survives only with it.
        #[test]
        fn a_session_lives_exactly_as_long_as_every_transaction_it_depends_on(
            steps in proptest::collection::vec(step(), 0..60)
        ) {
            let mut keeper = Keeper::EMPTY;
            let mut levels = vec![1_u32];
            let mut next = 2;
            let mut names = 0;
            // The name of the open session, and the depth whose abort closes it (0: none).
            let mut model: Option<(u32, usize)> = None;
            for step in steps {
                let depth = levels.len();
                let top = levels[depth - 1];
                match step {
                    Step::Savepoint => { levels.push(next); next += 1; }
                    Step::Release if depth > 1 => {
                        levels.pop();
                        keeper.subtransaction_committed(top, levels[depth - 2]);
                        if let Some((_, d)) = &mut model { *d = (*d).min(depth - 1); }
                    }
                    Step::RollbackTo if depth > 1 => {
                        levels.pop();
                        keeper.subtransaction_aborted(top);
                        model = model.filter(|(_, d)| *d < depth);
                    }
                    Step::Open => {
                        names += 1;
                        keeper.open(session(names, Scope::Session), top);
                        model = Some((names, depth));
                    }
                    Step::End => { keeper.end(); model = None; }
                    Step::Commit => {
                        // The server commits open subtransactions first, innermost first.
                        while levels.len() > 1 {
                            let id = levels.pop().unwrap();
                            keeper.subtransaction_committed(id, levels[levels.len() - 1]);
                        }
                        keeper.transaction_committed();
                        if let Some((_, d)) = &mut model { *d = 0; }
                    }
                    Step::Abort => {
                        while levels.len() > 1 {
                            keeper.subtransaction_aborted(levels.pop().unwrap());
                        }
                        keeper.transaction_aborted();
                        model = model.filter(|(_, d)| *d == 0);
                    }
                    Step::Release | Step::RollbackTo => {}
                }
                prop_assert_eq!(
                    keeper.session().map(|session| session.client.database()),
                    model.map(|(name, _)| name)
                );
            }
        }
    }
}
