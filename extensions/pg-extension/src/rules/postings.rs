//! What a transaction changed, until it is known whether it commits.

use super::board::BUCKETS;

/// How many changes are told apart: a statement over the whole table must not take memory for every
/// row of it, and when there are more changes than buckets most have been posted in anyway.
const TOLD_APART: usize = BUCKETS;

/// A change, and the (sub)transaction that made it.
#[derive(Clone, Copy)]
struct Change<C> {
    of: Whom<C>,
    made_in: u32,
}

/// Whom a change is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Whom<C> {
    One(C),
    Everyone,
}

/// The changes of the running transaction.
pub(crate) struct Postings<C>(Vec<Change<C>>);

impl<C: Copy + PartialEq> Postings<C> {
    pub(crate) const NONE: Self = Self(Vec::new());

    /// Notes a change that a (sub)transaction made.
    pub(crate) fn note(&mut self, of: Whom<C>, made_in: u32) {
        let noted = |change: &Change<C>| {
            change.made_in == made_in && (change.of == of || change.of == Whom::Everyone)
        };
        if self.0.iter().any(noted) {
            return;
        }
        self.0.push(Change { of, made_in });
        if self.0.len() > TOLD_APART {
            self.tell_apart_no_longer();
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn subtransaction_committed(&mut self, id: u32, parent: u32) {
        let everyone = |change: &Change<C>| change.made_in == parent && change.of == Whom::Everyone;
        if self.0.iter().any(everyone) {
            // Said already of whomever it changed.
            self.0.retain(|change| change.made_in != id);
        }
        for change in self.0.iter_mut().filter(|change| change.made_in == id) {
            change.made_in = parent;
        }
    }

    pub(crate) fn subtransaction_aborted(&mut self, id: u32) {
        self.0.retain(|change| change.made_in != id);
    }

    pub(crate) fn transaction_aborted(&mut self) {
        self.0 = Vec::new();
    }

    /// What is to be posted now that the transaction has committed. Nothing is left.
    pub(crate) fn transaction_committed(&mut self) -> impl Iterator<Item = Whom<C>> + use<C> {
        core::mem::take(&mut self.0)
            .into_iter()
            .map(|change| change.of)
    }

    /// A change of everyone in place of several that one (sub)transaction made; which of those will
    /// last is open still.
    fn tell_apart_no_longer(&mut self) {
        self.0.sort_by_key(|change| change.made_in);
        let by_transaction = self.0.chunk_by(|one, next| one.made_in == next.made_in);
        self.0 = by_transaction
            .filter_map(|changes| {
                let (first, others) = changes.split_first()?;
                let of = if others.is_empty() {
                    first.of
                } else {
                    Whom::Everyone
                };
                Some(Change { of, ..*first })
            })
            .collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TOP: u32 = 1;

    fn posted(postings: &mut Postings<u32>) -> Vec<Whom<u32>> {
        postings.transaction_committed().collect()
    }

    #[test]
    fn a_statement_over_the_whole_table_takes_no_memory_for_every_row() {
        let mut postings = Postings::NONE;
        for client in 0..1_000_000 {
            postings.note(Whom::One(client), TOP);
        }
        assert_eq!(postings.0.len(), 1);
        assert!(postings.0.capacity() <= TOLD_APART);
        assert_eq!(posted(&mut postings), [Whom::Everyone]);
        assert!(postings.is_empty());
    }

    #[test]
    fn nor_does_a_loop_with_a_savepoint_around_each_change() {
        let mut postings = Postings::NONE;
        for client in 0..20_000 {
            let savepoint = client + 2;
            postings.note(Whom::One(client), savepoint);
            postings.subtransaction_committed(savepoint, TOP);
            assert!(postings.0.len() <= TOLD_APART);
        }
        assert_eq!(posted(&mut postings), [Whom::Everyone]);
    }

    #[test]
    fn so_many_that_were_rolled_back_are_posted_to_nobody() {
        let mut postings = Postings::NONE;
        postings.note(Whom::One(7), TOP);
        for client in 0..=TOLD_APART as u32 {
            postings.note(Whom::One(client), 2);
        }
        postings.subtransaction_aborted(2);
        assert_eq!(posted(&mut postings), [Whom::One(7)]);
        for client in 0..=TOLD_APART as u32 {
            postings.note(Whom::One(client), 2);
        }
        postings.subtransaction_aborted(2);
        assert!(postings.is_empty());
        postings.note(Whom::One(7), TOP);
        postings.transaction_aborted();
        assert!(postings.is_empty());
    }

    proptest! {
        /// Against a stack of open subtransactions that keeps every change apart.
        #[test]
        fn what_is_posted_is_what_lasts(steps in proptest::collection::vec((0_u32..6, 0_u32..4), 0..200)) {
            let mut postings = Postings::NONE;
            let mut open = vec![(TOP, Vec::new())];
            let mut next = TOP + 1;
            for (step, client) in steps {
                match step {
                    0 => {
                        open.push((next, Vec::new()));
                        next += 1;
                    }
                    1 if open.len() > 1 => {
                        let (id, changes) = open.pop().unwrap();
                        let parent = open.last_mut().unwrap();
                        parent.1.extend(changes);
                        postings.subtransaction_committed(id, parent.0);
                    }
                    2 if open.len() > 1 => {
                        let (id, _) = open.pop().unwrap();
                        postings.subtransaction_aborted(id);
                    }
                    3 => {
                        let innermost = open.last_mut().unwrap();
                        innermost.1.push(Whom::Everyone);
                        postings.note(Whom::Everyone, innermost.0);
                    }
                    _ => {
                        let innermost = open.last_mut().unwrap();
                        innermost.1.push(Whom::One(client));
                        postings.note(Whom::One(client), innermost.0);
                    }
                }
            }
            let reduced = |mut all: Vec<Whom<u32>>| {
                all.sort();
                all.dedup();
                if all.contains(&Whom::Everyone) {
                    all = vec![Whom::Everyone];
                }
                all
            };
            let lasting = open.into_iter().flat_map(|(_, changes)| changes).collect();
            prop_assert_eq!(reduced(posted(&mut postings)), reduced(lasting));
        }
    }
}
