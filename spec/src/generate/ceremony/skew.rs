//! Scripts of hosts that share a store: their reading of its clock is wrong, and the store decides.

use rand_chacha::ChaCha20Rng;

use super::{AUDIENCE, NOW, Writing};
use crate::cases::{CeremonyScript, CeremonyStep};

pub(super) fn all(rng: &mut ChaCha20Rng) -> Vec<CeremonyScript> {
    [
        (0, "no-skew"),
        (2, "a-skew-of-2-seconds"),
        (60, "a-skew-of-60-seconds"),
    ]
    .map(|(skew, name)| script(rng, name, skew).script)
    .into()
}

/// A challenge of the second `NOW`, which is alive until 120 seconds later.
fn script<'r>(rng: &'r mut ChaCha20Rng, name: &str, skew: u32) -> Writing<'r> {
    let mut host = Writing::with(rng, name, Some(AUDIENCE), 120, 1000);
    host.script.host.skew = skew;
    let skew = u64::from(skew);
    let (alice, expiry) = (host.enrolled("alice"), NOW + 120);
    // In this order, for the store's clock does not go back.
    let cases = [
        // The host reads an earlier time than it is, and no challenge that lives longer than any of its own.
        (NOW - skew, NOW, "accepted"),
        (NOW - skew - 1, NOW, "denied"),
        (NOW, NOW, "accepted"),
        // A later one, and what has expired by it.
        (expiry + skew - 1, expiry - 1, "accepted"),
        (expiry + skew, expiry - 1, "denied"),
        (expiry - 1, expiry - 1, "accepted"),
        // The store has the clock itself: what has expired by it is not spent, whatever the host reads.
        (expiry - 1, expiry, "denied"),
        (expiry + skew - 1, expiry, "denied"),
    ];
    let issued = cases.map(|case| (case, host.challenge(NOW, "alice")));
    for ((reading, store, answer), challenge) in issued {
        host.authenticate(reading, &alice, &challenge, answer);
        if let Some(CeremonyStep::Authenticate { store_now, .. }) = host.script.steps.last_mut() {
            *store_now = Some(store);
        }
    }
    host
}
