//! What clients have pending of links from a second device: each client one at most, until its time is over.

use std::collections::{BTreeSet, HashMap};

use twofapi_crypto_core::{ClientId, ceremony::PendingLink};

#[derive(Default)]
pub(crate) struct PendingLinks {
    by_client: HashMap<ClientId, PendingLink>,
    by_end: BTreeSet<(u64, ClientId)>,
}

impl PendingLinks {
    pub(crate) fn of(&self, client_id: &ClientId) -> Option<&PendingLink> {
        self.by_client.get(client_id)
    }

    /// Puts this in the place of what the client had pending.
    pub(crate) fn put(&mut self, client_id: ClientId, pending: PendingLink) {
        self.forget(&client_id);
        self.by_end.insert((pending.until(), client_id.clone()));
        self.by_client.insert(client_id, pending);
    }

    /// Puts this in the place of that, if that is what the client has pending.
    pub(crate) fn replace(
        &mut self,
        client_id: &ClientId,
        before: &PendingLink,
        after: &PendingLink,
    ) -> bool {
        let is_there = self.of(client_id) == Some(before);
        if is_there {
            self.put(client_id.clone(), after.clone());
        }
        is_there
    }

    pub(crate) fn forget(&mut self, client_id: &ClientId) {
        if let Some(pending) = self.by_client.remove(client_id) {
            self.by_end.remove(&(pending.until(), client_id.clone()));
        }
    }

    /// Forgets what is over, at most so many.
    pub(crate) fn forget_expired(&mut self, now: u64, at_most: usize) {
        for _ in 0..at_most {
            match self.by_end.first() {
                Some((until, _)) if *until <= now => {}
                _ => return,
            }
            if let Some((_, client_id)) = self.by_end.pop_first() {
                self.by_client.remove(&client_id);
            }
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.by_client.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// An offer that is over at this time, as it is stored.
    fn pending(until: u64, nonce: u8) -> PendingLink {
        let bytes = [&[1][..], &[7; 12], &[nonce; 16], &until.to_be_bytes(), &[0]].concat();
        PendingLink::from_bytes(&bytes).unwrap()
    }

    fn client(n: u8) -> ClientId {
        format!("c{n}").parse().unwrap()
    }

    #[derive(Clone, Debug)]
    enum Step {
        Put(u8, u64, u8),
        Replace(u8, u64, u8),
        Forget(u8),
        Expire(u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (0_u8..4, 0_u64..6, 0_u8..2).prop_map(|(c, until, n)| Step::Put(c, until, n)),
            (0_u8..4, 0_u64..6, 0_u8..2).prop_map(|(c, until, n)| Step::Replace(c, until, n)),
            (0_u8..4).prop_map(Step::Forget),
            (0_u64..6).prop_map(Step::Expire),
        ]
    }

    proptest! {
        #[test]
        fn it_does_what_a_plain_map_does(steps in proptest::collection::vec(step(), 0..60)) {
            let mut links = PendingLinks::default();
            let mut model: HashMap<u8, PendingLink> = HashMap::new();
            for step in steps {
                match step {
                    Step::Put(c, until, n) => {
                        links.put(client(c), pending(until, n));
                        model.insert(c, pending(until, n));
                    }
                    Step::Replace(c, until, n) => {
                        let (before, after) = (pending(until, n), pending(until + 1, n));
                        let is_there = model.get(&c) == Some(&before);
                        prop_assert_eq!(links.replace(&client(c), &before, &after), is_there);
                        if is_there {
                            model.insert(c, after);
                        }
                    }
                    Step::Forget(c) => {
                        links.forget(&client(c));
                        model.remove(&c);
                    }
                    Step::Expire(now) => {
                        links.forget_expired(now, usize::MAX);
                        model.retain(|_, pending| pending.until() > now);
                    }
                }
                prop_assert_eq!((links.len(), links.by_end.len()), (model.len(), model.len()));
                for c in 0..4 {
                    prop_assert_eq!(links.of(&client(c)), model.get(&c));
                }
            }
        }
    }
}
