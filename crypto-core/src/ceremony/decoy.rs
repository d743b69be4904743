//! Commitments that stand in for those of clients that are not there, so that an attempt for one costs
//! what every attempt costs.

use alloc::{boxed::Box, vec::Vec};
use core::hash::Hasher;

use curve25519_dalek::RistrettoPoint;
use once_cell::race::OnceBox;
use sha2::{Digest, Sha512};
use siphasher::sip::SipHasher24;
use zeroize::Zeroizing;

use crate::{ClientId, Commitment, CredentialId};

const DECOY_DST: &[u8] = b"2FApi-v1.0-Decoy-Commitment";

/// How many decoys there are. Each client id has one of them, always the same: a host that keeps
/// decoded commitments finds that of a stranger cold at first and warm later, as it finds those of clients.
const COUNT: usize = 4096;

/// Chooses a decoy by client id. The key is the host's, so that nobody can tell which ids share one.
pub struct Decoys {
    key: Zeroizing<[u8; 16]>,
}

impl Decoys {
    /// A choice that depends on `key`, which the host draws. Computes the decoys if this process has not
    /// yet, which takes as long as some thousand verifications; for hosts that fork: do it before.
    #[must_use]
    pub fn new(key: [u8; 16]) -> Self {
        let _ = table();
        Self {
            key: Zeroizing::new(key),
        }
    }

    /// The encoded decoy of this client id: an element of which nobody knows an opening.
    #[must_use]
    pub fn of(&self, client_id: &ClientId) -> &'static [u8; Commitment::LEN] {
        self.of_credential(client_id, None)
    }

    /// The encoded decoy of this credential of this client.
    #[must_use]
    pub fn of_credential(
        &self,
        client_id: &ClientId,
        credential: Option<&CredentialId>,
    ) -> &'static [u8; Commitment::LEN] {
        let mut hasher = SipHasher24::new_with_key(&self.key);
        hasher.write(client_id.as_bytes());
        if let Some(credential) = credential {
            // No client id has a byte like this one.
            hasher.write(&[0]);
            hasher.write(credential.as_bytes());
        }
        &table()[hasher.finish() as usize % COUNT]
    }
}

impl core::fmt::Debug for Decoys {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Decoys(secret)")
    }
}

/// Elements that were hashed out of nothing.
fn table() -> &'static [[u8; Commitment::LEN]] {
    static CELL: OnceBox<Vec<[u8; Commitment::LEN]>> = OnceBox::new();
    CELL.get_or_init(|| {
        let element = |index: u16| {
            let uniform: [u8; 64] = Sha512::new()
                .chain_update(DECOY_DST)
                .chain_update(index.to_be_bytes())
                .finalize()
                .into();
            RistrettoPoint::from_uniform_bytes(&uniform)
                .compress()
                .to_bytes()
        };
        Box::new((0..COUNT as u16).map(element).collect())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::{collections::BTreeSet, format};

    #[test]
    fn every_decoy_is_a_commitment_and_no_two_are_one() {
        let mut seen = BTreeSet::new();
        for decoy in table() {
            assert!(Commitment::from_bytes(decoy).is_ok());
            assert!(seen.insert(*decoy));
        }
        assert_eq!(seen.len(), COUNT);
    }

    #[test]
    fn an_id_keeps_its_decoy_and_another_key_chooses_otherwise() {
        let (a, b) = (Decoys::new([1; 16]), Decoys::new([2; 16]));
        let ids: Vec<ClientId> = (0..200).map(|n| format!("c{n}").parse().unwrap()).collect();
        assert!(ids.iter().all(|id| a.of(id) == a.of(id)));
        let same = ids.iter().filter(|id| a.of(id) == b.of(id)).count();
        assert!(same < 5, "{same}");
        let chosen: BTreeSet<_> = ids.iter().map(|id| *a.of(id)).collect();
        assert!(chosen.len() > 180, "{}", chosen.len());
        let credential = |n: u8| CredentialId::from_bytes([n; 16]);
        let of = |n| a.of_credential(&ids[0], Some(&credential(n)));
        assert_eq!(of(1), of(1));
        let chosen: BTreeSet<_> = (0..200).map(|n| *of(n)).collect();
        assert!(chosen.len() > 180, "{}", chosen.len());
        assert_eq!(format!("{a:?}"), "Decoys(secret)");
    }
}
