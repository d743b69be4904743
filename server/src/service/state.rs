//! What a service is set up with, and what it holds.

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use twofapi_crypto_core::{
    Audience, AuthenticationBinding, ChallengeTtl, ClientId, Error, Record,
    ceremony::{Decoys, Root, SpentStats, Terms},
};
use zeroize::Zeroizing;

use super::{
    authenticated::AuthenticatedClient, keys_by_epoch::KeysByEpoch, paces::Paces, shown::ShownToken,
};
use crate::{
    clock::{Clock, SKEW},
    dpop::Remembered,
    methods::Methods,
    operator_keys::OperatorKeys,
    store::{SigningAlgorithm, Store},
    tokens::{Claims, JWKS_MAX_AGE, KeySchedule, Tokens},
    workload::Workloads,
};

/// How a [`Service`] is set up.
#[derive(Clone, Debug)]
pub struct Config {
    /// What proofs are bound to and what tokens are for: the server's origin, such as
    /// `https://api.example.com`.
    pub audience: Audience,
    /// What tokens say of their issuer; the audience if not set.
    pub issuer: Option<String>,
    /// Where the routes are from outside, for discovery documents: the audience if not set.
    pub base_url: Option<String>,
    /// How long a challenge lives.
    pub challenge_ttl: ChallengeTtl,
    /// How long a token lives, in seconds.
    pub token_ttl: u64,
    /// How long a key signs tokens, in seconds.
    pub rotate_keys_after: u64,
    /// How tokens are signed: the same at every server of a shared store. Where it is changed, a key of the other algorithm
    /// is published and takes its turn, as when keys rotate.
    pub signing_algorithm: SigningAlgorithm,
    /// From what challenges are computed: the same at every server of a shared store, which needs them. Without
    /// them each process draws its own.
    pub operator_keys: Option<OperatorKeys>,
    /// By what clients authenticate besides `sigma`, and who needs what.
    pub methods: Methods,
    /// Whether tokens are bound to a key of their client (RFC 9449): each login brings a proof of one, and each
    /// request with a token another. Nothing is negotiated: the clients have to be told.
    pub require_dpop: bool,
    /// Whose tokens permit workloads to enrol; nobody's if not set.
    pub workloads: Option<Arc<Workloads>>,
}

impl Config {
    /// The defaults: challenges live 120 s, tokens 15 minutes, keys 30 days.
    #[must_use]
    pub fn new(audience: Audience) -> Self {
        Self {
            audience,
            issuer: None,
            base_url: None,
            challenge_ttl: ChallengeTtl::default(),
            token_ttl: 15 * 60,
            rotate_keys_after: 30 * 24 * 3600,
            signing_algorithm: SigningAlgorithm::EdDsa,
            operator_keys: None,
            methods: Methods::new(),
            require_dpop: false,
            workloads: None,
        }
    }
}

/// A token that is good.
pub(super) struct Judged {
    pub(super) client_id: ClientId,
    pub(super) claims: Claims,
    pub(super) record: Record,
    now: u64,
}

impl Judged {
    /// Who has it.
    pub(super) fn client(&self, audience: Audience) -> Result<AuthenticatedClient, Error> {
        let (client_id, claims) = (self.client_id.clone(), self.claims.clone());
        AuthenticatedClient::new(client_id, claims, &self.record, audience, self.now)
    }
}

/// The service over a store. All its errors are of the core; proofs, tokens and nonces are never in
/// its log.
pub struct Service {
    pub(super) store: Arc<dyn Store>,
    pub(super) clock: Arc<dyn Clock>,
    config: Config,
    pub(super) terms: Terms,
    /// The operator's, or drawn by this process: then no other one knows its challenges.
    pub(super) roots: Vec<Root>,
    pub(super) keys: KeysByEpoch,
    pub(super) tokens: Tokens,
    pub(super) proofs_seen: Remembered,
    pub(super) methods: Methods,
    pub(super) paces: Paces,
    stopping: AtomicBool,
}

impl Service {
    /// Sets the service up, and makes the first signing key if the store has none.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the store or the random source fails, or the store is shared and there are
    /// no operator's keys.
    pub async fn new(
        config: Config,
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Error> {
        let roots = match &config.operator_keys {
            Some(keys) => keys.roots(),
            None if store.is_shared() => {
                return Err(Error::Unavailable {
                    reason:
                        "servers of a shared store need the same key file, or each would refuse \
                             the challenges of the others"
                            .into(),
                });
            }
            None => vec![Root::generate(0, &mut getrandom::SysRng)?],
        };
        // Each server knows the clock of a shared store by its last answer, to the second.
        let skew = match store.is_shared() {
            true => SKEW,
            false => 0,
        };
        let schedule = KeySchedule {
            rotate_after: config.rotate_keys_after,
            publish_ahead: (config.rotate_keys_after / 2).clamp(2 * JWKS_MAX_AGE, 24 * 3600),
            token_ttl: config.token_ttl,
        };
        let audience = config.audience.as_str().to_owned();
        let issuer = config.issuer.clone().unwrap_or_else(|| audience.clone());
        let tokens = Tokens::new(
            store.clone(),
            issuer,
            audience,
            schedule,
            config.signing_algorithm,
            clock.wall(),
        )
        .await?;
        let mut choice = Zeroizing::new([0; 16]);
        getrandom::fill(choice.as_mut()).map_err(|_| Error::Unavailable {
            reason: "the random source of the operating system failed".into(),
        })?;
        let binding = AuthenticationBinding::for_audience(&config.audience);
        Ok(Self {
            store,
            clock,
            terms: Terms::new(binding, Decoys::new(*choice))
                .with_ttl(config.challenge_ttl)
                .with_skew(skew),
            roots,
            keys: KeysByEpoch::default(),
            methods: config.methods.clone(),
            paces: Paces::default(),
            config,
            tokens,
            proofs_seen: Remembered::default(),
            stopping: AtomicBool::new(false),
        })
    }

    /// Whether tokens are bound to a key of their client.
    pub(crate) const fn requires_dpop(&self) -> bool {
        self.config.require_dpop
    }

    /// Whose tokens permit workloads to enrol.
    pub(super) fn workloads(&self) -> Option<&Workloads> {
        self.config.workloads.as_deref()
    }

    /// The time by the clock of the store.
    pub(super) fn now(&self) -> u64 {
        self.store.time(self.clock.wall())
    }

    pub(crate) const fn methods(&self) -> &Methods {
        &self.methods
    }

    /// What proofs must be bound to.
    #[must_use]
    pub fn binding(&self) -> &AuthenticationBinding {
        self.terms.binding()
    }

    /// What proofs are bound to, by its name.
    #[must_use]
    pub const fn audience(&self) -> &Audience {
        &self.config.audience
    }

    /// What tokens say of their issuer.
    #[must_use]
    pub fn issuer(&self) -> &str {
        self.config
            .issuer
            .as_deref()
            .unwrap_or_else(|| self.config.audience.as_str())
    }

    /// Where the routes are from outside.
    pub(crate) fn base_url(&self) -> &str {
        self.config
            .base_url
            .as_deref()
            .unwrap_or_else(|| self.config.audience.as_str())
    }

    /// How tokens are signed.
    pub(crate) const fn signing_algorithm(&self) -> SigningAlgorithm {
        self.config.signing_algorithm
    }

    /// Who holds this access token, if it is good and its client still is what it was. `source` is where it
    /// comes from, as this server knows and not as the client says: one with allowed sources is refused from
    /// elsewhere, and where nobody knows.
    ///
    /// # Errors
    /// [`Error::Denied`] for every cause; [`Error::Throttled`] when the client has used up its requests of this
    /// minute at this server; [`Error::Unavailable`].
    pub async fn authenticate(
        &self,
        jwt: &str,
        source: Option<IpAddr>,
    ) -> Result<AuthenticatedClient, Error> {
        self.show(ShownToken::bearer(jwt), source).await
    }

    /// As [`Service::authenticate`], of a token that may be bound to a key.
    ///
    /// # Errors
    /// As there; [`Error::Throttled`] also when a key has shown too many proofs.
    pub async fn show(
        &self,
        shown: ShownToken<'_>,
        source: Option<IpAddr>,
    ) -> Result<AuthenticatedClient, Error> {
        let (client, record) = self.holder(shown, source).await?;
        self.paces.count(&client.client_id, &record, self.now())?;
        Ok(client)
    }

    /// As [`Service::authenticate`], with the client's record.
    pub(super) async fn holder(
        &self,
        shown: ShownToken<'_>,
        source: Option<IpAddr>,
    ) -> Result<(AuthenticatedClient, Record), Error> {
        let judged = self.judged(shown.jwt, source).await?;
        self.may_show(&shown, &judged.claims, judged.now)?;
        let client = judged.client(self.config.audience.clone())?;
        Ok((client, judged.record))
    }

    /// What a good token says, and the record of its client.
    pub(super) async fn judged(&self, jwt: &str, source: Option<IpAddr>) -> Result<Judged, Error> {
        let now = self.now();
        let claims = self.tokens.check(jwt, now).await?;
        let client_id = ClientId::parse(&claims.sub).map_err(|_| Error::Denied)?;
        let credential = claims.credential()?;
        // A token of before has no session and goes by the record alone until it expires.
        let (record, is_listed) = match claims.session()? {
            None => (self.store.look_up(&client_id).await?, true),
            Some(id) => {
                let found = self.store.look_up_with_session(&client_id, &id, now);
                let (record, session) = found.await?;
                (record, session.is_some())
            }
        };
        let record = record.filter(|_| is_listed).ok_or(Error::Denied)?;
        self.tokens.still_ours(jwt, now).await?;
        if !record.honours(credential.as_ref(), claims.ver, claims.generation, now)
            || !record.permits_source(source)
        {
            return Err(Error::Denied);
        }
        Ok(Judged {
            client_id,
            claims,
            record,
            now,
        })
    }

    /// The public keys of access tokens, as a JWK set.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the store fails.
    pub async fn jwks(&self) -> Result<serde_json::Value, Error> {
        self.tokens.jwks(self.now()).await
    }

    /// Whether requests are to come here: the store answers, and the end has not begun.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when they are not.
    pub async fn check(&self) -> Result<(), Error> {
        if self.is_stopping() {
            return Err(Error::Unavailable {
                reason: "this server is about to end".into(),
            });
        }
        self.check_store().await
    }

    /// Whether the store answers.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when it does not.
    pub async fn check_store(&self) -> Result<(), Error> {
        Ok(self.store.check().await?)
    }

    /// From now on it is not ready, and answers all the same.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// Whether the end has begun.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// How full the spent set is, where this process has it.
    #[must_use]
    pub fn spent(&self) -> Option<SpentStats> {
        self.store.spent(self.now())
    }

    /// For how many seconds the key has signed that signs now.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when there is none.
    pub async fn signing_key_age(&self) -> Result<u64, Error> {
        let now = self.now();
        let since = self.tokens.signing_since(now).await?;
        Ok(now.saturating_sub(since))
    }
}
