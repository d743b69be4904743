//! The router inside an application of somebody else's.

use std::sync::Arc;

use axum::{
    Router,
    extract::{FromRef, Request},
    middleware::{self, Next},
    routing::get,
};
use serde_json::json;
use twofapi_crypto_core::ClientId;
use twofapi_server::{
    AuthenticatedClient, Config, EnrolmentAuthorised, RecordChange, Service, Sources, router,
};

use crate::{
    client::{Client, credential, get as fetch, possession, post, proven},
    server::{AUDIENCE, Server},
};

#[derive(Clone)]
struct Application {
    service: Arc<Service>,
}

impl FromRef<Application> for Arc<Service> {
    fn from_ref(application: &Application) -> Self {
        application.service.clone()
    }
}

/// The application's own authentication, as far as this test is concerned: a session cookie that
/// names a user.
async fn session(mut request: Request, next: Next) -> axum::response::Response {
    let user = request
        .headers()
        .get("cookie")
        .and_then(|cookie| cookie.to_str().ok()?.strip_prefix("user="))
        .and_then(|user| ClientId::parse(user).ok());
    if let Some(user) = user {
        request.extensions_mut().insert(EnrolmentAuthorised(user));
    }
    next.run(request).await
}

fn application(service: Arc<Service>) -> Router {
    let ours = router(service.clone(), Arc::new(Sources::new(None, 0)));
    Router::new()
        .route(
            "/report",
            get(async |client: AuthenticatedClient| format!("\"for {}\"", client.client_id)),
        )
        .with_state(Application { service })
        .nest("/id", ours.layer(middleware::from_fn(session)))
        .fallback(async || "\"the application's own\"")
}

fn server() -> Server {
    Server::mounted(Config::new(AUDIENCE.parse().unwrap()), application)
}

fn enrol(server: &Server, user: &str, client_id: &str) -> (u16, Client) {
    let credential = credential();
    let body = possession(client_id, &credential).to_string();
    let headers = [("content-type", "application/json"), ("cookie", user)];
    let answer = crate::client::send(
        &server.base_url,
        "POST",
        "/id/auth/zkp/enroll",
        &headers,
        body.as_bytes(),
    );
    let id = ClientId::parse(client_id).unwrap();
    (answer.status, Client { id, credential })
}

#[test]
fn the_applications_own_authentication_permits_an_enrolment_of_that_user_only() {
    let server = server();
    assert_eq!(enrol(&server, "nobody", "alice").0, 401);
    assert_eq!(enrol(&server, "user=bob", "alice").0, 401);
    assert_eq!(enrol(&server, "user=alice", "alice").0, 201);
    assert_eq!(enrol(&server, "user=alice", "alice").0, 409);
}

#[test]
fn a_route_of_the_application_is_for_clients_with_a_good_token() {
    let server = server();
    let (status, alice) = enrol(&server, "user=alice", "alice");
    assert_eq!(status, 201);
    let challenge = post(
        &server.base_url,
        "/id/auth/zkp/challenge",
        None,
        &json!({ "client_id": "alice" }),
    );
    let body = proven(&alice, &challenge, server.binding());
    let answer = post(&server.base_url, "/id/auth/zkp/verify", None, &body);
    let token = answer.text("access_token");

    let report = fetch(&server.base_url, "/report", Some(token));
    assert_eq!((report.status, report.body), (200, json!("for alice")));
    for token in [None, Some("x"), Some("a.b.c")] {
        let answer = fetch(&server.base_url, "/report", token);
        assert_eq!(answer.problem(), (401, "denied"));
    }
    server.change("alice", RecordChange::Revoke);
    let answer = fetch(&server.base_url, "/report", Some(token));
    assert_eq!(answer.problem(), (401, "denied"));
}

#[test]
fn paths_that_are_not_ours_stay_the_applications() {
    let server = server();
    for path in ["/", "/elsewhere", "/auth/zkp/verify"] {
        let answer = fetch(&server.base_url, path, None);
        assert_eq!(answer.body, json!("the application's own"), "{path}");
    }
    assert_eq!(fetch(&server.base_url, "/id/healthz", None).status, 200);
}
