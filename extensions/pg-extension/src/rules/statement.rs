//! One identity for each statement: what the statements that are running, and the cursors that wait,
//! have been told of who the client is. Whoever was told one thing is never told another.

/// Which session a statement was told of, by its number.
pub(crate) type Identity = u64;

/// That none was open.
pub(crate) const NOBODY: Identity = 0;

/// The statement was told of another session before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mixed;

/// What a statement was told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Told {
    /// By an expression of its own, or of a function that reads by its snapshot: for good.
    itself: Option<Identity>,
    /// Anywhere within, as in a volatile function, whose statements are statements of their own: until
    /// this connection logs in or out.
    within: Option<Identity>,
}

impl Told {
    fn anything(self) -> Option<Identity> {
        self.itself.or(self.within)
    }

    fn differs_from(self, identity: Identity) -> bool {
        [self.itself, self.within]
            .into_iter()
            .flatten()
            .any(|told| told != identity)
    }
}

/// A query of the executor by its address; `None` is a utility statement.
pub(crate) type Query = Option<usize>;

#[derive(Clone, Copy)]
struct Running {
    query: Query,
    /// The address of the snapshot that it reads by.
    snapshot: usize,
    /// The (sub)transaction in which it went on.
    made_in: u32,
    told: Told,
}

/// The statements of this connection: those that run, the outermost first, and those that were told
/// something and wait to go on.
pub(crate) struct Statements {
    running: Vec<Running>,
    waiting: Vec<(usize, Told)>,
}

impl Statements {
    pub(crate) const NONE: Self = Self {
        running: Vec::new(),
        waiting: Vec::new(),
    };

    /// A statement begins, or goes on. Answers how many were running, which [`Self::leave`] wants,
    /// and what this one was told when it ran before.
    pub(crate) fn enter(
        &mut self,
        query: Query,
        snapshot: usize,
        made_in: u32,
    ) -> (usize, Option<Identity>) {
        let told = query.map(|query| self.forget(query)).unwrap_or_default();
        let depth = self.running.len();
        self.running.push(Running {
            query,
            snapshot,
            made_in,
            told,
        });
        (depth, told.anything())
    }

    /// Whether nothing is running yet.
    pub(crate) fn is_outermost(&self) -> bool {
        self.running.is_empty()
    }

    /// What the innermost statement was told.
    pub(crate) fn innermost(&self) -> Option<Identity> {
        self.running.last().and_then(|last| last.told.anything())
    }

    /// The statement that was entered at this depth stops, for now or for good.
    pub(crate) fn leave(&mut self, depth: usize) {
        if let Some(Running {
            query: Some(query),
            told,
            ..
        }) = self.running.get(depth)
            && *told != Told::default()
        {
            self.waiting.push((*query, *told));
        }
        self.running.truncate(depth);
    }

    /// Nothing is known of a query, which is new or has ended. Answers what it had been told.
    fn forget(&mut self, query: usize) -> Told {
        match self
            .waiting
            .iter()
            .position(|(waiting, _)| *waiting == query)
        {
            Some(place) => self.waiting.swap_remove(place).1,
            None => Told::default(),
        }
    }

    /// A query is new, or has ended: whatever had its address before was another one.
    pub(crate) fn is_over(&mut self, query: usize) {
        if !self.waiting.is_empty() {
            self.forget(query);
        }
    }

    /// What the innermost statement was told for good: who tells it the same again has nothing to do.
    pub(crate) fn told_for_good(&self) -> Option<Identity> {
        self.running.last().and_then(|last| last.told.itself)
    }

    /// Tells everything that runs who the client is. `snapshot` is the one that is being read by.
    pub(crate) fn tell(&mut self, identity: Identity, snapshot: usize) -> Result<(), Mixed> {
        if self
            .running
            .iter()
            .any(|statement| statement.told.differs_from(identity))
        {
            return Err(Mixed);
        }
        for statement in &mut self.running {
            if statement.snapshot == snapshot {
                statement.told.itself = Some(identity);
            } else {
                statement.told.within = Some(identity);
            }
        }
        Ok(())
    }

    /// This connection itself logged in or out: a function that did so may ask again.
    pub(crate) fn client_changed_itself(&mut self) {
        let running = self.running.iter_mut().map(|statement| &mut statement.told);
        let waiting = self.waiting.iter_mut().map(|(_, told)| told);
        running.chain(waiting).for_each(|told| told.within = None);
    }

    /// What ran in that subtransaction was cut off.
    pub(crate) fn subtransaction_aborted(&mut self, id: u32) {
        self.running.retain(|statement| statement.made_in != id);
    }

    /// No cursor outlives the transaction but as rows that were read already.
    pub(crate) fn transaction_committed(&mut self) {
        self.waiting = Vec::new();
    }

    /// Everything was cut off.
    pub(crate) fn transaction_aborted(&mut self) {
        *self = Self::NONE;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUERY: usize = 0x100;
    const SNAPSHOT: usize = 0x200;
    const OF_A_FUNCTION: usize = 0x300;
    const ALICE: Identity = 1;
    const BOB: Identity = 2;

    fn running() -> Statements {
        let mut statements = Statements::NONE;
        statements.enter(Some(QUERY), SNAPSHOT, 1);
        statements
    }

    #[test]
    fn a_statement_is_told_one_thing_only() {
        let mut statements = running();
        assert_eq!(statements.told_for_good(), None);
        assert_eq!(statements.tell(ALICE, SNAPSHOT), Ok(()));
        assert_eq!(statements.told_for_good(), Some(ALICE));
        assert_eq!(statements.tell(ALICE, SNAPSHOT), Ok(()));
        assert_eq!(statements.tell(NOBODY, SNAPSHOT), Err(Mixed));
        assert_eq!(statements.tell(BOB, SNAPSHOT), Err(Mixed));
        statements.client_changed_itself();
        assert_eq!(statements.tell(BOB, SNAPSHOT), Err(Mixed));
    }

    #[test]
    fn the_next_statement_may_be_told_something_else() {
        let mut statements = running();
        statements.tell(ALICE, SNAPSHOT).unwrap();
        statements.leave(0);
        statements.is_over(QUERY);
        statements.enter(Some(QUERY), SNAPSHOT, 1);
        assert_eq!(statements.tell(NOBODY, SNAPSHOT), Ok(()));
    }

    #[test]
    fn a_cursor_that_goes_on_knows_what_it_was_told() {
        let mut statements = running();
        statements.tell(ALICE, SNAPSHOT).unwrap();
        statements.leave(0);
        assert_eq!(statements.tell(BOB, SNAPSHOT), Ok(()));
        let (depth, told) = statements.enter(Some(QUERY), SNAPSHOT, 1);
        assert_eq!((depth, told), (0, Some(ALICE)));
        assert_eq!(statements.tell(BOB, SNAPSHOT), Err(Mixed));
    }

    #[test]
    fn a_volatile_function_may_log_in_and_ask_again() {
        let mut statements = running();
        statements.tell(NOBODY, OF_A_FUNCTION).unwrap();
        assert_eq!(statements.tell(ALICE, OF_A_FUNCTION), Err(Mixed));
        statements.client_changed_itself();
        assert_eq!(statements.tell(ALICE, OF_A_FUNCTION), Ok(()));
    }

    #[test]
    fn what_a_function_was_told_holds_for_the_statement_around_it() {
        let mut statements = running();
        let (depth, _) = statements.enter(Some(QUERY + 1), OF_A_FUNCTION, 1);
        statements.tell(ALICE, OF_A_FUNCTION).unwrap();
        statements.leave(depth);
        statements.enter(Some(QUERY + 2), OF_A_FUNCTION + 1, 1);
        assert_eq!(statements.tell(NOBODY, OF_A_FUNCTION + 1), Err(Mixed));
    }

    #[test]
    fn a_function_that_reads_by_the_statements_snapshot_speaks_for_it() {
        let mut statements = running();
        statements.enter(Some(QUERY + 1), SNAPSHOT, 1);
        statements.tell(ALICE, SNAPSHOT).unwrap();
        statements.leave(1);
        statements.client_changed_itself();
        assert_eq!(statements.tell(NOBODY, SNAPSHOT), Err(Mixed));
    }

    #[test]
    fn what_an_error_cut_off_is_forgotten() {
        let mut statements = running();
        statements.enter(Some(QUERY + 1), OF_A_FUNCTION, 2);
        statements.tell(ALICE, OF_A_FUNCTION).unwrap();
        statements.subtransaction_aborted(2);
        statements.client_changed_itself();
        assert_eq!(statements.tell(NOBODY, SNAPSHOT), Ok(()));
        statements.transaction_aborted();
        assert_eq!(statements.tell(BOB, SNAPSHOT), Ok(()));
        // The frames that were cut off never leave; those that were not may, later than this.
        statements.leave(3);
        statements.leave(0);
        assert_eq!(statements.enter(None, 0, 1), (0, None));
    }
}
