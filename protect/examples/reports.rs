//! A service of one's own behind a 2FApi service: `cargo run -p twofapi-protect --example reports -- http://127.0.0.1:7250`.

use axum::{Extension, Router, routing::get};
use twofapi_protect::{RequireToken, Token};

async fn reports(Extension(token): Extension<Token>) -> String {
    format!("reports of {}\n", token.client_id)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let issuer = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "http://127.0.0.1:7250".into());
    let tokens = RequireToken::new(&issuer, &issuer)?;
    let app = Router::new()
        .route("/reports", get(reports))
        .layer(tokens.scope("reports:read"));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    println!("http://{}/reports", listener.local_addr()?);
    axum::serve(listener, app).await?;
    Ok(())
}
