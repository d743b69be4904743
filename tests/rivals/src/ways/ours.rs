//! Ours: a challenge, and a proof that is verified and spends it.

use std::sync::Arc;

use tokio::runtime::Runtime;
use twofapi_crypto_core::{
    Authentication, ChallengeTtl, ClientId, Credential, Enrolment, Proof, prove,
};
use twofapi_server::{
    ChallengeName, Config, EmbeddedStore, EnrolmentPermission, Service, SystemClock,
};

use super::{CLIENTS, client};
use crate::host::AUDIENCE;

/// More than are logged in at all.
const PROVEN: usize = 30_000;

/// A service, and proofs that wait to be shown to it.
pub(crate) struct Ours {
    service: Service,
    runtime: Runtime,
    proven: Vec<(ChallengeName, Proof)>,
}

pub(crate) fn ours() -> Ours {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    let (service, proven) = runtime.block_on(async {
        let store = EmbeddedStore::in_memory(10_000_000).expect("a store");
        let config = Config {
            // What is proven beforehand is good when its turn comes.
            challenge_ttl: ChallengeTtl::from_seconds(900).expect("a time to live"),
            ..Config::new(AUDIENCE.parse().expect("an audience"))
        };
        let clock = Arc::new(SystemClock::new());
        let service = Service::new(config, Arc::new(store), clock).await;
        let service = service.expect("a service");
        let mut people = Vec::new();
        for number in 0..CLIENTS {
            let id: ClientId = client(number).parse().expect("a client id");
            let credential = Credential::generate(&mut getrandom::SysRng).expect("randomness");
            let possession = Enrolment { client_id: &id };
            let proof = prove(&credential, &possession, &mut getrandom::SysRng);
            let proof = proof.expect("a proof");
            let by = EnrolmentPermission::HostApplication;
            let commitment = credential.commitment();
            let enrolled = service.enrol(&id, commitment, &proof, by);
            enrolled.await.expect("enrolled");
            people.push((id, credential));
        }
        let mut proven = Vec::new();
        for number in 0..PROVEN {
            let (id, credential) = &people[number % CLIENTS];
            let issued = service.challenge(id).await.expect("a challenge");
            let statement = Authentication {
                client_id: id,
                nonce: &issued.nonce,
                binding: service.binding(),
            };
            let proof = prove(credential, &statement, &mut getrandom::SysRng);
            proven.push((issued.name, proof.expect("a proof")));
        }
        (service, proven)
    });
    Ours {
        service,
        runtime,
        proven,
    }
}

impl Ours {
    pub(crate) fn log_in(&mut self) {
        let (name, proof) = self.proven.pop().expect("enough were proven");
        self.runtime.block_on(async {
            let issued = self.service.challenge(&name.client_id).await;
            std::hint::black_box(issued.expect("a challenge"));
            let token = self.service.verify(&name, None, &proof, None).await;
            std::hint::black_box(token.expect("a token"));
        });
    }
}
