//! Several servers over one store: a challenge of each is good at every other, once.

use std::sync::Arc;

use twofapi_crypto_core::{Authentication, ClientId, Credential, Enrolment, Error, Proof, prove};
use twofapi_server::{
    AccessToken, ChallengeName, Config, EnrolmentPermission, OperatorKeys, Service, SystemClock,
};

use crate::place::Place;

const AUDIENCE: &str = "https://api.example.com";

async fn replica(place: &Place) -> Service {
    try_replica(place, Some(place.keys.clone()))
        .await
        .expect("a server")
}

async fn try_replica(place: &Place, keys: Option<OperatorKeys>) -> Result<Service, Error> {
    let config = Config {
        operator_keys: keys,
        ..Config::new(AUDIENCE.parse().expect("an audience"))
    };
    let store = Arc::new(place.open(1000).await);
    Service::new(config, store, Arc::new(SystemClock::new())).await
}

async fn log_in(at: &Service, name: &ChallengeName, proof: &Proof) -> Result<AccessToken, Error> {
    at.verify(name, None, proof).await
}

struct Alice {
    id: ClientId,
    credential: Credential,
}

impl Alice {
    async fn enrolled_at(service: &Service) -> Self {
        let rng = &mut getrandom::SysRng;
        let alice = Self {
            id: "alice".parse().expect("a client id"),
            credential: Credential::generate(rng).expect("randomness"),
        };
        let possession = Enrolment {
            client_id: &alice.id,
        };
        let proof = prove(&alice.credential, &possession, rng).expect("a proof");
        service
            .enrol(
                &alice.id,
                alice.credential.commitment(),
                &proof,
                EnrolmentPermission::HostApplication,
            )
            .await
            .expect("she may");
        alice
    }

    /// A challenge of this server, and a proof that answers it.
    async fn proven(&self, by: &Service) -> (ChallengeName, Proof) {
        let issued = by.challenge(&self.id).await.expect("a challenge");
        let statement = Authentication {
            client_id: &self.id,
            nonce: &issued.nonce,
            binding: by.binding(),
        };
        let proof = prove(&self.credential, &statement, &mut getrandom::SysRng);
        (issued.name, proof.expect("a proof"))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_challenge_of_each_is_good_at_every_other_and_once_among_all() {
    let place = Place::with_a_store().await;
    let (one, other) = (replica(&place).await, replica(&place).await);
    let alice = Alice::enrolled_at(&one).await;
    for (issuer, verifier) in [(&one, &other), (&other, &one)] {
        let (name, proof) = alice.proven(issuer).await;
        let token = log_in(verifier, &name, &proof)
            .await
            .expect("she is let in");
        // And its token is good at both: they share their signing keys.
        for server in [&one, &other] {
            let holder = server.authenticate(&token.jwt).await.expect("it is good");
            assert_eq!(holder.client_id, alice.id);
        }
        for server in [&one, &other] {
            let again = log_in(server, &name, &proof).await;
            assert_eq!(again.map(drop), Err(Error::Denied));
        }
    }
    for _ in 0..8 {
        let (name, proof) = alice.proven(&one).await;
        let (here, there, again) = tokio::join!(
            log_in(&one, &name, &proof),
            log_in(&other, &name, &proof),
            log_in(&other, &name, &proof),
        );
        let accepted = [here, there, again]
            .iter()
            .filter(|one| one.is_ok())
            .count();
        assert_eq!(accepted, 1);
    }
}

#[tokio::test]
async fn a_server_of_a_shared_store_does_not_start_without_the_operators_keys() {
    let place = Place::with_a_store().await;
    let said = try_replica(&place, None)
        .await
        .err()
        .expect("it is refused");
    assert!(said.to_string().contains("key file"), "{said}");
}

#[tokio::test]
async fn a_challenge_of_before_a_crash_of_postgresql_is_dead_at_every_server() {
    let place = Place::with_a_store().await;
    let (one, other) = (replica(&place).await, replica(&place).await);
    let alice = Alice::enrolled_at(&one).await;
    let (used, proof_used) = alice.proven(&one).await;
    let (unused, proof_unused) = alice.proven(&other).await;
    log_in(&one, &used, &proof_used)
        .await
        .expect("she is let in");
    // What a crash or a promotion leaves of a table that is not logged.
    place.sql("TRUNCATE twofapi_service.spent").await;
    for (name, proof) in [(&used, &proof_used), (&unused, &proof_unused)] {
        for server in [&one, &other] {
            let again = log_in(server, name, proof).await;
            assert_eq!(again.map(drop), Err(Error::Denied));
        }
    }
    // Both go on, under the new epoch.
    let (name, proof) = alice.proven(&one).await;
    log_in(&other, &name, &proof).await.expect("she is let in");
}
