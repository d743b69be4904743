//! What the HTTP routes do, without HTTP: enrol, challenge, verify, rotate, and what operators do.

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};
use twofapi_crypto_core::{
    Audience, Authentication, AuthenticationBinding, Challenge, ChallengeId, ChallengeTtl,
    ClientId, ClientRecord, Commitment, Denied, Enrolment, Error, Nonce, Proof, Rotation, Spend,
    Statement, Transition, deny_unknown_client, verify,
};
use zeroize::Zeroizing;

use crate::{
    clock::Clock,
    store::{EnrolmentOutcome, InvitationKey, LifecycleChange, Permission, Store},
    tokens::{AccessToken, KeySchedule, Tokens},
};

/// How a [`Service`] is set up.
#[derive(Clone, Debug)]
pub struct Config {
    /// What proofs are bound to and what tokens are for: the server's origin, such as
    /// `https://api.example.com`.
    pub audience: Audience,
    /// What tokens say of their issuer; the audience if not set.
    pub issuer: Option<String>,
    /// How long a challenge lives.
    pub challenge_ttl: ChallengeTtl,
    /// How long a token lives, in seconds.
    pub token_ttl: u64,
    /// How long a key signs tokens, in seconds.
    pub rotate_keys_after: u64,
}

impl Config {
    /// The defaults: challenges live 120 s, tokens 15 minutes, keys 30 days.
    #[must_use]
    pub fn new(audience: Audience) -> Self {
        Self {
            audience,
            issuer: None,
            challenge_ttl: ChallengeTtl::default(),
            token_ttl: 15 * 60,
            rotate_keys_after: 30 * 24 * 3600,
        }
    }
}

/// A challenge as it is named over HTTP: the id, a dot, and the client id. A changed client id
/// changes the nonce, so that it needs no protection of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChallengeName {
    /// Which challenge.
    pub id: ChallengeId,
    /// Whose.
    pub client_id: ClientId,
}

impl ChallengeName {
    /// Decodes `ch-<24 hex digits>.<client id>`.
    ///
    /// # Errors
    /// [`Error::Denied`]: a name that no server gives is like one that was never given.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let (id, client_id) = text.split_once('.').ok_or(Error::Denied)?;
        Ok(Self {
            id: ChallengeId::parse(id)?,
            client_id: ClientId::parse(client_id).map_err(|_| Error::Denied)?,
        })
    }
}

impl std::fmt::Display for ChallengeName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.id, self.client_id)
    }
}

/// A challenge as a client is given it.
#[derive(Clone, Debug)]
pub struct IssuedChallenge {
    /// Its name over HTTP.
    pub name: ChallengeName,
    /// What the proof must be about.
    pub nonce: Nonce,
    /// When it expires, in Unix seconds.
    pub expires_at: u32,
}

/// Who made a request, according to its access token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthenticatedClient {
    /// The client.
    pub client_id: ClientId,
    /// When the token expires, in Unix seconds.
    pub expires_at: u64,
    /// The version of the commitment that was proven.
    pub commitment_version: u32,
}

/// A token that permits one enrolment of one client. Only its hash is stored.
pub struct EnrolmentToken(Zeroizing<String>);

impl EnrolmentToken {
    /// The token, to be handed to the client's owner.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    fn key(token: &str) -> InvitationKey {
        Sha256::digest(token.as_bytes()).into()
    }
}

impl std::fmt::Debug for EnrolmentToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("EnrolmentToken(secret)")
    }
}

/// Who permits an enrolment.
#[derive(Clone, Copy)]
pub enum EnrolmentPermission<'a> {
    /// The enrolment token that came with the request.
    Token(&'a str),
    /// The application that mounted the router has authenticated its user as this client.
    HostApplication,
}

/// The service over a store. All its errors are of the core; proofs, tokens and nonces are never in
/// its log.
pub struct Service {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    config: Config,
    binding: AuthenticationBinding,
    tokens: Tokens,
}

impl Service {
    /// Sets the service up, and makes the first signing key if the store has none.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the store or the random source fails.
    pub async fn new(
        config: Config,
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Error> {
        let schedule = KeySchedule {
            rotate_after: config.rotate_keys_after,
            publish_ahead: (config.rotate_keys_after / 2)
                .clamp(2 * crate::tokens::JWKS_MAX_AGE, 24 * 3600),
            token_ttl: config.token_ttl,
        };
        let audience = config.audience.as_str().to_owned();
        let issuer = config.issuer.clone().unwrap_or_else(|| audience.clone());
        let tokens = Tokens::new(store.clone(), issuer, audience, schedule, clock.wall()).await?;
        Ok(Self {
            store,
            clock,
            binding: AuthenticationBinding::for_audience(&config.audience),
            config,
            tokens,
        })
    }

    /// What proofs must be bound to.
    #[must_use]
    pub const fn binding(&self) -> &AuthenticationBinding {
        &self.binding
    }

    /// What proofs are bound to, by its name.
    #[must_use]
    pub const fn audience(&self) -> &Audience {
        &self.config.audience
    }

    /// Issues a challenge for any well-formed client id, enrolled or not: it is stored nowhere.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the store or the random source fails.
    pub async fn challenge(&self, client_id: &ClientId) -> Result<IssuedChallenge, Error> {
        let epoch = self.store.challenge_epoch(self.clock.wall()).await?;
        let challenge = epoch.key.issue(
            client_id,
            epoch.now,
            self.config.challenge_ttl,
            &mut getrandom::SysRng,
        )?;
        Ok(IssuedChallenge {
            expires_at: challenge.id.expires_at(),
            name: ChallengeName {
                id: challenge.id,
                client_id: client_id.clone(),
            },
            nonce: challenge.nonce,
        })
    }

    /// Enrols a commitment, given permission and a proof of possession.
    ///
    /// # Errors
    /// [`Error::Denied`] without permission or with a proof that is not accepted (the permission
    /// stays good then); [`Error::AlreadyEnrolled`]; [`Error::Unavailable`].
    pub async fn enrol(
        &self,
        client_id: &ClientId,
        commitment: &Commitment,
        proof: &Proof,
        permission: EnrolmentPermission<'_>,
    ) -> Result<ClientRecord, Error> {
        let now = self.clock.wall();
        let key = match permission {
            EnrolmentPermission::Token(token) => Some(EnrolmentToken::key(token)),
            EnrolmentPermission::HostApplication => None,
        };
        let permission = match &key {
            Some(key) => {
                // Whoever has no permission gets no work done, and learns nothing of the id.
                if !self.store.is_invited(key, client_id, now).await? {
                    return Err(Error::Denied);
                }
                Permission::Invitation(key)
            }
            None => Permission::HostApplication,
        };
        accepted(commitment, &Enrolment { client_id }, proof)?;
        let outcome = self
            .store
            .enrol(client_id, commitment, permission, now)
            .await?;
        match outcome {
            EnrolmentOutcome::Enrolled => {
                tracing::info!(%client_id, "enrolled");
                Ok(ClientRecord::enrolled(*commitment))
            }
            EnrolmentOutcome::AlreadyEnrolled => Err(Error::AlreadyEnrolled),
            EnrolmentOutcome::NotInvited => Err(Error::Denied),
        }
    }

    /// Checks a proof for a challenge and issues an access token.
    ///
    /// # Errors
    /// [`Error::Denied`] for every cause; [`Error::Throttled`] when the set of spent challenges is
    /// full; [`Error::Unavailable`].
    pub async fn verify(&self, name: &ChallengeName, proof: &Proof) -> Result<AccessToken, Error> {
        let client_id = &name.client_id;
        let live = self.recompute(name).await?;
        let statement = Authentication {
            client_id,
            nonce: &live.challenge.nonce,
            binding: &self.binding,
        };
        let attempt = self.begin(&live, client_id).await?;
        let Some(record) = self
            .conclude(attempt, &live.challenge, &statement, proof)
            .await?
        else {
            tracing::info!(%client_id, "denied");
            return Err(Error::Denied);
        };
        let token = self
            .tokens
            .issue(client_id, record.commitment_version, self.clock.wall())
            .await?;
        tracing::info!(%client_id, "authenticated");
        Ok(token)
    }

    /// Replaces a client's commitment, given a proof of the old one over the rotation and a proof of
    /// possession of the new one. Tokens from before the rotation are good no longer.
    ///
    /// # Errors
    /// As [`Service::verify`]; also [`Error::Denied`] when another rotation was faster.
    pub async fn rotate(
        &self,
        name: &ChallengeName,
        proof_old: &Proof,
        commitment_new: &Commitment,
        proof_new: &Proof,
    ) -> Result<ClientRecord, Error> {
        let client_id = &name.client_id;
        let live = self.recompute(name).await?;
        let nonce = &live.challenge.nonce;
        let statement = Rotation::new(client_id, nonce, commitment_new, &self.binding)?;
        let attempt = self.begin(&live, client_id).await?;
        let proven = self
            .conclude(attempt, &live.challenge, &statement, proof_old)
            .await?;
        // Both equations are looked at in every attempt, whoever makes it and whatever comes of the
        // first. A challenge that the credential's holder has answered stays spent in any case.
        let possession = accepted(commitment_new, &Enrolment { client_id }, proof_new);
        let record = match (proven, possession) {
            (Some(record), Ok(())) if record.commitment != *commitment_new => record,
            _ => {
                tracing::info!(%client_id, "rotation denied");
                return Err(Error::Denied);
            }
        };
        let rotated = self
            .store
            .rotate(client_id, record.commitment_version, commitment_new)
            .await?
            .ok_or(Error::Denied)?;
        tracing::info!(%client_id, version = rotated.commitment_version, "rotated");
        Ok(rotated)
    }

    /// Who holds this access token, if it is good and its client still is what it was.
    ///
    /// # Errors
    /// [`Error::Denied`] for every cause; [`Error::Unavailable`].
    pub async fn authenticate(&self, jwt: &str) -> Result<AuthenticatedClient, Error> {
        let claims = self.tokens.check(jwt, self.clock.wall()).await?;
        let client_id = ClientId::parse(&claims.sub).map_err(|_| Error::Denied)?;
        let record = self.active(&client_id).await?.ok_or(Error::Denied)?;
        if record.commitment_version != claims.ver {
            return Err(Error::Denied);
        }
        Ok(AuthenticatedClient {
            client_id,
            expires_at: claims.exp,
            commitment_version: claims.ver,
        })
    }

    /// The public keys of access tokens, as a JWK set.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the store fails.
    pub async fn jwks(&self) -> Result<serde_json::Value, Error> {
        self.tokens.jwks(self.clock.wall()).await
    }

    /// Whether the store answers.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when it does not.
    pub async fn check(&self) -> Result<(), Error> {
        Ok(self.store.check().await?)
    }

    async fn recompute(&self, name: &ChallengeName) -> Result<Live, Error> {
        let epoch = self.store.challenge_epoch(self.clock.wall()).await?;
        let ttl = self.config.challenge_ttl;
        let challenge = epoch
            .key
            .recompute(&name.client_id, name.id, epoch.now, ttl)?;
        Ok(Live {
            challenge,
            epoch: epoch.number,
        })
    }

    async fn active(&self, client_id: &ClientId) -> Result<Option<ClientRecord>, Error> {
        let record = self.store.client(client_id).await?;
        Ok(record.filter(ClientRecord::is_active))
    }

    /// Spends the challenge of an active client. An attempt that is lost already goes on like any
    /// other, so that neither its answer nor its time tells which ids are enrolled.
    async fn begin(&self, live: &Live, client_id: &ClientId) -> Result<Attempt, Error> {
        let record = self.store.client(client_id).await?;
        let now = self.clock.wall();
        let spend = || self.store.spend(live.epoch, &live.challenge, now);
        let full = match &record {
            Some(record) if record.is_active() => match spend().await? {
                Spend::Fresh => return Ok(Attempt::Open(*record)),
                Spend::Spent | Spend::Expired => None,
                Spend::Full { retry_after } => Some(retry_after),
            },
            _ => self.store.full(now).await?,
        };
        match full {
            None => Ok(Attempt::Lost(record)),
            Some(retry_after_seconds) => {
                tracing::warn!(retry_after_seconds, "the set of spent challenges is full");
                Err(Error::Throttled {
                    retry_after_seconds,
                })
            }
        }
    }

    /// Looks at the equation, once for every attempt; the record if the proof is accepted.
    async fn conclude(
        &self,
        attempt: Attempt,
        challenge: &Challenge,
        statement: &impl Statement,
        proof: &Proof,
    ) -> Result<Option<ClientRecord>, Error> {
        match attempt {
            Attempt::Open(record) => {
                if equation(Some(&record), statement, proof).is_ok() {
                    return Ok(Some(record));
                }
                self.store.refused(challenge).await?;
            }
            Attempt::Lost(record) => {
                let _ = std::hint::black_box(equation(record.as_ref(), statement, proof));
            }
        }
        Ok(None)
    }
}

/// A challenge that has not expired, and the epoch of the key that it was computed with.
struct Live {
    challenge: Challenge,
    epoch: u64,
}

enum Attempt {
    /// The proof decides.
    Open(ClientRecord),
    /// The client is unknown or not active, or the challenge was used: whatever the proof is.
    Lost(Option<ClientRecord>),
}

/// The work of one attempt, the same for every one.
fn equation(
    record: Option<&ClientRecord>,
    statement: &impl Statement,
    proof: &Proof,
) -> Result<(), Denied> {
    match record {
        Some(record) => accepted(&record.commitment, statement, proof),
        None => {
            #[cfg(test)]
            tests::EQUATIONS.with(|count| count.set(count.get() + 1));
            Err(deny_unknown_client(statement, proof))
        }
    }
}

fn accepted(
    commitment: &Commitment,
    statement: &impl Statement,
    proof: &Proof,
) -> Result<(), Denied> {
    #[cfg(test)]
    tests::EQUATIONS.with(|count| count.set(count.get() + 1));
    verify(commitment, statement, proof)
}

/// Makes an enrolment token for a client id, good for `ttl` seconds from `now`.
///
/// # Errors
/// [`Error::AlreadyEnrolled`] when it would be of no use; [`Error::Unavailable`].
pub async fn invite(
    store: &dyn Store,
    client_id: &ClientId,
    now: u64,
    ttl: u64,
) -> Result<EnrolmentToken, Error> {
    if store.client(client_id).await?.is_some() {
        return Err(Error::AlreadyEnrolled);
    }
    let mut random = Zeroizing::new([0; 32]);
    getrandom::fill(random.as_mut()).map_err(|_| Error::Unavailable {
        reason: "the random source of the operating system failed".into(),
    })?;
    let token = EnrolmentToken(Zeroizing::new(URL_SAFE_NO_PAD.encode(random.as_ref())));
    let key = EnrolmentToken::key(token.expose());
    store
        .invite(&key, client_id, now.saturating_add(ttl), now)
        .await?;
    tracing::info!(%client_id, ttl, "invited");
    Ok(token)
}

/// Suspends, resumes or revokes a client.
///
/// # Errors
/// [`Error::NotEnrolled`]; [`Error::NotActive`] for what a revoked client cannot become;
/// [`Error::Unavailable`].
pub async fn change_status(
    store: &dyn Store,
    client_id: &ClientId,
    change: LifecycleChange,
) -> Result<(Transition, ClientRecord), Error> {
    let (transition, record) = store.change_status(client_id, change).await??;
    if transition == Transition::Changed {
        tracing::info!(%client_id, status = %record.status, "changed status");
    }
    Ok((transition, record))
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::{clock::SystemClock, store::EmbeddedStore};
    use twofapi_crypto_core::{Credential, prove};

    thread_local! {
        /// How many attempts this thread has done the work of.
        pub(super) static EQUATIONS: Cell<u32> = const { Cell::new(0) };
    }

    struct Scene {
        service: Service,
        store: Arc<EmbeddedStore>,
        credential: Credential,
    }

    fn id(text: &str) -> ClientId {
        ClientId::parse(text).unwrap()
    }

    impl Scene {
        /// A service with room for `capacity` spent challenges, where `alice` and `sue` are enrolled
        /// with one credential and `sue` is suspended.
        async fn new(capacity: u32) -> Self {
            let store = Arc::new(EmbeddedStore::in_memory(capacity).unwrap());
            let config = Config::new("https://api.example.com".parse().unwrap());
            let clock = Arc::new(SystemClock::new());
            let service = Service::new(config, store.clone(), clock).await.unwrap();
            let credential = Credential::generate(&mut getrandom::SysRng).unwrap();
            for client_id in [id("alice"), id("sue")] {
                let statement = Enrolment {
                    client_id: &client_id,
                };
                let proof = prove(&credential, &statement, &mut getrandom::SysRng).unwrap();
                let by = EnrolmentPermission::HostApplication;
                let commitment = credential.commitment();
                let enrolled = service.enrol(&client_id, commitment, &proof, by).await;
                assert!(enrolled.unwrap().is_active());
            }
            change_status(&*store, &id("sue"), LifecycleChange::Suspend)
                .await
                .unwrap();
            Self {
                service,
                store,
                credential,
            }
        }

        /// A challenge for this client and a proof that answers it.
        async fn proven(&self, client_id: &ClientId) -> (ChallengeName, Proof) {
            let issued = self.service.challenge(client_id).await.unwrap();
            let statement = Authentication {
                client_id,
                nonce: &issued.nonce,
                binding: self.service.binding(),
            };
            let proof = prove(&self.credential, &statement, &mut getrandom::SysRng).unwrap();
            (issued.name, proof)
        }

        /// How often the equation was looked at, and what came of it.
        async fn verify(&self, name: &ChallengeName, proof: &Proof) -> (u32, Result<(), Error>) {
            let before = EQUATIONS.get();
            let outcome = self.service.verify(name, proof).await;
            (EQUATIONS.get() - before, outcome.map(drop))
        }
    }

    #[tokio::test]
    async fn every_attempt_does_the_same_work_whoever_makes_it() {
        let scene = Scene::new(100).await;
        let (alice, stranger, suspended) = (id("alice"), id("stranger"), id("sue"));
        let (name, proof) = scene.proven(&alice).await;
        assert_eq!(scene.verify(&name, &proof).await, (1, Ok(())));
        assert_eq!(
            scene.verify(&name, &proof).await,
            (1, Err(Error::Denied)),
            "a used challenge"
        );
        let (name, _) = scene.proven(&alice).await;
        assert_eq!(scene.verify(&name, &proof).await, (1, Err(Error::Denied)));
        for nobody in [stranger, suspended] {
            let (name, proof) = scene.proven(&nobody).await;
            for _ in 0..2 {
                let outcome = scene.verify(&name, &proof).await;
                assert_eq!(outcome, (1, Err(Error::Denied)), "{nobody}");
            }
        }
    }

    #[tokio::test]
    async fn every_rotation_does_the_same_work_and_looks_at_each_proof_once() {
        let scene = Scene::new(100).await;
        let new = Credential::generate(&mut getrandom::SysRng).unwrap();
        let attempt = async |name: &ChallengeName, old: &Credential, new: &Credential| {
            let client_id = &name.client_id;
            let live = scene.service.recompute(name).await.unwrap();
            let binding = scene.service.binding();
            let statement =
                Rotation::new(client_id, &live.challenge.nonce, new.commitment(), binding).unwrap();
            let possession = Enrolment { client_id };
            let proof_old = prove(old, &statement, &mut getrandom::SysRng).unwrap();
            let proof_new = prove(new, &possession, &mut getrandom::SysRng).unwrap();
            let before = EQUATIONS.get();
            let rotated = scene
                .service
                .rotate(name, &proof_old, new.commitment(), &proof_new)
                .await;
            (EQUATIONS.get() - before, rotated.map(drop))
        };
        let denied = (2, Err(Error::Denied));
        for nobody in ["stranger", "sue"] {
            let (name, _) = scene.proven(&id(nobody)).await;
            assert_eq!(
                attempt(&name, &scene.credential, &new).await,
                denied,
                "{nobody}"
            );
        }
        let (name, _) = scene.proven(&id("alice")).await;
        assert_eq!(
            attempt(&name, &new, &new).await,
            denied,
            "a wrong old proof"
        );
        let (name, _) = scene.proven(&id("alice")).await;
        let same = attempt(&name, &scene.credential, &scene.credential).await;
        assert_eq!(same, denied, "the commitment that it had");
        let (name, _) = scene.proven(&id("alice")).await;
        assert_eq!(attempt(&name, &scene.credential, &new).await, (2, Ok(())));
    }

    #[tokio::test]
    async fn a_full_set_answers_unknown_clients_as_it_answers_known_ones() {
        let scene = Scene::new(2).await;
        let (alice, stranger) = (id("alice"), id("stranger"));
        for _ in 0..2 {
            let (name, proof) = scene.proven(&alice).await;
            assert_eq!(scene.verify(&name, &proof).await.1, Ok(()));
        }
        let mut outcomes = Vec::new();
        for client_id in [alice, stranger, id("sue")] {
            let (name, proof) = scene.proven(&client_id).await;
            outcomes.push(scene.verify(&name, &proof).await);
        }
        assert!(matches!(
            outcomes[0],
            (
                0,
                Err(Error::Throttled {
                    retry_after_seconds: 1..=120
                })
            )
        ));
        assert_eq!(outcomes[0], outcomes[1]);
        assert_eq!(outcomes[0], outcomes[2]);
    }

    #[tokio::test]
    async fn a_refused_proof_leaves_room_for_good_ones() {
        let scene = Scene::new(4).await;
        let alice = id("alice");
        let (_, wrong) = scene.proven(&alice).await;
        for _ in 0..50 {
            let (name, _) = scene.proven(&alice).await;
            assert_eq!(scene.verify(&name, &wrong).await.1, Err(Error::Denied));
        }
        let (name, proof) = scene.proven(&alice).await;
        assert_eq!(scene.verify(&name, &proof).await.1, Ok(()));
    }

    #[tokio::test]
    async fn a_suspended_client_is_let_in_again_when_it_is_resumed() {
        let scene = Scene::new(10).await;
        let sue = id("sue");
        change_status(&*scene.store, &sue, LifecycleChange::Resume)
            .await
            .unwrap();
        let (name, proof) = scene.proven(&sue).await;
        assert_eq!(scene.verify(&name, &proof).await.1, Ok(()));
    }

    #[tokio::test]
    async fn whoever_has_no_permission_to_enrol_gets_no_work_done() {
        let scene = Scene::new(10).await;
        let new = id("new");
        let statement = Enrolment { client_id: &new };
        let proof = prove(&scene.credential, &statement, &mut getrandom::SysRng).unwrap();
        let commitment = scene.credential.commitment();
        let before = EQUATIONS.get();
        let by = EnrolmentPermission::Token("guessed");
        let enrolled = scene.service.enrol(&new, commitment, &proof, by).await;
        assert_eq!(enrolled, Err(Error::Denied));
        assert_eq!(EQUATIONS.get(), before);
    }

    #[tokio::test]
    async fn an_invitation_for_an_enrolled_client_is_refused() {
        let scene = Scene::new(10).await;
        for (client_id, expected) in [("alice", Err(Error::AlreadyEnrolled)), ("new", Ok(()))] {
            let made = invite(&*scene.store, &id(client_id), 1, 10).await;
            assert_eq!(made.map(drop), expected);
        }
    }

    #[test]
    fn secrets_are_not_in_debug_output() {
        let token = EnrolmentToken(Zeroizing::new("s3cret".into()));
        assert!(!format!("{token:?}").contains("s3cret"));
        let token = AccessToken {
            jwt: Zeroizing::new("s3cret".into()),
            expires_in: 1,
        };
        assert!(!format!("{token:?}").contains("s3cret"));
    }

    #[test]
    fn only_the_form_that_is_issued_names_a_challenge() {
        let good = "ch-6afd86c037009872e54f07c1.alice.b";
        assert_eq!(ChallengeName::parse(good).unwrap().to_string(), good);
        for bad in [
            "",
            ".",
            "ch-6afd86c037009872e54f07c1",
            "ch-6afd86c037009872e54f07c1.",
            "ch-6afd86c037009872e54f07c1.a b",
            "ch-6AFD86C037009872E54F07C1.alice",
            "6afd86c037009872e54f07c1.alice",
            "alice.ch-6afd86c037009872e54f07c1",
        ] {
            assert_eq!(ChallengeName::parse(bad), Err(Error::Denied), "{bad:?}");
        }
    }
}
