//! From what a host computes its challenges: the operator's roots, and the epoch of its spent set.

use alloc::vec::Vec;
use core::fmt;

use hmac::{Hmac, Mac};
use rand_core::TryCryptoRng;
use sha2::Sha512;
use zeroize::Zeroizing;

use crate::{
    Challenge, ChallengeId, ChallengeKey, ChallengeTtl, ClientId, Denied, Error, ShareTag,
    challenge::keyed,
};

const CHALLENGE_KEY_DST: &[u8] = b"2FApi-v1.0-ChallengeKey";

/// A secret of the operator's from which challenge keys are derived. Its number stands in every
/// challenge id, so that an id has one key and never two. Zeroized on drop, silent in `Debug`.
pub struct Root {
    number: u8,
    bytes: Zeroizing<[u8; Self::LEN]>,
}

impl Root {
    /// Length of a root in bytes.
    pub const LEN: usize = 32;

    /// A root from where the operator keeps it.
    #[must_use]
    pub fn new(number: u8, bytes: [u8; Self::LEN]) -> Self {
        Self {
            number,
            bytes: Zeroizing::new(bytes),
        }
    }

    /// Draws a root, for a host that shares its store with no other.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the random source fails.
    pub fn generate<R: TryCryptoRng + ?Sized>(number: u8, rng: &mut R) -> Result<Self, Error> {
        let mut bytes = Zeroizing::new([0; Self::LEN]);
        rng.try_fill_bytes(&mut *bytes)
            .map_err(|_| Error::random_source())?;
        Ok(Self { number, bytes })
    }

    /// The number that challenge ids name it by.
    #[must_use]
    pub const fn number(&self) -> u8 {
        self.number
    }

    /// First 32 bytes of HMAC-SHA-512(root, DST ‖ LP(epoch)).
    fn challenge_key(&self, epoch: &Epoch) -> ChallengeKey {
        let mut mac = keyed(&self.bytes);
        mac.update(CHALLENGE_KEY_DST);
        mac.update(&(Epoch::LEN as u32).to_be_bytes());
        mac.update(epoch.as_bytes());
        let tag = Zeroizing::new(<[u8; 64]>::from(mac.finalize().into_bytes()));
        let mut key = Zeroizing::new([0; ChallengeKey::LEN]);
        key.copy_from_slice(&tag[..ChallengeKey::LEN]);
        ChallengeKey::from_bytes(*key)
    }
}

impl fmt::Debug for Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Root({}, secret)", self.number)
    }
}

/// Which life of a spent set a challenge belongs to: drawn anew whenever the set may have lost an
/// entry, so that no challenge outlives the memory of its being spent. Not secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Epoch([u8; Self::LEN]);

impl Epoch {
    /// Length of an epoch in bytes.
    pub const LEN: usize = 16;

    /// The epoch from where the set keeps it.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; Self::LEN]) -> Self {
        Self(bytes)
    }

    /// Draws a new one.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the random source fails.
    pub fn generate<R: TryCryptoRng + ?Sized>(rng: &mut R) -> Result<Self, Error> {
        let mut bytes = [0; Self::LEN];
        rng.try_fill_bytes(&mut bytes)
            .map_err(|_| Error::random_source())?;
        Ok(Self(bytes))
    }

    /// The epoch as the set keeps it.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.0
    }
}

/// The challenge keys of one epoch, one for each root. Derived again when the epoch changes.
pub struct Keys {
    epoch: Epoch,
    /// The first one issues; every one is recognized.
    keys: Vec<(u8, ChallengeKey)>,
}

impl Keys {
    /// The keys of an epoch. The first root issues; challenges of the others are still good.
    ///
    /// # Errors
    /// [`Error::InvalidEncoding`] when there is no root, or two have one number.
    pub fn derive(roots: &[Root], epoch: Epoch) -> Result<Self, Error> {
        let twice = |(at, root): (usize, &Root)| {
            let before = roots.get(..at).unwrap_or_default();
            before.iter().any(|other| other.number == root.number)
        };
        if roots.is_empty() || roots.iter().enumerate().any(twice) {
            return Err(Error::InvalidEncoding {
                what: "the roots of challenge keys",
                expected: "at least one, each with a number of its own",
            });
        }
        let keys = roots
            .iter()
            .map(|root| (root.number, root.challenge_key(&epoch)))
            .collect();
        Ok(Self { epoch, keys })
    }

    /// Which epoch they are of.
    #[must_use]
    pub const fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Issues a challenge that lives from `now` (Unix seconds, by the set's clock) for `ttl`.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the random source fails or the clock is beyond the year 2106.
    pub(super) fn issue<R: TryCryptoRng + ?Sized>(
        &self,
        client_id: &ClientId,
        now: u64,
        ttl: ChallengeTtl,
        rng: &mut R,
    ) -> Result<Challenge, Error> {
        let (number, key) = self.current();
        key.issue_numbered(client_id, now, ttl, Some(*number), rng)
    }

    /// Computes a challenge again that somebody claims to have been issued; of a root that nobody knows
    /// there is none.
    pub(super) fn recompute(
        &self,
        client_id: &ClientId,
        id: ChallengeId,
        now: u64,
        ttl: ChallengeTtl,
        skew: u32,
    ) -> Result<Challenge, Denied> {
        let named = id.root_number();
        let (_, key) = self
            .keys
            .iter()
            .find(|(number, _)| *number == named)
            .ok_or(Denied)?;
        key.recompute_within(client_id, id, now, ttl, skew)
    }

    /// A tag of this use, by the key that a challenge is of; of a root that nobody knows there is none.
    pub(super) fn mac(&self, id: ChallengeId, dst: &[u8]) -> Option<Hmac<Sha512>> {
        let named = id.root_number();
        let (_, key) = self.keys.iter().find(|(number, _)| *number == named)?;
        Some(key.mac().chain_update(dst))
    }

    /// By what a client's share of a spent set is counted. Nobody without the key can find another client
    /// with the same tag.
    pub(super) fn share_tag(&self, client_id: &ClientId) -> ShareTag {
        self.current().1.share_tag(client_id)
    }

    fn current(&self) -> &(u8, ChallengeKey) {
        // `derive` takes no empty list.
        &self.keys[0]
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keys(of {:?}, secret)", self.epoch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Broken, rng};
    use alloc::format;
    use hmac::KeyInit;

    const NOW: u64 = 1_795_000_000;

    fn root(number: u8) -> Root {
        Root::new(number, [number; Root::LEN])
    }

    fn epoch(seed: u64) -> Epoch {
        Epoch::generate(&mut rng(seed)).unwrap()
    }

    fn alice() -> ClientId {
        "alice".parse().unwrap()
    }

    #[test]
    fn the_key_of_a_challenge_is_derived_as_the_protocol_says() {
        let epoch = Epoch::from_bytes([9; 16]);
        let mut mac = <Hmac<Sha512> as KeyInit>::new_from_slice(&[3; 32]).unwrap();
        mac.update(b"2FApi-v1.0-ChallengeKey\0\0\0\x10");
        mac.update(&[9; 16]);
        let expected = mac.finalize().into_bytes();
        assert_eq!(
            root(3).challenge_key(&epoch).as_bytes().as_slice(),
            &expected[..32]
        );
    }

    #[test]
    fn a_challenge_of_one_epoch_has_another_nonce_in_every_other() {
        let ttl = ChallengeTtl::default();
        let keys = |seed| Keys::derive(&[root(1)], epoch(seed)).unwrap();
        let issued = keys(1).issue(&alice(), NOW, ttl, &mut rng(2)).unwrap();
        let again = |seed| keys(seed).recompute(&alice(), issued.id, NOW, ttl, 0);
        assert_eq!(again(1).unwrap().nonce, issued.nonce);
        assert_ne!(again(2).unwrap().nonce, issued.nonce);
    }

    #[test]
    fn the_number_in_an_id_names_the_one_root_that_it_belongs_to() {
        let ttl = ChallengeTtl::default();
        let old = Keys::derive(&[root(7)], epoch(1)).unwrap();
        let both = Keys::derive(&[root(8), root(7)], epoch(1)).unwrap();
        let new = Keys::derive(&[root(8)], epoch(1)).unwrap();
        let before = old.issue(&alice(), NOW, ttl, &mut rng(1)).unwrap();
        let after = both.issue(&alice(), NOW, ttl, &mut rng(2)).unwrap();
        assert_eq!((before.id.root_number(), after.id.root_number()), (7, 8));
        let again = |keys: &Keys, issued: &Challenge| {
            keys.recompute(&alice(), issued.id, NOW, ttl, 0)
                .map(|challenge| challenge.nonce == issued.nonce)
        };
        assert_eq!(again(&both, &before), Ok(true));
        assert_eq!(again(&both, &after), Ok(true));
        assert_eq!(again(&new, &before), Err(Denied));
    }

    #[test]
    fn roots_are_there_and_told_apart() {
        assert!(Keys::derive(&[], epoch(1)).is_err());
        assert!(Keys::derive(&[root(1), root(2), root(1)], epoch(1)).is_err());
    }

    #[test]
    fn clients_have_tags_that_depend_on_the_epoch() {
        let keys = |seed| Keys::derive(&[root(1)], epoch(seed)).unwrap();
        let bob = "bob".parse().unwrap();
        assert_eq!(keys(1).share_tag(&alice()), keys(1).share_tag(&alice()));
        assert_ne!(keys(1).share_tag(&alice()), keys(1).share_tag(&bob));
        assert_ne!(keys(1).share_tag(&alice()), keys(2).share_tag(&alice()));
    }

    #[test]
    fn secrets_are_silent_and_a_failing_source_makes_none() {
        assert_eq!(format!("{:?}", root(1)), "Root(1, secret)");
        let keys = Keys::derive(&[root(1)], Epoch::from_bytes([0; 16])).unwrap();
        assert!(format!("{keys:?}").ends_with("secret)"));
        assert!(Root::generate(1, &mut Broken).is_err());
        assert!(Epoch::generate(&mut Broken).is_err());
    }
}
