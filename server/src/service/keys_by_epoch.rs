//! The challenge keys of the epochs that a store is in: derived once each.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use twofapi_crypto_core::{
    Error,
    ceremony::{Epoch, Keys, Root},
};

/// More than any store has spent sets. Of those of before a set began another epoch nobody has use.
const MOST: usize = 2048;

#[derive(Default)]
pub(super) struct KeysByEpoch(Mutex<HashMap<Epoch, Arc<Keys>>>);

impl KeysByEpoch {
    pub(super) fn of(&self, epoch: Epoch, roots: &[Root]) -> Result<Arc<Keys>, Error> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(keys) = known.get(&epoch) {
            return Ok(Arc::clone(keys));
        }
        if known.len() >= MOST {
            known.clear();
        }
        let keys = Arc::new(Keys::derive(roots, epoch)?);
        known.insert(epoch, Arc::clone(&keys));
        Ok(keys)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_keys_of_many_epochs_are_known_and_never_too_many() {
        let roots = [Root::new(0, [7; Root::LEN])];
        let known = KeysByEpoch::default();
        let of = |number: u16| {
            let mut epoch = [0; Epoch::LEN];
            epoch[..2].copy_from_slice(&number.to_be_bytes());
            known.of(Epoch::from_bytes(epoch), &roots).unwrap()
        };
        let first = of(0);
        for number in 1..1024 {
            assert_eq!(of(number).epoch().as_bytes()[..2], number.to_be_bytes());
        }
        assert!(Arc::ptr_eq(&first, &of(0)));
        for number in 1024..5000 {
            of(number);
        }
        assert!(known.0.lock().unwrap().len() <= MOST);
        assert_eq!(of(0).epoch(), first.epoch());
    }
}
