//! How many entries of a spent set each client has: a table of counters that lies in the slots of the
//! set, beside its entries, and is looked up by linear probing.

/// A slot with room for a counter. A count of 0 is a free one.
pub(crate) trait Counter: Copy {
    /// Whose entries are counted here, and how many they are.
    fn counter(&self) -> (u32, u32);
    /// Counts so many of this client here.
    fn set_counter(&mut self, share: u32, count: u32);
}

/// Whether the client has used its share up: a 64th of the capacity, but 16, once half of the places are
/// taken. Before that nobody is in anybody's way.
pub(crate) fn is_used_up<S: Counter>(slots: &[S], share: u32, live: u32, capacity: u32) -> bool {
    live >= capacity / 2 && count(slots, share) >= of_one(capacity)
}

/// A 64th, but 16.
pub(crate) const fn of_one(capacity: u32) -> u32 {
    if capacity / 64 > 16 {
        capacity / 64
    } else {
        16
    }
}

/// How many entries the client has.
fn count<S: Counter>(slots: &[S], share: u32) -> u32 {
    place(slots, share).map_or(0, |at| slots[at].counter().1)
}

/// Counts one more.
pub(crate) fn count_one<S: Counter>(slots: &mut [S], share: u32) {
    let (Ok(at) | Err(at)) = place(slots, share);
    let (_, count) = slots[at].counter();
    slots[at].set_counter(share, count + 1);
}

/// Counts one less.
pub(crate) fn uncount_one<S: Counter>(slots: &mut [S], share: u32) {
    let Ok(at) = place(slots, share) else { return };
    let (_, count) = slots[at].counter();
    slots[at].set_counter(share, count - 1);
    if count > 1 {
        return;
    }
    let len = slots.len();
    let gap = close_gap(
        slots,
        at,
        |slot| {
            let (share, count) = slot.counter();
            (count != 0).then(|| home(share, len))
        },
        |gap, slot| {
            let (share, count) = slot.counter();
            gap.set_counter(share, count);
        },
    );
    slots[gap].set_counter(0, 0);
}

/// Where a client's entries are counted, or the free place for it. There are fewer clients than slots, so
/// this ends.
fn place<S: Counter>(slots: &[S], share: u32) -> Result<usize, usize> {
    let mut at = home(share, slots.len());
    loop {
        match slots[at].counter() {
            (_, 0) => return Err(at),
            (counted, _) if counted == share => return Ok(at),
            _ => at = after(at, slots.len()),
        }
    }
}

fn home(share: u32, slots: usize) -> usize {
    ((u64::from(share) * slots as u64) >> 32) as usize
}

/// The place that is looked at next, cyclically.
pub(crate) const fn after(at: usize, slots: usize) -> usize {
    if at + 1 == slots { 0 } else { at + 1 }
}

/// Moves entries of linear probing up into the place at `gap`, and says which place is free in the end.
/// `home` is where looking for the entry of a slot begins, nowhere for a free one.
pub(crate) fn close_gap<S: Copy>(
    slots: &mut [S],
    mut gap: usize,
    home: impl Fn(&S) -> Option<usize>,
    shift: impl Fn(&mut S, &S),
) -> usize {
    let len = slots.len();
    let mut at = gap;
    loop {
        at = after(at, len);
        let slot = slots[at];
        let Some(home) = home(&slot) else { return gap };
        // An entry may move to the gap unless its home lies behind the gap, cyclically.
        if (at + len - home) % len >= (at + len - gap) % len {
            shift(&mut slots[gap], &slot);
            gap = at;
        }
    }
}
