//! Access tokens: EdDSA JWTs (RFC 7519, RFC 8037, RFC 9068), and the keys that sign them.
//!
//! The next key is published before it signs, and a key stays published until the last token that
//! it signed has expired, so that services which cache the key set never meet an unknown key.

use std::sync::{
    Arc, PoisonError, RwLock,
    atomic::{AtomicU64, Ordering},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ed25519_dalek::SigningKey;
use jsonwebtoken::{
    Algorithm, DecodingKey, EncodingKey, Header, Validation, crypto::aws_lc, decode, decode_header,
    encode,
};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;
use twofapi_crypto_core::{ClientId, Error, ceremony::Accepted};
use zeroize::Zeroizing;

use crate::store::{Seed, SigningKeyRecord, Store, overwrite_stack};

/// How long a service may cache the key set, in seconds.
pub const JWKS_MAX_AGE: u64 = 3600;

/// How often the keys are looked up in the store again, in seconds, so that servers which share one
/// learn of each other's keys long before these sign.
const REFRESH: u64 = 60;

/// How long a failing store is left alone before it is asked again, in seconds.
const RETRY: u64 = 5;

/// How many keys that a clock far ahead has left behind are kept.
const STRAY_MAX: usize = 8;

/// When keys are made and dropped. All in seconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KeySchedule {
    /// How long a key signs.
    pub(crate) rotate_after: u64,
    /// How long before it signs a key is published; longer than [`JWKS_MAX_AGE`].
    pub(crate) publish_ahead: u64,
    /// How long a token lives.
    pub(crate) token_ttl: u64,
}

impl KeySchedule {
    /// Which key signs at `now`: the last one that has activated, or the first one while the wall
    /// clock is set to before all of them.
    fn signing(keys: &[SigningKeyRecord], now: u64) -> Option<&SigningKeyRecord> {
        let activated = keys.iter().rev().find(|key| key.activates_at <= now);
        activated.or(keys.first())
    }

    /// The latest that a key activates which this clock has planned. One beyond was made while the
    /// clock was far ahead, or is a good one while the clock is far behind: such keys are neither
    /// counted on nor dropped.
    const fn horizon(&self, now: u64) -> u64 {
        now.saturating_add(self.publish_ahead)
            .saturating_add(self.rotate_after)
    }

    /// When a key that is still missing has to activate, or `None` when none is missing.
    fn missing(&self, keys: &[SigningKeyRecord], now: u64) -> Option<u64> {
        let horizon = self.horizon(now);
        let planned = keys.iter().rev().find(|key| key.activates_at <= horizon);
        let ahead = now.saturating_add(self.publish_ahead);
        let newest = match planned {
            None if keys.is_empty() => return Some(now),
            None => return Some(ahead),
            Some(newest) => newest.activates_at,
        };
        let next = newest.saturating_add(self.rotate_after);
        (now >= next.saturating_sub(self.publish_ahead)).then(|| next.max(ahead))
    }

    /// Keys beyond the horizon, if there are too many of them: the farthest.
    fn stray<'k>(&self, keys: &'k [SigningKeyRecord], now: u64) -> &'k [SigningKeyRecord] {
        let horizon = self.horizon(now);
        let first = keys.partition_point(|key| key.activates_at <= horizon);
        &keys[keys.len().min(first + STRAY_MAX)..]
    }

    /// Keys whose successor has been signing for longer than a token lives.
    fn outlived<'k>(&self, keys: &'k [SigningKeyRecord], now: u64) -> Vec<&'k SigningKeyRecord> {
        keys.windows(2)
            .filter(|pair| now > pair[1].activates_at.saturating_add(self.token_ttl))
            .map(|pair| &pair[0])
            .collect()
    }
}

/// What an access token says (RFC 9068, section 2.2). Times are in Unix seconds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Claims {
    pub(crate) iss: String,
    /// The client id, and again under the name that RFC 9068 requires.
    pub(crate) sub: String,
    pub(crate) client_id: String,
    pub(crate) aud: String,
    pub(crate) iat: u64,
    pub(crate) nbf: u64,
    pub(crate) exp: u64,
    /// Its own name, 128 random bits in hex.
    pub(crate) jti: String,
    /// How the client authenticated (RFC 8176 style): `["zkp"]`.
    pub(crate) amr: Vec<String>,
    /// The version of the commitment that was proven; a rotation outdates the token.
    pub(crate) ver: u32,
}

/// A token that was issued.
#[derive(Clone)]
pub struct AccessToken {
    /// The JWT in compact form. A bearer token: whoever has it is taken for the client.
    pub jwt: Zeroizing<String>,
    /// For how long it is good, in seconds.
    pub expires_in: u64,
}

impl std::fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "AccessToken(secret, good for {} s)", self.expires_in)
    }
}

struct Ring {
    /// By the time at which they activate.
    keys: Vec<SigningKeyRecord>,
    /// In the same order: computing a public key costs as much as a signature.
    public: Vec<[u8; 32]>,
    /// In the same order, zeroized on drop.
    signing: Vec<EncodingKey>,
    /// Those whose successor has been signing for longer than a token lives.
    outlived: Vec<String>,
    read_at: u64,
}

impl Ring {
    fn new(keys: Vec<SigningKeyRecord>, outlived: Vec<String>, read_at: u64) -> Self {
        let public = keys.iter().map(|key| public_key(&key.seed)).collect();
        let signing = keys
            .iter()
            .map(|key| EncodingKey::from_ed_der(&pkcs8(&key.seed)))
            .collect();
        Self {
            keys,
            public,
            signing,
            outlived,
            read_at,
        }
    }

    /// The key that signs at `now`, by its name.
    fn signing(&self, now: u64) -> Option<(&str, &EncodingKey)> {
        let key = KeySchedule::signing(&self.keys, now)?;
        let at = self.keys.iter().position(|other| other.kid == key.kid)?;
        Some((&key.kid, self.signing.get(at)?))
    }

    fn published(&self) -> impl Iterator<Item = (&str, &[u8; 32])> {
        let names = self.keys.iter().map(|key| key.kid.as_str());
        names.zip(&self.public)
    }
}

/// Issues and checks access tokens with the keys of a store.
pub(crate) struct Tokens {
    store: Arc<dyn Store>,
    issuer: String,
    audience: String,
    schedule: KeySchedule,
    ring: RwLock<Arc<Ring>>,
    /// Held by whoever reads the keys again; the others go on with those that there are.
    refreshing: Mutex<()>,
    /// When the store failed last.
    failed_at: AtomicU64,
}

impl Tokens {
    pub(crate) async fn new(
        store: Arc<dyn Store>,
        issuer: String,
        audience: String,
        schedule: KeySchedule,
        now: u64,
    ) -> Result<Self, Error> {
        // A host application that installed a provider before keeps it; it covers EdDSA as well.
        let _ = aws_lc::DEFAULT_PROVIDER.install_default();
        let tokens = Self {
            store,
            issuer,
            audience,
            schedule,
            ring: RwLock::new(Arc::new(Ring::new(Vec::new(), Vec::new(), 0))),
            refreshing: Mutex::new(()),
            failed_at: AtomicU64::new(0),
        };
        tokens.refresh(now).await?;
        Ok(tokens)
    }

    /// A token for a client that was accepted.
    pub(crate) async fn issue(&self, accepted: Accepted, now: u64) -> Result<AccessToken, Error> {
        self.issue_for(accepted.client_id(), accepted.since(), now)
            .await
    }

    async fn issue_for(
        &self,
        client_id: &ClientId,
        commitment_version: u32,
        now: u64,
    ) -> Result<AccessToken, Error> {
        let ring = self.ring(now).await?;
        let (kid, key) = ring
            .signing(now)
            .ok_or_else(|| unavailable("no signing key is active"))?;
        let mut jti = [0; 16];
        getrandom::fill(&mut jti)
            .map_err(|_| unavailable("the random source of the operating system failed"))?;
        let claims = Claims {
            iss: self.issuer.clone(),
            sub: client_id.as_str().to_owned(),
            client_id: client_id.as_str().to_owned(),
            aud: self.audience.clone(),
            iat: now,
            nbf: now,
            exp: now.saturating_add(self.schedule.token_ttl),
            jti: hex::encode(jti),
            amr: vec!["zkp".into()],
            ver: commitment_version,
        };
        let header = Header {
            typ: Some("at+jwt".into()),
            kid: Some(kid.to_owned()),
            ..Header::new(Algorithm::EdDSA)
        };
        let jwt = encode(&header, &claims, key);
        overwrite_stack();
        let jwt = jwt.map_err(|_| unavailable("a token could not be signed"))?;
        Ok(AccessToken {
            jwt: Zeroizing::new(jwt),
            expires_in: self.schedule.token_ttl,
        })
    }

    /// The claims of a token of ours that is good at `now`, whatever has become of its client since.
    pub(crate) async fn check(&self, jwt: &str, now: u64) -> Result<Claims, Error> {
        let ring = self.ring(now).await?;
        let header = decode_header(jwt).map_err(|_| Error::Denied)?;
        // Whoever does not understand what a token calls critical must refuse it (RFC 7515, section
        // 4.1.11), and we understand no extension.
        if header.crit.is_some() {
            return Err(Error::Denied);
        }
        let (_, public) = ring
            .published()
            .find(|(kid, _)| header.kid.as_deref() == Some(*kid))
            .ok_or(Error::Denied)?;
        // The algorithm is ours to choose, never the token's.
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_issuer(&[&self.issuer]);
        validation.set_audience(&[&self.audience]);
        validation.set_required_spec_claims(&["iss", "sub", "aud", "exp", "nbf"]);
        // The times are checked below, by the clock of this server.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        let public = DecodingKey::from_ed_der(public);
        let claims = decode::<Claims>(jwt, &public, &validation)
            .map_err(|_| Error::Denied)?
            .claims;
        if header.typ.as_deref() != Some("at+jwt") || now < claims.nbf || now >= claims.exp {
            return Err(Error::Denied);
        }
        Ok(claims)
    }

    /// The public keys (RFC 7517, RFC 8037): those that sign, will sign, or have signed tokens that
    /// are still good.
    pub(crate) async fn jwks(&self, now: u64) -> Result<serde_json::Value, Error> {
        let ring = self.ring(now).await?;
        let keys: Vec<_> = ring
            .published()
            .map(|(kid, public)| {
                serde_json::json!({
                    "kty": "OKP",
                    "crv": "Ed25519",
                    "alg": "EdDSA",
                    "use": "sig",
                    "kid": kid,
                    "x": URL_SAFE_NO_PAD.encode(public),
                })
            })
            .collect();
        Ok(serde_json::json!({ "keys": keys }))
    }

    fn current(&self) -> Arc<Ring> {
        self.ring
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn is_fresh(&self, ring: &Ring, now: u64) -> bool {
        let read_lately = now >= ring.read_at && now - ring.read_at < REFRESH;
        read_lately && self.schedule.missing(&ring.keys, now).is_none()
    }

    /// The keys, read again if it is time. One request does that; while it does, and while the store
    /// does not work, the others go on with the keys that there are.
    async fn ring(&self, now: u64) -> Result<Arc<Ring>, Error> {
        let ring = self.current();
        if self.is_fresh(&ring, now) {
            return Ok(ring);
        }
        let _turn = if ring.signing(now).is_some() {
            let failed_at = self.failed_at.load(Ordering::Relaxed);
            if now >= failed_at && now - failed_at < RETRY {
                return Ok(ring);
            }
            match self.refreshing.try_lock() {
                Ok(turn) => turn,
                Err(_) => return Ok(ring),
            }
        } else {
            self.refreshing.lock().await
        };
        let ring = self.current();
        if self.is_fresh(&ring, now) {
            return Ok(ring);
        }
        match self.refresh(now).await {
            Err(_) if ring.signing(now).is_some() => {
                self.failed_at.store(now, Ordering::Relaxed);
                Ok(ring)
            }
            other => other,
        }
    }

    /// Makes the key that is missing, drops those that have outlived their tokens, reads the rest.
    async fn refresh(&self, now: u64) -> Result<Arc<Ring>, Error> {
        let mut keys = self.store.signing_keys().await?;
        if let Some(activates_at) = self.schedule.missing(&keys, now) {
            let key = new_key(activates_at)?;
            let others: Vec<_> = keys.iter().map(|key| key.kid.clone()).collect();
            if self.store.add_signing_key(&key, &others).await? {
                tracing::info!(kid = key.kid, activates_at, "made a signing key");
            }
            keys = self.store.signing_keys().await?;
        }
        // Seen once only, it may be the clock that is ahead for a moment.
        let before = self.current();
        let seen_before = now.saturating_sub(before.read_at) >= REFRESH;
        let (gone, outlived): (Vec<_>, Vec<_>) = self
            .schedule
            .outlived(&keys, now)
            .into_iter()
            .map(|key| key.kid.clone())
            .partition(|kid| seen_before && before.outlived.contains(kid));
        let stray = self.schedule.stray(&keys, now);
        let dropped: Vec<_> = gone
            .into_iter()
            .chain(stray.iter().map(|key| key.kid.clone()))
            .collect();
        for kid in &dropped {
            self.store.remove_signing_key(kid).await?;
            tracing::info!(kid, "dropped a signing key");
        }
        keys.retain(|key| !dropped.contains(&key.kid));
        let ring = Arc::new(Ring::new(keys, outlived, now));
        *self.ring.write().unwrap_or_else(PoisonError::into_inner) = ring.clone();
        Ok(ring)
    }
}

fn new_key(activates_at: u64) -> Result<SigningKeyRecord, Error> {
    let mut kid = [0; 8];
    getrandom::fill(&mut kid)
        .map_err(|_| unavailable("the random source of the operating system failed"))?;
    Ok(SigningKeyRecord {
        kid: hex::encode(kid),
        activates_at,
        seed: Seed::generate()?,
    })
}

fn public_key(seed: &Seed) -> [u8; 32] {
    let public = SigningKey::try_from(seed.as_bytes()).map(|key| key.verifying_key().to_bytes());
    overwrite_stack();
    // A seed has the length that a key is made from.
    public.unwrap_or_default()
}

/// The seed as PKCS #8 (RFC 8410), which is how the JWT library takes it.
fn pkcs8(seed: &Seed) -> Zeroizing<Vec<u8>> {
    const PREFIX: [u8; 16] = [
        0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04,
        0x20,
    ];
    let seed = seed.as_bytes();
    let mut der = Zeroizing::new(Vec::with_capacity(PREFIX.len() + seed.len()));
    der.extend_from_slice(&PREFIX);
    der.extend_from_slice(seed);
    der
}

fn unavailable(reason: &str) -> Error {
    Error::Unavailable {
        reason: reason.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{EmbeddedStore, InvitationKey, LifecycleChange, StoreError};
    use twofapi_crypto_core::{
        ClientRecord, Transition,
        ceremony::{At, Committed, Step},
    };

    const NOW: u64 = 1_795_000_000;
    const SCHEDULE: KeySchedule = KeySchedule {
        rotate_after: 30 * 86_400,
        publish_ahead: 86_400,
        token_ttl: 900,
    };

    async fn tokens() -> Tokens {
        let store = Arc::new(EmbeddedStore::in_memory(10).unwrap());
        let (issuer, audience) = ("https://iss.example".into(), "https://aud.example".into());
        Tokens::new(store, issuer, audience, SCHEDULE, NOW)
            .await
            .unwrap()
    }

    fn alice() -> ClientId {
        ClientId::parse("alice").unwrap()
    }

    async fn published(tokens: &Tokens, now: u64) -> Vec<String> {
        let set = tokens.jwks(now).await.unwrap();
        let kid = |key: &serde_json::Value| key["kid"].as_str().unwrap().to_owned();
        set["keys"].as_array().unwrap().iter().map(kid).collect()
    }

    fn kid_of(token: &AccessToken) -> String {
        decode_header(&*token.jwt).unwrap().kid.unwrap()
    }

    #[tokio::test]
    async fn a_token_is_good_for_its_life_and_not_a_second_longer() {
        let tokens = tokens().await;
        let token = tokens.issue_for(&alice(), 3, NOW).await.unwrap();
        let claims = tokens.check(&token.jwt, NOW + 899).await.unwrap();
        assert_eq!(
            (claims.sub.as_str(), claims.ver, claims.exp - claims.iat),
            ("alice", 3, 900)
        );
        assert_eq!(claims.amr, ["zkp"]);
        for now in [NOW - 1, NOW + 900] {
            assert!(matches!(
                tokens.check(&token.jwt, now).await,
                Err(Error::Denied)
            ));
        }
    }

    #[tokio::test]
    async fn two_tokens_have_two_names() {
        let tokens = tokens().await;
        let mut names = Vec::new();
        for _ in 0..2 {
            let token = tokens.issue_for(&alice(), 1, NOW).await.unwrap();
            names.push(tokens.check(&token.jwt, NOW).await.unwrap().jti);
        }
        assert_ne!(names[0], names[1]);
    }

    #[tokio::test]
    async fn the_next_key_is_published_before_it_signs_and_the_last_one_until_its_tokens_are_dead()
    {
        let tokens = tokens().await;
        let first = kid_of(&tokens.issue_for(&alice(), 1, NOW).await.unwrap());
        let turn = NOW + SCHEDULE.rotate_after;

        let before = turn - SCHEDULE.publish_ahead - 1;
        assert_eq!(
            published(&tokens, before).await,
            std::slice::from_ref(&first)
        );
        let ahead = published(&tokens, before + 1).await;
        assert_eq!((ahead.len(), &ahead[0]), (2, &first));
        let second = ahead[1].clone();

        let last_of_first = tokens.issue_for(&alice(), 1, turn - 1).await.unwrap();
        assert_eq!(kid_of(&last_of_first), first);
        let first_of_second = tokens.issue_for(&alice(), 1, turn).await.unwrap();
        assert_eq!(kid_of(&first_of_second), second);

        let dies = turn - 1 + SCHEDULE.token_ttl;
        assert!(tokens.check(&last_of_first.jwt, dies - 1).await.is_ok());
        assert!(published(&tokens, dies).await.contains(&first));
        let later = turn + SCHEDULE.token_ttl + REFRESH;
        assert!(published(&tokens, later).await.contains(&first));
        assert_eq!(published(&tokens, later + REFRESH).await, [second]);
        assert!(tokens.check(&first_of_second.jwt, turn + 1).await.is_ok());
    }

    #[tokio::test]
    async fn a_server_that_slept_through_a_turn_still_publishes_ahead() {
        let tokens = tokens().await;
        let first = kid_of(&tokens.issue_for(&alice(), 1, NOW).await.unwrap());
        let much_later = NOW + 10 * SCHEDULE.rotate_after;
        let token = tokens.issue_for(&alice(), 1, much_later).await.unwrap();
        assert_eq!(
            kid_of(&token),
            first,
            "a key signed before it was published"
        );
        assert_eq!(published(&tokens, much_later).await.len(), 2);
    }

    #[tokio::test]
    async fn a_clock_that_was_ahead_for_a_moment_does_not_stop_keys_from_taking_turns() {
        let tokens = tokens().await;
        let day = 86_400;
        let first = kid_of(&tokens.issue_for(&alice(), 1, NOW).await.unwrap());
        for years in [10, 20] {
            published(&tokens, NOW + years * 365 * day).await;
        }
        let mut signed = vec![first.clone()];
        for days in 0..400 {
            let now = NOW + days * day;
            let before = published(&tokens, now).await;
            let kid = kid_of(&tokens.issue_for(&alice(), 1, now).await.unwrap());
            assert!(before.contains(&kid), "it signed before it was published");
            if signed.last() != Some(&kid) {
                signed.push(kid);
            }
        }
        assert!(signed.len() >= 12, "{} turns in 400 days", signed.len());
        assert_eq!(signed[0], first);
    }

    #[tokio::test]
    async fn a_clock_that_is_far_behind_drops_no_key_and_one_that_jumps_about_leaves_few() {
        let tokens = tokens().await;
        let first = kid_of(&tokens.issue_for(&alice(), 1, NOW).await.unwrap());
        assert!(published(&tokens, 600).await.contains(&first));
        assert_eq!(
            kid_of(&tokens.issue_for(&alice(), 1, NOW).await.unwrap()),
            first
        );
        for years in 1..40 {
            published(&tokens, NOW + years * 365 * 86_400).await;
            published(&tokens, NOW).await;
        }
        assert!(published(&tokens, NOW + REFRESH).await.len() <= STRAY_MAX + 4);
        assert_eq!(
            kid_of(&tokens.issue_for(&alice(), 1, NOW).await.unwrap()),
            first
        );
    }

    /// Counts how often the keys are read, each time slowly.
    struct Slow {
        store: EmbeddedStore,
        reads: AtomicU64,
        works: std::sync::atomic::AtomicBool,
    }

    /// The attribute has to see whole methods, so the macro writes all of the implementation.
    macro_rules! slow_store {
        ($($name:ident($($arg:ident: $type:ty),*) -> $answer:ty;)*) => {
            #[async_trait::async_trait]
            impl Store for Slow {
                async fn signing_keys(&self) -> Result<Vec<SigningKeyRecord>, StoreError> {
                    self.reads.fetch_add(1, Ordering::SeqCst);
                    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                    if self.works.load(Ordering::SeqCst) {
                        self.store.signing_keys().await
                    } else {
                        Err(StoreError("away".into()))
                    }
                }

                $(async fn $name(&self, $($arg: $type),*) -> Result<$answer, StoreError> {
                    self.store.$name($($arg),*).await
                })*
            }
        };
    }

    slow_store! {
        client(id: &ClientId) -> Option<ClientRecord>;
        clients_after(after: Option<&ClientId>, limit: usize) -> Vec<(ClientId, ClientRecord)>;
        invite(key: &InvitationKey, id: &ClientId, expires_at: u64, now: u64) -> ();
        is_invited(key: &InvitationKey, id: &ClientId, now: u64) -> bool;
        change_status(id: &ClientId, change: LifecycleChange)
            -> Result<(Transition, ClientRecord), Error>;
        epoch(now: u64) -> At;
        commit(step: &Step, now: u64) -> Committed;
        add_signing_key(key: &SigningKeyRecord, others: &[String]) -> bool;
        remove_signing_key(kid: &str) -> ();
        check() -> ();
    }

    #[tokio::test]
    async fn when_the_keys_are_to_be_read_again_one_request_does_it_and_nobody_waits() {
        let store = Arc::new(Slow {
            store: EmbeddedStore::in_memory(10).unwrap(),
            reads: AtomicU64::new(0),
            works: true.into(),
        });
        let (issuer, audience) = ("https://iss.example".into(), "https://aud.example".into());
        let tokens = Tokens::new(store.clone(), issuer, audience, SCHEDULE, NOW);
        let tokens = Arc::new(tokens.await.unwrap());
        for (works, at) in [(true, NOW + REFRESH), (false, NOW + 2 * REFRESH)] {
            store.works.store(works, Ordering::SeqCst);
            let before = store.reads.load(Ordering::SeqCst);
            let mut requests = tokio::task::JoinSet::new();
            for _ in 0..500 {
                let tokens = tokens.clone();
                requests.spawn(async move { tokens.issue_for(&alice(), 1, at).await.map(drop) });
            }
            assert!(requests.join_all().await.iter().all(Result::is_ok));
            for _ in 0..500 {
                assert!(tokens.issue_for(&alice(), 1, at).await.is_ok());
            }
            assert_eq!(store.reads.load(Ordering::SeqCst) - before, 1);
        }
        // When it works again, it is asked again.
        store.works.store(true, Ordering::SeqCst);
        let later = NOW + 2 * REFRESH + RETRY;
        assert!(tokens.issue_for(&alice(), 1, later).await.is_ok());
        assert!(tokens.is_fresh(&tokens.current(), later));
    }

    #[tokio::test]
    async fn a_token_with_critical_extensions_is_refused() {
        let tokens = tokens().await;
        let good = tokens.issue_for(&alice(), 1, NOW).await.unwrap();
        let claims = tokens.check(&good.jwt, NOW).await.unwrap();
        let ring = tokens.ring(NOW).await.unwrap();
        let (kid, key) = ring.signing(NOW).unwrap();
        for crit in [
            vec![],
            vec!["exp".to_owned()],
            vec!["b64".into(), "x".into()],
        ] {
            let header = Header {
                typ: Some("at+jwt".into()),
                kid: Some(kid.into()),
                crit: Some(crit),
                ..Header::new(Algorithm::EdDSA)
            };
            let token = encode(&header, &claims, key).unwrap();
            assert!(matches!(
                tokens.check(&token, NOW).await,
                Err(Error::Denied)
            ));
        }
    }

    #[tokio::test]
    async fn tokens_that_others_made_are_refused() {
        let tokens = tokens().await;
        let good = tokens.issue_for(&alice(), 1, NOW).await.unwrap();
        let parts: Vec<&str> = good.jwt.split('.').collect();
        let part = |json: &str| URL_SAFE_NO_PAD.encode(json);
        let kid = kid_of(&good);
        let claims = tokens.check(&good.jwt, NOW).await.unwrap();

        let none = part(&format!(r#"{{"alg":"none","typ":"at+jwt","kid":"{kid}"}}"#));
        let ring = tokens.ring(NOW).await.unwrap();
        // Signed with the public key as if that were a shared secret.
        let confused = encode(
            &Header {
                typ: Some("at+jwt".into()),
                kid: Some(kid.clone()),
                ..Header::new(Algorithm::HS256)
            },
            &claims,
            &EncodingKey::from_secret(ring.published().next().unwrap().1),
        )
        .unwrap();
        let stranger = new_key(NOW).unwrap();
        let forged = encode(
            &Header {
                typ: Some("at+jwt".into()),
                kid: Some(kid),
                ..Header::new(Algorithm::EdDSA)
            },
            &claims,
            &EncodingKey::from_ed_der(&pkcs8(&stranger.seed)),
        )
        .unwrap();
        let changed = part(
            &serde_json::to_string(&Claims {
                sub: "bob".into(),
                ..claims
            })
            .unwrap(),
        );
        for bad in [
            String::new(),
            "a.b.c".into(),
            format!("{none}.{}.", parts[1]),
            format!("{}.{changed}.{}", parts[0], parts[2]),
            format!("{}.{}", parts[0], parts[1]),
            confused,
            forged,
        ] {
            assert!(
                matches!(tokens.check(&bad, NOW).await, Err(Error::Denied)),
                "{bad}"
            );
        }
    }

    #[tokio::test]
    async fn a_token_for_another_audience_or_from_another_issuer_is_refused() {
        let store: Arc<dyn Store> = Arc::new(EmbeddedStore::in_memory(10).unwrap());
        let make = |issuer: &str, audience: &str| {
            let (issuer, audience) = (issuer.to_owned(), audience.to_owned());
            Tokens::new(store.clone(), issuer, audience, SCHEDULE, NOW)
        };
        let ours = make("i", "a").await.unwrap();
        for other in [make("i", "b").await.unwrap(), make("j", "a").await.unwrap()] {
            let token = other.issue_for(&alice(), 1, NOW).await.unwrap();
            assert!(other.check(&token.jwt, NOW).await.is_ok());
            assert!(ours.check(&token.jwt, NOW).await.is_err());
        }
    }
}
