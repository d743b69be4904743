//! Places that say wrong things of keys, or say them in ways that are not taken.

use axum::{Json, Router, http::StatusCode, response::Redirect, routing::get};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use twofapi_protect::RequireToken;
use twofapi_server::SigningAlgorithm;

use crate::issuer::{Issuer, JWKS, behind, status};

#[tokio::test]
async fn keys_that_come_by_a_detour_without_end_or_as_no_set_are_not_taken() {
    let issuer = Issuer::start(SigningAlgorithm::EdDsa).await;
    let token = issuer.token().await;
    let at = format!("{}{JWKS}", issuer.url);
    let set = serde_json::to_string(&issuer.service.jwks().await.unwrap()).unwrap();
    let padded = |len: usize| {
        let body = format!("{set}{}", " ".repeat(len - set.len()));
        get(async move || body.clone())
    };
    let elsewhere = Router::new()
        .route("/short", padded(200 * 1024))
        .route("/long", padded(300 * 1024))
        .route("/moved", get(async move || Redirect::temporary(&at)))
        .route("/none", get(async || "{}"))
        .route("/text", get(async || "signed in"))
        .route(
            "/failed",
            get(async move || (StatusCode::INTERNAL_SERVER_ERROR, set.clone())),
        );
    let url = serve(elsewhere).await;
    for (path, expected) in [
        ("/short", StatusCode::OK),
        ("/long", StatusCode::SERVICE_UNAVAILABLE),
        ("/moved", StatusCode::SERVICE_UNAVAILABLE),
        ("/none", StatusCode::SERVICE_UNAVAILABLE),
        ("/text", StatusCode::SERVICE_UNAVAILABLE),
        ("/failed", StatusCode::SERVICE_UNAVAILABLE),
    ] {
        let at = format!("{url}{path}");
        let tokens = RequireToken::with_keys_at(&issuer.url, &issuer.url, &at).unwrap();
        assert_eq!(
            status(&behind(tokens), "/", &token).await,
            expected,
            "{path}"
        );
    }
}

#[tokio::test]
async fn a_document_of_another_issuer_or_with_keys_in_the_clear_is_not_gone_by() {
    let issuer = Issuer::start(SigningAlgorithm::EdDsa).await;
    let token = issuer.token().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let keys = format!("{}{JWKS}", issuer.url);
    let document = |issuer: String, keys: &str| -> Json<Value> {
        Json(json!({ "issuer": issuer, "jwks_uri": keys }))
    };
    let own = document(format!("{url}/own"), &keys);
    let others = document(issuer.url.clone(), &keys);
    // It could be reached all the same, on this machine.
    let in_the_clear = keys.replace("127.0.0.1", "0.0.0.0");
    let clear = document(format!("{url}/clear"), &in_the_clear);
    let well_known = "/.well-known/oauth-authorization-server";
    let routes = Router::new()
        .route(&format!("{well_known}/own"), get(async move || own.clone()))
        .route(
            &format!("{well_known}/others"),
            get(async move || others.clone()),
        )
        .route(
            &format!("{well_known}/clear"),
            get(async move || clear.clone()),
        );
    tokio::spawn(async move { axum::serve(listener, routes).await });
    for (path, expected) in [
        // Its keys are read, and the token is not of this issuer.
        ("own", StatusCode::UNAUTHORIZED),
        ("others", StatusCode::SERVICE_UNAVAILABLE),
        ("clear", StatusCode::SERVICE_UNAVAILABLE),
    ] {
        let tokens = RequireToken::new(&format!("{url}/{path}"), &issuer.url).unwrap();
        assert_eq!(
            status(&behind(tokens), "/", &token).await,
            expected,
            "{path}"
        );
    }
}

async fn serve(routes: Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, routes).await });
    url
}
