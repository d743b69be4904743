//! The root of a database's challenge keys: a challenge is good in the database that issued it and in no
//! other, though all of a server share the memory and the epoch.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha512;
use twofapi_crypto_core::ceremony::Root;

const DST: &[u8] = b"2FApi-v1.0-Database";

/// A server has one root, and draws it at its start.
const NUMBER: u8 = 0;

/// The first 32 bytes of HMAC-SHA-512(the server's secret, DST ‖ the database's OID, big-endian).
pub(crate) fn of_database(server: &[u8; Root::LEN], database: u32) -> Root {
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
    let mut root = [0; Root::LEN];
    for (place, byte) in root.iter_mut().zip(tag) {
        *place = byte;
    }
    Root::new(NUMBER, root)
}

#[cfg(test)]
mod tests {
    use super::*;
    use twofapi_crypto_core::{
        AuthenticationBinding, ClientId,
        ceremony::{Decoys, Epoch, Keys, Terms},
    };

    const NOW: u64 = 1_795_000_000;

    fn keys(server: u8, database: u32, epoch: u8) -> Keys {
        let root = of_database(&[server; Root::LEN], database);
        Keys::derive(&[root], Epoch::from_bytes([epoch; Epoch::LEN])).unwrap()
    }

    #[test]
    fn a_challenge_is_its_databases_its_servers_and_its_epochs_alone() {
        let terms = Terms::new(AuthenticationBinding::none(), Decoys::new([1; 16]));
        let alice: ClientId = "alice".parse().unwrap();
        let ours = keys(1, 5, 9);
        let issued = terms.challenge(&ours, &alice, NOW, &mut getrandom::SysRng);
        let issued = issued.unwrap();
        let again = |keys: &Keys| {
            terms
                .nonce(keys, &alice, &issued.id.to_text(), NOW)
                .unwrap()
        };
        assert_eq!(again(&keys(1, 5, 9)), issued.nonce);
        for others in [keys(1, 6, 9), keys(2, 5, 9), keys(1, 5, 8)] {
            assert_ne!(again(&others), issued.nonce);
        }
    }
}
