//! A real service that issues tokens, and applications behind the layer.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use axum::{
    Extension, Router,
    body::Body,
    extract::Request,
    http::{StatusCode, header},
    middleware::{Next, from_fn},
    response::Response,
    routing::get,
};
use tokio::{
    net::TcpListener,
    sync::{Mutex, Notify},
};
use tower::ServiceExt;
use twofapi_crypto_core::{Authentication, ClientId, Credential, Enrolment, Scopes, prove};
use twofapi_protect::{RequireToken, Token};
use twofapi_server::{
    AttributesChange, Config, EmbeddedStore, EnrolmentPermission, LoggedIn, RecordChange, Service,
    SigningAlgorithm, Sources, Store, SystemClock, change_record, drop_signing_key, router,
};

pub(crate) const JWKS: &str = "/.well-known/jwks.json";

pub(crate) struct Issuer {
    pub(crate) url: String,
    pub(crate) service: Arc<Service>,
    pub(crate) store: Arc<dyn Store>,
    credential: Credential,
    /// How often its keys were read.
    pub(crate) read: Arc<AtomicUsize>,
    /// Told of each time.
    pub(crate) asked: Arc<Notify>,
    /// Whoever holds it keeps its keys back.
    pub(crate) gate: Arc<Mutex<()>>,
}

fn id() -> ClientId {
    ClientId::parse("alice").unwrap()
}

impl Issuer {
    /// A service where `alice` may read reports.
    pub(crate) async fn start(algorithm: SigningAlgorithm) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let store: Arc<dyn Store> = Arc::new(EmbeddedStore::in_memory(100).unwrap());
        let config = Config {
            signing_algorithm: algorithm,
            ..Config::new(url.parse().unwrap())
        };
        let service = Service::new(config, store.clone(), Arc::new(SystemClock::new())).await;
        let service = Arc::new(service.unwrap());
        let read = Arc::new(AtomicUsize::new(0));
        let (asked, gate) = (Arc::new(Notify::new()), Arc::new(Mutex::new(())));
        let at_keys = (read.clone(), asked.clone(), gate.clone());
        let count = move |request: Request, next: Next| {
            let (read, asked, gate) = at_keys.clone();
            async move {
                if request.uri().path() == JWKS {
                    read.fetch_add(1, Ordering::SeqCst);
                    asked.notify_one();
                    drop(gate.lock().await);
                }
                next.run(request).await
            }
        };
        let routes = router(service.clone(), Arc::new(Sources::new(None, 0))).layer(from_fn(count));
        tokio::spawn(async move { axum::serve(listener, routes).await });
        let credential = Credential::generate(&mut getrandom::SysRng).unwrap();
        let id = id();
        let possession = Enrolment { client_id: &id };
        let proof = prove(&credential, &possession, &mut getrandom::SysRng).unwrap();
        let by = EnrolmentPermission::HostApplication;
        let enrolled = service.enrol(&id, credential.commitment(), &proof, by);
        enrolled.await.unwrap();
        let change = AttributesChange {
            scopes: Some(Scopes::new(["reports:read"]).unwrap()),
            ..AttributesChange::default()
        };
        let change = RecordChange::SetAttributes(Box::new(change));
        change_record(&*store, &id, &change).await.unwrap();
        Self {
            url,
            service,
            store,
            credential,
            read,
            asked,
            gate,
        }
    }

    pub(crate) async fn token(&self) -> String {
        let id = id();
        let issued = self.service.challenge(&id).await.unwrap();
        let statement = Authentication {
            client_id: &id,
            nonce: &issued.nonce,
            binding: self.service.binding(),
        };
        let proof = prove(&self.credential, &statement, &mut getrandom::SysRng).unwrap();
        let logged_in = self.service.verify(&issued.name, None, &proof, None).await;
        match logged_in.unwrap() {
            LoggedIn::Token(token) => token.jwt.to_string(),
            LoggedIn::Step(_) => panic!("no more is needed"),
        }
    }

    /// An application behind it that says who asks, where reports need a scope.
    pub(crate) fn application(&self) -> Router {
        let tokens = RequireToken::new(&self.url, &self.url).unwrap();
        let who = async |Extension(token): Extension<Token>| {
            format!("{} {}", token.client_id, token.scopes.join(","))
        };
        Router::new()
            .route(
                "/reports",
                get(who).layer(tokens.clone().scope("reports:read")),
            )
            .route(
                "/secrets",
                get(who).layer(tokens.clone().scope("secrets:read")),
            )
            .route("/", get(who).layer(tokens))
    }

    pub(crate) async fn drop_keys(&self) {
        for key in self.store.signing_keys().await.unwrap() {
            assert!(drop_signing_key(&*self.store, &key.kid).await.unwrap());
        }
    }
}

/// An application that lets in who has a token.
pub(crate) fn behind(tokens: RequireToken) -> Router {
    Router::new().route("/", get(async || "in")).layer(tokens)
}

pub(crate) async fn ask(application: &Router, path: &str, tokens: &[&str]) -> Response {
    let mut request = Request::builder().uri(path);
    for token in tokens {
        request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    let request = request.body(Body::empty()).unwrap();
    application.clone().oneshot(request).await.unwrap()
}

pub(crate) async fn status(application: &Router, path: &str, token: &str) -> StatusCode {
    ask(application, path, &[token]).await.status()
}

pub(crate) fn challenge(answer: &Response) -> &str {
    answer.headers()[header::WWW_AUTHENTICATE].to_str().unwrap()
}
