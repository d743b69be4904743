//! The proofs that were seen, until they are too old anyway. Only those are kept that came with a good token of their
//! key, so that strangers fill nothing.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

/// How many proofs are kept.
const CAPACITY: usize = 200_000;

/// What is known of a proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// It was not seen, and is remembered from now on.
    Never,
    /// It was used.
    Before,
    /// There is no room for it.
    Full,
}

/// Proofs by their keys.
pub(crate) struct Remembered {
    capacity: usize,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    by_key: HashMap<[u8; 32], HashMap<[u8; 32], u64>>,
    total: usize,
    /// When what is too old was forgotten last.
    cleaned_at: u64,
}

impl Default for Remembered {
    fn default() -> Self {
        Self::with_capacity(CAPACITY)
    }
}

impl Remembered {
    fn with_capacity(capacity: usize) -> Self {
        Self {
            capacity,
            kept: Mutex::default(),
        }
    }

    /// Remembers a proof of this key until then. Once half of the places are taken, a key that has a 64th of them
    /// gets no more, so that nobody takes the places of others.
    pub(crate) fn see(&self, key: &[u8; 32], jti: &[u8; 32], until: u64, now: u64) -> Seen {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if now.abs_diff(kept.cleaned_at) >= 10 || kept.total >= self.capacity {
            kept.clean(now);
        }
        let total = kept.total;
        let own = kept.by_key.get(key);
        if own.is_some_and(|own| own.get(jti).is_some_and(|until| now < *until)) {
            return Seen::Before;
        }
        let holds = own.map_or(0, HashMap::len);
        if total >= self.capacity || (total >= self.capacity / 2 && holds >= self.capacity / 64) {
            return Seen::Full;
        }
        if kept
            .by_key
            .entry(*key)
            .or_default()
            .insert(*jti, until)
            .is_none()
        {
            kept.total += 1;
        }
        Seen::Never
    }
}

impl Kept {
    fn clean(&mut self, now: u64) {
        self.by_key.retain(|_, own| {
            own.retain(|_, until| now < *until);
            !own.is_empty()
        });
        self.total = self.by_key.values().map(HashMap::len).sum();
        self.cleaned_at = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(n: u64) -> [u8; 32] {
        let mut name = [0; 32];
        name[..8].copy_from_slice(&n.to_be_bytes());
        name
    }

    #[test]
    fn a_proof_is_good_once_until_it_is_too_old_and_another_keys_is_another() {
        let seen = Remembered::with_capacity(1000);
        assert_eq!(seen.see(&[1; 32], &name(1), 160, 100), Seen::Never);
        assert_eq!(seen.see(&[1; 32], &name(1), 160, 159), Seen::Before);
        assert_eq!(seen.see(&[2; 32], &name(1), 160, 100), Seen::Never);
        assert_eq!(seen.see(&[1; 32], &name(2), 160, 100), Seen::Never);
        assert_eq!(seen.see(&[1; 32], &name(1), 220, 160), Seen::Never);
    }

    #[test]
    fn one_key_fills_its_share_and_keeps_nobody_out_and_time_makes_room() {
        let seen = Remembered::with_capacity(640);
        let greedy = (0..1000).filter(|n| seen.see(&[1; 32], &name(*n), 200, 100) == Seen::Never);
        assert_eq!(greedy.count(), 320);
        assert_eq!(seen.see(&[2; 32], &name(1), 200, 100), Seen::Never);
        // What is remembered stays so.
        assert_eq!(seen.see(&[1; 32], &name(7), 200, 199), Seen::Before);
        for n in 3..100 {
            let key = name(n);
            for jti in 0..10 {
                seen.see(&key, &name(jti), 200, 100);
            }
        }
        assert_eq!(seen.see(&[9; 32], &name(1), 200, 100), Seen::Full);
        assert_eq!(seen.see(&[9; 32], &name(1), 300, 200), Seen::Never);
        assert_eq!(seen.kept.lock().unwrap().total, 1);
    }
}
