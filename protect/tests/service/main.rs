//! An application behind the layer, and a real service that issues its tokens.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod forged;
mod issuer;
mod sources;

use std::{sync::atomic::Ordering, time::Duration};

use axum::http::{StatusCode, header};
use tokio::net::TcpListener;
use twofapi_protect::RequireToken;
use twofapi_server::SigningAlgorithm;

use issuer::{Issuer, JWKS, ask, behind, challenge, status};

#[tokio::test]
async fn who_has_a_good_token_is_let_in_and_known_and_nobody_else_is() {
    for algorithm in [SigningAlgorithm::EdDsa, SigningAlgorithm::Es256] {
        let issuer = Issuer::start(algorithm).await;
        let application = issuer.application();
        let token = issuer.token().await;
        let answer = ask(&application, "/reports", &[&token]).await;
        assert_eq!(answer.status(), StatusCode::OK);
        let body = axum::body::to_bytes(answer.into_body(), 100).await.unwrap();
        assert_eq!(body, "alice reports:read");

        let answer = ask(&application, "/secrets", &[&token]).await;
        assert_eq!(answer.status(), StatusCode::FORBIDDEN);
        assert!(
            challenge(&answer).ends_with("error=\"insufficient_scope\", scope=\"secrets:read\"")
        );
        let broken = format!("{}AAAAAA", &token[..token.len() - 6]);
        let none: [&[&str]; 5] = [
            &[],
            &[&broken],
            &["a.b.c"],
            &[&token, &token],
            &[&token[..token.len() - 10]],
        ];
        for tokens in none {
            let answer = ask(&application, "/", tokens).await;
            assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
            assert!(challenge(&answer).starts_with("Bearer realm=\""));
        }
    }
}

#[tokio::test]
async fn a_token_for_another_audience_or_of_another_issuer_is_refused() {
    let (issuer, other) = (
        Issuer::start(SigningAlgorithm::EdDsa).await,
        Issuer::start(SigningAlgorithm::EdDsa).await,
    );
    let token = issuer.token().await;
    let at = format!("{}{JWKS}", issuer.url);
    let good = RequireToken::with_keys_at(&issuer.url, &issuer.url, &at).unwrap();
    assert_eq!(status(&behind(good), "/", &token).await, StatusCode::OK);
    for (of, audience) in [(&issuer.url, &other.url), (&other.url, &issuer.url)] {
        let tokens = RequireToken::with_keys_at(of, audience, &at).unwrap();
        let application = behind(tokens);
        assert_eq!(
            status(&application, "/", &token).await,
            StatusCode::UNAUTHORIZED
        );
    }
    let theirs = other.application();
    assert_eq!(status(&theirs, "/", &token).await, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn strangers_that_make_up_keys_do_not_have_the_keys_read_again_and_again() {
    let issuer = Issuer::start(SigningAlgorithm::EdDsa).await;
    let stranger = Issuer::start(SigningAlgorithm::EdDsa).await;
    let application = issuer.application();
    let token = issuer.token().await;
    assert_eq!(status(&application, "/", &token).await, StatusCode::OK);
    assert_eq!(issuer.read.load(Ordering::SeqCst), 1);
    for _ in 0..30 {
        stranger.drop_keys().await;
        let forged = stranger.token().await;
        assert_eq!(
            status(&application, "/", &forged).await,
            StatusCode::UNAUTHORIZED
        );
        assert_eq!(status(&application, "/", &token).await, StatusCode::OK);
    }
    assert_eq!(issuer.read.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_new_key_is_found_and_one_that_was_dropped_is_gone_when_the_keys_are_too_old() {
    let issuer = Issuer::start(SigningAlgorithm::EdDsa).await;
    let application = issuer.application();
    let before = issuer.token().await;
    assert_eq!(status(&application, "/", &before).await, StatusCode::OK);
    issuer.drop_keys().await;
    let after = issuer.token().await;
    // Not at once, or strangers could have them read at will; after a minute.
    assert_eq!(
        status(&application, "/", &after).await,
        StatusCode::UNAUTHORIZED
    );
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(61)).await;
    assert_eq!(status(&application, "/", &after).await, StatusCode::OK);
    assert_eq!(
        status(&application, "/", &before).await,
        StatusCode::UNAUTHORIZED
    );

    // Nobody asks for another key: after an hour what was read is no longer gone by.
    issuer.drop_keys().await;
    let last = issuer.token().await;
    tokio::time::advance(Duration::from_secs(3601)).await;
    assert_eq!(
        status(&application, "/", &after).await,
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(status(&application, "/", &last).await, StatusCode::OK);
}

#[tokio::test]
async fn without_keys_nobody_is_let_in_and_the_answer_says_to_come_again() {
    let url = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    };
    let issuer = Issuer::start(SigningAlgorithm::EdDsa).await;
    let tokens = RequireToken::new(&url, &url).unwrap();
    let application = behind(tokens);
    let answer = ask(&application, "/", &[&issuer.token().await]).await;
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.headers()[header::RETRY_AFTER], "1");
    // Who has no token is told so all the same.
    assert_eq!(
        ask(&application, "/", &[]).await.status(),
        StatusCode::UNAUTHORIZED
    );
}

#[tokio::test]
async fn who_asks_and_leaves_does_not_have_the_keys_read_again() {
    let issuer = Issuer::start(SigningAlgorithm::EdDsa).await;
    let application = issuer.application();
    let token = issuer.token().await;
    let asking = || {
        let (application, token) = (application.clone(), token.clone());
        tokio::spawn(async move { status(&application, "/", &token).await })
    };
    let held = issuer.gate.lock().await;
    let first = asking();
    issuer.asked.notified().await;
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    // Those that come meanwhile wait for what the first one asked for.
    let others: Vec<_> = (0..20).map(|_| asking()).collect();
    drop(held);
    for other in others {
        assert_eq!(other.await.unwrap(), StatusCode::OK);
    }
    assert_eq!(issuer.read.load(Ordering::SeqCst), 1);
}
