//! What the tests of all stores share: servers over a store, and a client of theirs (see `tests/`).

pub mod processes;

use std::sync::Arc;

use twofapi_crypto_core::{Authentication, ClientId, Credential, Enrolment, Error, Proof, prove};
use twofapi_server::{
    AccessToken, ChallengeName, Config, EnrolmentPermission, LoggedIn, OperatorKeys, Service,
    Store, SystemClock, drop_signing_key,
};

const AUDIENCE: &str = "https://api.example.com";

/// A server over a store, with these keys or none.
///
/// # Errors
/// Why it does not start.
pub async fn server_over(
    store: Arc<dyn Store>,
    keys: Option<OperatorKeys>,
) -> Result<Service, Error> {
    let config = Config {
        operator_keys: keys,
        ..Config::new(AUDIENCE.parse().expect("an audience"))
    };
    Service::new(config, store, Arc::new(SystemClock::new())).await
}

/// Logs in at a server, whose policy wants no other method.
///
/// # Errors
/// Why it does not let in.
///
/// # Panics
/// When more than the proof is asked for.
pub async fn log_in(
    at: &Service,
    name: &ChallengeName,
    proof: &Proof,
) -> Result<AccessToken, Error> {
    match at.verify(name, None, proof, None).await? {
        LoggedIn::Token(token) => Ok(token),
        LoggedIn::Step(step) => panic!("{} is asked for as well", step.method),
    }
}

/// Somebody with a credential.
pub struct Alice {
    /// Who she is.
    pub id: ClientId,
    credential: Credential,
}

impl Alice {
    /// Somebody of this name, who is enrolled nowhere yet.
    #[must_use]
    pub fn called(id: &str) -> Self {
        Self {
            id: id.parse().expect("a client id"),
            credential: Credential::generate(&mut getrandom::SysRng).expect("randomness"),
        }
    }

    /// Enrols her at a server.
    pub async fn enrolled_at(service: &Service) -> Self {
        Self::called("alice").enrolled(service).await
    }

    /// Enrols her at a server.
    pub async fn enrolled(self, service: &Service) -> Self {
        self.enrol(service).await.expect("she may");
        self
    }

    /// Has a server enrol her, if it does.
    ///
    /// # Errors
    /// Why it does not.
    pub async fn enrol(&self, service: &Service) -> Result<(), Error> {
        let permission = EnrolmentPermission::HostApplication;
        self.enrol_by(service, permission).await
    }

    /// As [`Alice::enrol`], by this permission.
    ///
    /// # Errors
    /// Why it does not.
    pub async fn enrol_by(
        &self,
        service: &Service,
        permission: EnrolmentPermission<'_>,
    ) -> Result<(), Error> {
        let possession = Enrolment {
            client_id: &self.id,
        };
        let proof = prove(&self.credential, &possession, &mut getrandom::SysRng)?;
        let enrolled = service.enrol(&self.id, self.credential.commitment(), &proof, permission);
        enrolled.await.map(drop)
    }

    /// A challenge of this server, and a proof that answers it.
    pub async fn proven(&self, by: &Service) -> (ChallengeName, Proof) {
        self.try_proven(by).await.expect("a challenge")
    }

    /// As [`Alice::proven`], of a server that may issue none.
    ///
    /// # Errors
    /// Why it does not.
    pub async fn try_proven(&self, by: &Service) -> Result<(ChallengeName, Proof), Error> {
        let issued = by.challenge(&self.id).await?;
        let statement = Authentication {
            client_id: &self.id,
            nonce: &issued.nonce,
            binding: by.binding(),
        };
        let proof = prove(&self.credential, &statement, &mut getrandom::SysRng)?;
        Ok((issued.name, proof))
    }
}

/// A challenge of each of two servers is good at every other one, and once among all; and so are their tokens.
pub async fn a_challenge_of_each_is_good_at_every_other_and_once_among_all(
    one: &Service,
    other: &Service,
) {
    let alice = Alice::enrolled_at(one).await;
    for (issuer, verifier) in [(one, other), (other, one)] {
        let (name, proof) = alice.proven(issuer).await;
        let token = log_in(verifier, &name, &proof)
            .await
            .expect("she is let in");
        // And its token is good at both: they share their signing keys.
        for server in [one, other] {
            let holder = server
                .authenticate(&token.jwt, None)
                .await
                .expect("it is good");
            assert_eq!(holder.client_id, alice.id);
        }
        for server in [one, other] {
            let again = log_in(server, &name, &proof).await;
            assert_eq!(again.map(drop), Err(Error::Denied));
        }
    }
    for _ in 0..8 {
        let (name, proof) = alice.proven(one).await;
        let (here, there, again) = tokio::join!(
            log_in(one, &name, &proof),
            log_in(other, &name, &proof),
            log_in(other, &name, &proof),
        );
        let accepted = [here, there, again]
            .iter()
            .filter(|one| one.is_ok())
            .count();
        assert_eq!(accepted, 1);
    }
}

/// A key that an operator drops is refused by every server at its next request, however lately they have read the keys; and
/// what the next key signs is good at once.
pub async fn a_signing_key_that_is_dropped_is_refused_by_every_server_at_its_next_request(
    operators: &dyn Store,
    one: &Service,
    other: &Service,
) {
    let alice = Alice::enrolled_at(one).await;
    let mut dropped = Vec::new();
    for (issuer, verifier) in [(one, other), (other, one)] {
        let (name, proof) = alice.proven(issuer).await;
        let token = log_in(issuer, &name, &proof).await.expect("she is let in");
        for server in [one, other] {
            server
                .authenticate(&token.jwt, None)
                .await
                .expect("it is good");
        }
        let keys = operators.signing_keys().await.expect("it works");
        for key in &keys {
            let there = drop_signing_key(operators, &key.kid).await;
            assert!(there.expect("it works"));
            dropped.push(key.kid.clone());
        }
        for server in [verifier, issuer] {
            let refused = server.authenticate(&token.jwt, None).await;
            assert_eq!(refused.map(drop), Err(Error::Denied));
        }
        // Nor does a server that had them bring them back.
        let (name, proof) = alice.proven(verifier).await;
        let token = log_in(verifier, &name, &proof)
            .await
            .expect("she is let in");
        for server in [issuer, verifier] {
            server
                .authenticate(&token.jwt, None)
                .await
                .expect("it is good");
            let published = server.jwks().await.expect("it works").to_string();
            assert!(dropped.iter().all(|kid| !published.contains(kid)));
        }
        let keys = operators.signing_keys().await.expect("it works");
        assert!(keys.iter().all(|key| !dropped.contains(&key.kid)));
    }
}
