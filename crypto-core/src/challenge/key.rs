//! Challenges, issued without being stored: the id says when it expires, the nonce is computed
//! again from the id and the host's key.

use core::fmt;

use hmac::{Hmac, KeyInit, Mac};
use rand_core::TryCryptoRng;
use sha2::Sha512;
use siphasher::sip::SipHasher24;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::{
    id::{ChallengeId, ID_BYTES, ShareTag, SpentKey},
    ttl::ChallengeTtl,
};
use crate::{ClientId, Denied, Error, Nonce};

const CHALLENGE_DST: &[u8] = b"2FApi-v1.0-Challenge";
/// Never the beginning of what a nonce is computed from: that goes on with a length.
const SHARES_DST: &[u8] = b"2FApi-v1.0-SpentShares";

/// What a host knows of a challenge: computed, never stored.
#[derive(Clone, Debug)]
pub struct Challenge {
    /// Its name.
    pub id: ChallengeId,
    /// What the proof must be about.
    pub nonce: Nonce,
    /// Under what it goes into the host's set of spent challenges. Known to the host alone.
    pub spent_key: SpentKey,
}

/// The key from which a host computes its challenges. Whoever knows it can predict nonces, so it is
/// zeroized on drop and silent in `Debug`.
///
/// HMAC's state after the padded key is kept: that halves the hashing of every challenge.
pub struct ChallengeKey {
    bytes: Zeroizing<[u8; Self::LEN]>,
    keyed: Hmac<Sha512>,
    shares: Zeroizing<[u8; 16]>,
}

/// All parts are zeroized by their own drop.
impl ZeroizeOnDrop for ChallengeKey {}

impl ChallengeKey {
    /// Length of the key in bytes.
    pub const LEN: usize = 32;

    /// Draws a fresh key.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the random source fails.
    pub fn generate<R: TryCryptoRng + ?Sized>(rng: &mut R) -> Result<Self, Error> {
        let mut bytes = Zeroizing::new([0; Self::LEN]);
        rng.try_fill_bytes(&mut *bytes)
            .map_err(|_| Error::random_source())?;
        Ok(Self::from_bytes(*bytes))
    }

    /// A key that hosts share, from where they share it.
    #[must_use]
    pub fn from_bytes(bytes: [u8; Self::LEN]) -> Self {
        let bytes = Zeroizing::new(bytes);
        let keyed = keyed(&bytes);
        let tag = keyed.clone().chain_update(SHARES_DST).finalize();
        let mut shares = Zeroizing::new([0; 16]);
        shares.copy_from_slice(&tag.into_bytes()[..16]);
        Self {
            bytes,
            keyed,
            shares,
        }
    }

    /// By what a client's share of the spent set is counted.
    #[must_use]
    pub fn share_tag(&self, client_id: &ClientId) -> ShareTag {
        ShareTag(SipHasher24::new_with_key(&self.shares).hash(client_id.as_bytes()) as u32)
    }

    /// For tags of another use, each of which begins with a domain of its own.
    pub(crate) fn mac(&self) -> Hmac<Sha512> {
        self.keyed.clone()
    }

    /// The key itself, for hosts that keep it in shared memory or a shared store.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.bytes
    }

    /// Issues a challenge that lives from `now` (Unix seconds) for `ttl`.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the random source fails or the clock is beyond the year 2106.
    pub fn issue<R: TryCryptoRng + ?Sized>(
        &self,
        client_id: &ClientId,
        now: u64,
        ttl: ChallengeTtl,
        rng: &mut R,
    ) -> Result<Challenge, Error> {
        self.issue_numbered(client_id, now, ttl, None, rng)
    }

    /// Issues a challenge whose id names the root that this key is derived from.
    pub(crate) fn issue_numbered<R: TryCryptoRng + ?Sized>(
        &self,
        client_id: &ClientId,
        now: u64,
        ttl: ChallengeTtl,
        root_number: Option<u8>,
        rng: &mut R,
    ) -> Result<Challenge, Error> {
        let expiry = now
            .checked_add(u64::from(ttl.seconds()))
            .and_then(|expiry| u32::try_from(expiry).ok())
            .ok_or_else(|| Error::Unavailable {
                reason: "the clock is beyond what a challenge id can say (the year 2106)".into(),
            })?;
        let mut id = [0; ID_BYTES];
        id[..4].copy_from_slice(&expiry.to_be_bytes());
        rng.try_fill_bytes(&mut id[4..])
            .map_err(|_| Error::random_source())?;
        if let Some(number) = root_number {
            id[4] = number;
        }
        Ok(self.challenge(client_id, ChallengeId(id)))
    }

    /// Computes a challenge again that somebody claims to have been issued. It is live while
    /// now < expiry ≤ now + TTL.
    ///
    /// # Errors
    /// [`Denied`] when it has expired, or expires later than any that could have been issued.
    pub fn recompute(
        &self,
        client_id: &ClientId,
        id: ChallengeId,
        now: u64,
        ttl: ChallengeTtl,
    ) -> Result<Challenge, Denied> {
        self.recompute_within(client_id, id, now, ttl, 0)
    }

    /// As [`ChallengeKey::recompute`], by a clock that may be wrong by `skew` seconds.
    pub(crate) fn recompute_within(
        &self,
        client_id: &ClientId,
        id: ChallengeId,
        now: u64,
        ttl: ChallengeTtl,
        skew: u32,
    ) -> Result<Challenge, Denied> {
        let (expiry, skew) = (u64::from(id.expires_at()), u64::from(skew));
        let latest = now
            .saturating_add(u64::from(ttl.seconds()))
            .saturating_add(skew);
        if now < expiry.saturating_add(skew) && expiry <= latest {
            Ok(self.challenge(client_id, id))
        } else {
            Err(Denied)
        }
    }

    /// HMAC-SHA-512(key, DST ‖ LP(clientId) ‖ id): 16 bytes nonce, the next 16 the spent key.
    fn challenge(&self, client_id: &ClientId, id: ChallengeId) -> Challenge {
        let tag = self
            .keyed
            .clone()
            .chain_update(CHALLENGE_DST)
            .chain_update((client_id.as_bytes().len() as u32).to_be_bytes())
            .chain_update(client_id.as_bytes())
            .chain_update(id.0)
            .finalize()
            .into_bytes();
        let mut nonce = [0; Nonce::ISSUED_LEN];
        let mut spent_key = [0; SpentKey::LEN];
        nonce.copy_from_slice(&tag[..16]);
        spent_key.copy_from_slice(&tag[16..32]);
        Challenge {
            id,
            nonce: Nonce::issued(nonce),
            spent_key: SpentKey::from_bytes(spent_key),
        }
    }
}

/// HMAC under a key of 32 bytes. RFC 2104 pads a short key with zeros to the block length, so doing it here
/// is the same and cannot fail.
pub(crate) fn keyed(key: &[u8; 32]) -> Hmac<Sha512> {
    let mut block = hmac::digest::Key::<Hmac<Sha512>>::default();
    block[..key.len()].copy_from_slice(key);
    let keyed = <Hmac<Sha512> as KeyInit>::new(&block);
    block.as_mut_slice().zeroize();
    keyed
}

impl fmt::Debug for ChallengeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ChallengeKey(secret)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Broken, rng};
    use alloc::format;

    const NOW: u64 = 1_795_000_000;

    fn key() -> ChallengeKey {
        ChallengeKey::generate(&mut rng(1)).unwrap()
    }

    fn client(text: &str) -> ClientId {
        ClientId::parse(text).unwrap()
    }

    #[test]
    fn an_issued_challenge_is_live_for_exactly_its_ttl() {
        let (key, id, ttl) = (key(), client("alice"), ChallengeTtl::default());
        let issued = key.issue(&id, NOW, ttl, &mut rng(2)).unwrap();
        for (now, live) in [
            (NOW - 1, false),
            (NOW, true),
            (NOW + 119, true),
            (NOW + 120, false),
        ] {
            let again = key.recompute(&id, issued.id, now, ttl);
            assert_eq!(again.is_ok(), live, "{now}");
            if let Ok(again) = again {
                assert_eq!(again.nonce, issued.nonce);
                assert_eq!(again.spent_key, issued.spent_key);
            }
        }
    }

    #[test]
    fn another_key_or_client_gives_another_nonce() {
        let (key, ttl) = (key(), ChallengeTtl::default());
        let issued = key.issue(&client("alice"), NOW, ttl, &mut rng(2)).unwrap();
        let other_client = key.recompute(&client("bob"), issued.id, NOW, ttl).unwrap();
        assert_ne!(other_client.nonce, issued.nonce);
        assert_ne!(other_client.spent_key, issued.spent_key);
        let other_key = ChallengeKey::generate(&mut rng(3)).unwrap();
        let other = other_key
            .recompute(&client("alice"), issued.id, NOW, ttl)
            .unwrap();
        assert_ne!(other.nonce, issued.nonce);
    }

    #[test]
    fn clients_are_counted_under_tags_that_depend_on_the_key() {
        let tag = |key: u8, id| ChallengeKey::from_bytes([key; 32]).share_tag(&client(id));
        assert_eq!(tag(1, "alice"), tag(1, "alice"));
        assert_ne!(tag(1, "alice"), tag(1, "bob"));
        assert_ne!(tag(1, "alice"), tag(2, "alice"));
    }

    #[test]
    fn the_key_is_padded_as_hmac_does_it() {
        let key = [7; ChallengeKey::LEN];
        let mut padded = keyed(&key);
        let mut plain = <Hmac<Sha512> as KeyInit>::new_from_slice(&key).unwrap();
        padded.update(b"x");
        plain.update(b"x");
        assert_eq!(
            padded.finalize().into_bytes(),
            plain.finalize().into_bytes()
        );
    }

    #[test]
    fn a_key_prints_nothing_and_a_failing_source_makes_none() {
        assert_eq!(format!("{:?}", key()), "ChallengeKey(secret)");
        assert!(ChallengeKey::generate(&mut Broken).is_err());
        assert!(
            key()
                .issue(&client("a"), NOW, ChallengeTtl::default(), &mut Broken)
                .is_err()
        );
    }

    #[test]
    fn a_clock_beyond_2106_is_an_error() {
        for now in [u64::from(u32::MAX) - 5, u64::MAX] {
            let issued = key().issue(&client("a"), now, ChallengeTtl::default(), &mut rng(1));
            assert_eq!(issued.unwrap_err().code(), crate::ErrorCode::Unavailable);
        }
    }
}
