//! Challenges, issued without being stored: the id says when it expires, the nonce is computed
//! again from the id and the host's key.

use core::{fmt, str::FromStr};

use hmac::{Hmac, KeyInit, Mac};
use rand_core::TryCryptoRng;
use sha2::Sha512;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::{ClientId, Denied, Error, Nonce, spent::SpentKey};

const CHALLENGE_DST: &[u8] = b"2FApi-v1.0-Challenge";
const ID_PREFIX: &str = "ch-";
const ID_BYTES: usize = 12;

/// How long a challenge lives, in whole seconds: 1 to 900, 120 by default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChallengeTtl(u32);

impl ChallengeTtl {
    /// The longest life of a challenge in seconds.
    pub const MAX_SECONDS: u32 = 900;

    /// Checks the range.
    ///
    /// # Errors
    /// [`Error::InvalidEncoding`] outside 1 to 900 seconds.
    pub const fn from_seconds(seconds: u32) -> Result<Self, Error> {
        if seconds == 0 || seconds > Self::MAX_SECONDS {
            return Err(Error::InvalidEncoding {
                what: "challenge TTL",
                expected: "1 to 900 seconds",
            });
        }
        Ok(Self(seconds))
    }

    /// The life in seconds.
    #[must_use]
    pub const fn seconds(self) -> u32 {
        self.0
    }
}

impl Default for ChallengeTtl {
    fn default() -> Self {
        Self(120)
    }
}

/// The name of a challenge: `ch-` and 24 lower-case hex digits, being 4 bytes expiry (Unix seconds,
/// big-endian) and 8 random bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ChallengeId([u8; ID_BYTES]);

impl ChallengeId {
    /// Length of the text in bytes.
    pub const TEXT_LEN: usize = ID_PREFIX.len() + 2 * ID_BYTES;

    /// Decodes the text form, exactly.
    ///
    /// # Errors
    /// [`Denied`]: an id that no host issues is like one that was never issued.
    pub fn parse(text: &str) -> Result<Self, Denied> {
        Self::from_text_bytes(text.as_bytes())
    }

    /// Decodes the text form from bytes that need not be UTF-8.
    ///
    /// # Errors
    /// [`Denied`], as [`ChallengeId::parse`].
    pub fn from_text_bytes(text: &[u8]) -> Result<Self, Denied> {
        let digits = text.strip_prefix(ID_PREFIX.as_bytes()).ok_or(Denied)?;
        if digits.len() != 2 * ID_BYTES {
            return Err(Denied);
        }
        let nibble = |digit: u8| match digit {
            b'0'..=b'9' => Ok(digit - b'0'),
            b'a'..=b'f' => Ok(digit - b'a' + 10),
            _ => Err(Denied),
        };
        let mut bytes = [0; ID_BYTES];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = nibble(pair[0])? << 4 | nibble(pair[1])?;
        }
        Ok(Self(bytes))
    }

    /// The id as it is sent: `ch-` and 24 lower-case hex digits, all of it ASCII.
    #[must_use]
    pub fn to_text(&self) -> [u8; Self::TEXT_LEN] {
        const DIGITS: [u8; 16] = *b"0123456789abcdef";
        let mut text = [0; Self::TEXT_LEN];
        let (prefix, digits) = text.split_at_mut(ID_PREFIX.len());
        prefix.copy_from_slice(ID_PREFIX.as_bytes());
        for (pair, byte) in digits.chunks_exact_mut(2).zip(self.0) {
            pair[0] = DIGITS[usize::from(byte >> 4)];
            pair[1] = DIGITS[usize::from(byte & 15)];
        }
        text
    }

    /// When the challenge expires, in Unix seconds. It is live while now < expiry.
    #[must_use]
    pub const fn expires_at(&self) -> u32 {
        let [a, b, c, d, ..] = self.0;
        u32::from_be_bytes([a, b, c, d])
    }
}

impl ChallengeId {
    /// Which of the operator's roots it was issued under, where the host has numbered roots.
    pub(crate) const fn root_number(&self) -> u8 {
        self.0[4]
    }
}

impl fmt::Display for ChallengeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Of ASCII alone.
        f.write_str(core::str::from_utf8(&self.to_text()).unwrap_or(ID_PREFIX))
    }
}

impl fmt::Debug for ChallengeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for ChallengeId {
    type Err = Denied;
    fn from_str(text: &str) -> Result<Self, Denied> {
        Self::parse(text)
    }
}

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
}

/// Both parts are zeroized by their own drop.
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
        Self { bytes, keyed }
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
    use alloc::{format, string::ToString};
    use proptest::prelude::*;

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
    fn only_the_exact_text_form_is_an_id() {
        let good = "ch-6afd86c037009872e54f07c1";
        assert_eq!(ChallengeId::parse(good).unwrap().to_string(), good);
        assert_eq!(
            ChallengeId::parse(good).unwrap().expires_at(),
            1_795_000_000
        );
        for bad in [
            "",
            "ch-",
            "6afd86c037009872e54f07c1",
            "ch-6AFD86C037009872E54F07C1",
            "CH-6afd86c037009872e54f07c1",
            "ch-6afd86c037009872e54f07c",
            "ch-6afd86c037009872e54f07c10",
            "ch-6afd86c037009872e54f07cg",
            " ch-6afd86c037009872e54f07c1",
            "ch-6afd86c037009872e54f07c1\n",
        ] {
            assert_eq!(ChallengeId::parse(bad), Err(Denied), "{bad:?}");
        }
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

    #[test]
    fn a_ttl_is_1_to_900_seconds() {
        assert!(ChallengeTtl::from_seconds(0).is_err());
        assert!(ChallengeTtl::from_seconds(901).is_err());
        assert_eq!(ChallengeTtl::from_seconds(900).unwrap().seconds(), 900);
    }

    proptest! {
        #[test]
        fn ids_survive_a_round_trip(bytes: [u8; 12]) {
            let id = ChallengeId(bytes);
            prop_assert_eq!(ChallengeId::parse(&id.to_string()), Ok(id));
            prop_assert_eq!(id.to_string().len(), ChallengeId::TEXT_LEN);
        }

        #[test]
        fn arbitrary_text_never_panics(text in "\\PC{0,60}") {
            if let Ok(id) = ChallengeId::parse(&text) {
                prop_assert_eq!(id.to_string(), text);
            }
        }
    }
}
