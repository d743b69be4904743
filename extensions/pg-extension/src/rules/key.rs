//! The challenge key of a database: a challenge is good in the database that issued it and in no other,
//! though all of a server share the memory.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha512;
use twofapi_crypto_core::ChallengeKey;

const DST: &[u8] = b"2FApi-v1.0-Database";

/// The first 32 bytes of HMAC-SHA-512(the server's key, DST ‖ the database's OID, big-endian).
pub(crate) fn of_database(server: &[u8; ChallengeKey::LEN], database: u32) -> ChallengeKey {
    // HMAC pads a short key with zeros to the block length, so doing it here is the same and cannot
    // fail.
    let mut block = hmac::digest::Key::<Hmac<Sha512>>::default();
    for (place, byte) in block.iter_mut().zip(server) {
        *place = *byte;
    }
    let tag = Hmac::<Sha512>::new(&block)
        .chain_update(DST)
        .chain_update(database.to_be_bytes())
        .finalize()
        .into_bytes();
    let mut key = [0; ChallengeKey::LEN];
    for (place, byte) in key.iter_mut().zip(tag) {
        *place = byte;
    }
    ChallengeKey::from_bytes(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_database_has_a_key_of_its_own_and_keeps_it() {
        let key = |server: u8, database| *of_database(&[server; 32], database).as_bytes();
        assert_eq!(key(1, 5), key(1, 5));
        assert_ne!(key(1, 5), key(1, 6));
        assert_ne!(key(1, 5), key(2, 5));
        assert_ne!(key(1, 5), [1; 32]);
    }
}
