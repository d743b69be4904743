//! A server in this process, on a port of its own, with a clock that a test can set.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use axum::Router;
use serde_json::{Value, json};
use tokio::{net::TcpListener, runtime::Runtime};
use twofapi_crypto_core::{AuthenticationBinding, ClientId, Credential};
use twofapi_server::{
    Clock, Config, EmbeddedStore, RateLimit, RecordChange, Service, Sources, Store, change_record,
    invite, invite_to_reset, router,
};

use crate::client::{
    Answer, CHALLENGE, Client, ENROLL, LINK, OFFER, VERIFY, credential, get, possession, post,
    proven, rotation,
};

pub(crate) const AUDIENCE: &str = "https://auth.example.com";
pub(crate) const NOW: u64 = 1_795_000_000;

/// A clock that stands still unless a test moves it.
pub(crate) struct TestClock {
    wall: AtomicU64,
}

impl TestClock {
    pub(crate) fn pass(&self, seconds: u64) {
        self.wall.fetch_add(seconds, Ordering::SeqCst);
    }

    pub(crate) fn set_wall(&self, now: u64) {
        self.wall.store(now, Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn wall(&self) -> u64 {
        self.wall.load(Ordering::SeqCst)
    }
}

pub(crate) struct Server {
    pub(crate) base_url: String,
    pub(crate) clock: Arc<TestClock>,
    pub(crate) service: Arc<Service>,
    pub(crate) store: Arc<dyn Store>,
    runtime: Runtime,
}

impl Server {
    pub(crate) fn start() -> Self {
        Self::with(Config::new(AUDIENCE.parse().unwrap()), None)
    }

    pub(crate) fn with(config: Config, limit: Option<RateLimit>) -> Self {
        let sources = Arc::new(Sources::new(limit, 0));
        Self::mounted(config, move |service| router(service, sources))
    }

    /// Serves what an application makes of the service.
    pub(crate) fn mounted(
        config: Config,
        application: impl FnOnce(Arc<Service>) -> Router,
    ) -> Self {
        let store: Arc<dyn Store> = Arc::new(EmbeddedStore::in_memory(10_000).unwrap());
        Self::over(store, config, application)
    }

    pub(crate) fn over(
        store: Arc<dyn Store>,
        config: Config,
        application: impl FnOnce(Arc<Service>) -> Router,
    ) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let clock = Arc::new(TestClock { wall: NOW.into() });
        let (service, listener) = runtime.block_on(async {
            let service = Service::new(config, store.clone(), clock.clone());
            let listener = TcpListener::bind("127.0.0.1:0");
            (Arc::new(service.await.unwrap()), listener.await.unwrap())
        });
        let base_url = format!("http://{}", listener.local_addr().unwrap());
        let application = application(service.clone());
        runtime.spawn(async move {
            let application = application.into_make_service_with_connect_info::<SocketAddr>();
            axum::serve(listener, application).await.unwrap();
        });
        Self {
            base_url,
            clock,
            service,
            store,
            runtime,
        }
    }

    pub(crate) fn run<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    pub(crate) fn binding(&self) -> &AuthenticationBinding {
        self.service.binding()
    }

    /// An enrolment token that is good for an hour.
    pub(crate) fn invite(&self, client_id: &str) -> String {
        let client_id = ClientId::parse(client_id).unwrap();
        let token = invite(&*self.store, &client_id, self.clock.wall(), 3600);
        self.run(token).unwrap().expose().to_owned()
    }

    pub(crate) fn change(&self, client_id: &str, change: RecordChange) {
        let client_id = ClientId::parse(client_id).unwrap();
        let changed = change_record(&*self.store, &client_id, &change);
        self.run(changed).unwrap();
    }
}

impl Server {
    pub(crate) fn post(&self, path: &str, token: Option<&str>, body: &Value) -> Answer {
        post(&self.base_url, path, token, body)
    }

    pub(crate) fn get(&self, path: &str, token: Option<&str>) -> Answer {
        get(&self.base_url, path, token)
    }

    pub(crate) fn enrol(&self, client_id: &str) -> Client {
        let credential = credential();
        let token = self.invite(client_id);
        let body = possession(client_id, &credential);
        let answer = self.post(ENROLL, Some(&token), &body);
        assert_eq!(answer.status, 201, "{answer:?}");
        Client {
            id: ClientId::parse(client_id).unwrap(),
            credential,
        }
    }

    pub(crate) fn challenge(&self, client_id: &str) -> Answer {
        let answer = self.post(CHALLENGE, None, &json!({ "client_id": client_id }));
        assert_eq!(answer.status, 200, "{answer:?}");
        answer
    }

    /// A verification of this client that would be accepted.
    pub(crate) fn proven(&self, client: &Client) -> Value {
        let challenge = self.challenge(client.id.as_str());
        proven(client, &challenge, self.binding())
    }

    pub(crate) fn rotation(&self, client: &Client, new: &Credential) -> Value {
        let challenge = self.challenge(client.id.as_str());
        rotation(client, new, &challenge, self.binding())
    }

    /// A link of the other one at the same device, by this credential, which it names.
    pub(crate) fn link(&self, by: &Client, new: &Client) -> Value {
        let challenge = self.challenge(by.id.as_str());
        json!({
            "challenge_id": challenge.body["challenge_id"],
            "credential_id": by.credential_id(),
            "proof": by.linking(new, &challenge, self.binding()),
            "commitment_new": new.commitment(),
            "proof_new": new.joining(&challenge, self.binding()),
            "name": "laptop",
        })
    }

    /// A link of the other one, which has joined before.
    pub(crate) fn link_what_joined(&self, by: &Client, new: &Client) -> Value {
        let mut body = self.link(by, new);
        body.as_object_mut().unwrap().remove("proof_new");
        body.as_object_mut().unwrap().remove("name");
        body
    }

    /// An unlinking of the other one, by this credential, which it names.
    pub(crate) fn unlinking(&self, by: &Client, old: &Client) -> Value {
        let challenge = self.challenge(by.id.as_str());
        json!({
            "challenge_id": challenge.body["challenge_id"],
            "credential_id": by.credential_id(),
            "proof": by.unlinking(old, &challenge, self.binding()),
            "commitment_old": old.commitment(),
        })
    }

    /// A challenge that this client offers to a second device.
    pub(crate) fn offer(&self, client: &Client, token: &str) -> Answer {
        let challenge = self.challenge(client.id.as_str());
        let body = json!({ "challenge_id": challenge.body["challenge_id"] });
        let answer = self.post(OFFER, Some(token), &body);
        assert_eq!(answer.status, 200, "{answer:?}");
        challenge
    }

    /// How this device joins an offer.
    pub(crate) fn joining(&self, device: &Client, offer: &Answer) -> Value {
        json!({
            "challenge_id": offer.body["challenge_id"],
            "commitment": device.commitment(),
            "proof": device.joining(offer, self.binding()),
            "name": "phone",
        })
    }

    /// A client with two devices.
    pub(crate) fn with_two_devices(&self, client_id: &str) -> (Client, Client) {
        let phone = self.enrol(client_id);
        let laptop = phone.device();
        let answer = self.post(LINK, None, &self.link(&phone, &laptop));
        assert_eq!(answer.status, 200, "{answer:?}");
        (phone, laptop)
    }

    /// A verification of this client that names its credential.
    pub(crate) fn proven_by_name(&self, client: &Client) -> Value {
        let mut body = self.proven(client);
        body["credential_id"] = client.credential_id().into();
        body
    }

    /// An access token for this credential.
    pub(crate) fn log_in_by_name(&self, client: &Client) -> String {
        let answer = self.verify(&self.proven_by_name(client));
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.text("access_token").to_owned()
    }

    /// A token by which a client is reset.
    pub(crate) fn invite_to_reset(&self, client_id: &str) -> String {
        let client_id = ClientId::parse(client_id).unwrap();
        let token = invite_to_reset(&*self.store, &client_id, self.clock.wall(), 3600);
        self.run(token).unwrap().expose().to_owned()
    }

    pub(crate) fn verify(&self, body: &Value) -> Answer {
        self.post(VERIFY, None, body)
    }

    /// An access token.
    pub(crate) fn log_in(&self, client: &Client) -> String {
        let answer = self.verify(&self.proven(client));
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.text("access_token").to_owned()
    }
}
