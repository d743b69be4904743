//! Secrets are gone from memory when their owner is dropped: looked at, not believed.
//!
//! What zeroizing cannot do: reach registers, and pages that the system swapped out or dumped.

use std::mem::MaybeUninit;

use twofapi_crypto_core::{ChallengeKey, Credential};

/// The bytes of a value before and after it is dropped in place, in memory that stays ours.
fn before_and_after_drop<T>(value: T) -> (Vec<u8>, Vec<u8>) {
    let mut place = Box::new(MaybeUninit::new(value));
    let look = |place: &MaybeUninit<T>| -> Vec<u8> {
        let start = place.as_ptr().cast::<u8>();
        (0..size_of::<T>())
            // SAFETY: within the box, which stays allocated; none of the types looked at has padding,
            // and dropping in place leaves every byte initialized.
            .map(|offset| unsafe { start.add(offset).read_volatile() })
            .collect()
    };
    let before = look(&place);
    // SAFETY: the value was initialized above, is dropped once, and is not used as a T afterwards.
    unsafe { place.as_mut_ptr().drop_in_place() };
    (before, look(&place))
}

fn credential() -> Credential {
    Credential::generate(&mut getrandom::SysRng).expect("randomness")
}

#[test]
fn dropped_secret_bytes_are_zero() {
    let credential = credential();
    for exposed in [credential.secret_bytes(), credential.blinding_bytes()] {
        let (before, after) = before_and_after_drop(exposed);
        assert!(before.iter().any(|&byte| byte != 0));
        assert!(after.iter().all(|&byte| byte == 0));
    }
}

#[test]
fn a_dropped_challenge_key_is_zero() {
    let (before, after) = before_and_after_drop(ChallengeKey::from_bytes([0xa5; 32]));
    assert!(before.windows(32).any(|bytes| bytes == [0xa5; 32]));
    // HMAC's two states are as good as the key: sixteen words that look random.
    let words = |bytes: &[u8]| -> Vec<[u8; 8]> { bytes.as_chunks().0.to_vec() };
    let secret = |word: &[u8; 8]| word.iter().filter(|&&byte| byte != 0).count() > 4;
    assert!(words(&before).iter().filter(|word| secret(word)).count() >= 16 + 4);
    assert!(!words(&after).iter().any(secret), "{after:x?}");
}

#[cfg(target_os = "linux")]
mod whole_process {
    //! Every writable page of the process, stacks among them.

    use std::{fs, os::unix::fs::FileExt};

    use twofapi_crypto_core::{ClientId, Credential, Enrolment, prove};
    use zeroize::Zeroize;

    const MASK: u8 = 0x5a;

    /// How often 32 bytes stand anywhere in writable memory. They are given masked, so that looking
    /// for them does not find itself.
    fn copies_of(masked: &[u8; 32]) -> usize {
        let maps = fs::read_to_string("/proc/self/maps").expect("proc(5)");
        let memory = fs::File::open("/proc/self/mem").expect("proc(5)");
        let mut copies = 0;
        // Pages that hold the buffer would show what was read before.
        let mut buffer = vec![0; 4 * 4096];
        let own = buffer.as_ptr_range();
        let own = (own.start as u64).saturating_sub(4095 + 31)..own.end as u64;
        for line in maps.lines().filter(|line| line.contains(" rw-p ")) {
            let range = line
                .split(' ')
                .next()
                .and_then(|range| range.split_once('-'));
            let (from, to) = range.expect("a range");
            let address = |hex: &str| u64::from_str_radix(hex, 16).expect("an address");
            for at in (address(from)..address(to)).step_by(4096) {
                if own.contains(&at) {
                    continue;
                }
                let wanted = (4096 + 31).min((address(to) - at) as usize);
                let Ok(read) = memory.read_at(&mut buffer[..wanted], at) else {
                    continue;
                };
                copies += buffer[..read]
                    .windows(32)
                    .filter(|window| window.iter().zip(masked).all(|(b, m)| b ^ MASK == *m))
                    .count();
            }
        }
        copies
    }

    /// A canonical scalar in memory that is never moved.
    fn random_scalar() -> Box<[u8; 32]> {
        let mut bytes = Box::new([0; 32]);
        getrandom::fill(bytes.as_mut()).expect("randomness");
        bytes[31] &= 0x0f;
        bytes
    }

    #[test]
    fn a_dropped_credential_that_has_proven_is_nowhere_in_memory() {
        let client_id = ClientId::parse("alice").expect("well-formed");
        let statement = Enrolment {
            client_id: &client_id,
        };
        let (mut secret, mut blinding) = (random_scalar(), random_scalar());
        let credential = Credential::from_bytes(&*secret, &*blinding).expect("canonical");
        let mut masked = [[0; 32]; 2];
        for (masked, bytes) in masked.iter_mut().zip([&mut secret, &mut blinding]) {
            masked
                .iter_mut()
                .zip(bytes.iter())
                .for_each(|(masked, byte)| *masked = byte ^ MASK);
            bytes.zeroize();
        }
        let credential = std::hint::black_box(credential);
        prove(&credential, &statement, &mut getrandom::SysRng).expect("randomness");
        assert_eq!(masked.map(|masked| copies_of(&masked)), [1, 1], "its own");
        drop(credential);
        assert_eq!(masked.map(|masked| copies_of(&masked)), [0, 0]);
    }
}
