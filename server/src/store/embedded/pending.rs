//! Links from a second device: one for a client, in memory. An open offer is about a challenge, and those are
//! gone with the process as well.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use twofapi_crypto_core::{ClientId, ceremony::PendingLink};

/// Below so many none is looked at to be forgotten.
const KEPT: usize = 1000;

#[derive(Default)]
pub(super) struct Pending {
    of: HashMap<ClientId, PendingLink>,
    /// When there are so many, those whose time is over are forgotten.
    full: usize,
}

impl Pending {
    pub(super) fn look_up(&self, id: &ClientId, now: u64) -> Option<&PendingLink> {
        self.of.get(id).filter(|kept| now < kept.until())
    }

    pub(super) fn put(&mut self, id: &ClientId, offer: PendingLink, now: u64) {
        if self.of.len() >= self.full.max(KEPT) {
            self.of.retain(|_, kept| now < kept.until());
            self.full = 2 * self.of.len();
        }
        self.of.insert(id.clone(), offer);
    }

    pub(super) fn replace(
        &mut self,
        id: &ClientId,
        before: &PendingLink,
        after: PendingLink,
        now: u64,
    ) -> bool {
        let as_before = self.look_up(id, now) == Some(before);
        if as_before {
            self.of.insert(id.clone(), after);
        }
        as_before
    }

    pub(super) fn use_up(&mut self, id: &ClientId) {
        self.of.remove(id);
    }
}

pub(super) fn locked(pending: &Mutex<Pending>) -> MutexGuard<'_, Pending> {
    pending.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use twofapi_crypto_core::{
        AuthenticationBinding,
        ceremony::{Decoys, Epoch, Keys, Named, Root, Terms},
    };

    use super::*;

    #[test]
    fn those_whose_time_is_over_are_forgotten_where_there_are_many() {
        let rng = &mut getrandom::SysRng;
        let terms = Terms::new(AuthenticationBinding::none(), Decoys::new([0; 16]));
        let epoch = Epoch::generate(rng).unwrap();
        let keys = Arc::new(Keys::derive(&[Root::generate(0, rng).unwrap()], epoch).unwrap());
        let now = 1_795_000_000;
        let mut pending = Pending::default();
        let mut offer = |name: String, now| {
            let id = ClientId::parse(&name).unwrap();
            let challenge = terms.challenge(&keys, &id, now, &mut getrandom::SysRng);
            let of = Named::Apart {
                client_id: id.as_bytes(),
                challenge_id: &challenge.unwrap().id.to_text(),
            };
            let offer = terms.offer(&keys, now, &id, &of).unwrap();
            pending.put(&id, offer, now);
            pending.of.len()
        };
        for n in 0..3 * KEPT {
            assert_eq!(
                offer(format!("early-{n}"), now),
                n + 1,
                "a live one was forgotten"
            );
        }
        let most = (0..5 * KEPT).map(|n| offer(format!("late-{n}"), now + 600 + n as u64));
        assert!(most.max().unwrap() <= 4 * KEPT);
        assert!(offer("last".into(), now + 100_000) <= 4 * KEPT);
    }
}
