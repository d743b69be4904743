//! Enrols with a token from the operator, if one is given, and logs in:
//!
//! `cargo run -p twofapi-client --example login -- URL CLIENT_ID FILE [ENROLMENT_TOKEN]`
//!
//! The credential is made in FILE when it is not there yet.

use std::{error::Error, path::Path};

use twofapi_client::{
    Failure, HttpClient, ServerUrl,
    credential::{self, CredentialSource},
    exchange::{self, Exchange},
    rotation,
};
use twofapi_crypto_core::ClientId;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [url, client_id, file, token @ ..] = &arguments[..] else {
        return Err("give URL CLIENT_ID FILE [ENROLMENT_TOKEN]".into());
    };
    println!("{}", log_in(url, client_id, file.as_ref(), token.first())?);
    Ok(())
}

/// Gives what the server says of the client.
pub(crate) fn log_in(
    url: &str,
    client_id: &str,
    file: &Path,
    enrolment_token: Option<&String>,
) -> Result<String, Box<dyn Error>> {
    let url = ServerUrl::parse(url)?;
    let audience = url.origin().parse()?;
    let exchange = Exchange::new(HttpClient::new(url, false)?, audience);

    if !file.exists() {
        credential::create(file.to_owned(), ClientId::parse(client_id)?, None)?;
    }
    let no_passphrase = |_: &Path| Err(Failure::bad_input("the credential is under a passphrase"));
    let source = CredentialSource::at(file.to_owned(), &no_passphrase);
    if let Some(token) = enrolment_token {
        exchange::enrol(exchange.http(), &source.open()?, token)?;
    }
    let (_, access) = rotation::login(&exchange, &source, &|note| eprintln!("{note}"))?;
    let me = exchange::whoami(exchange.http(), &access.token)?;
    Ok(format!(
        "{} (commitment version {}), for {} s",
        me.client_id, me.commitment_version, access.expires_in
    ))
}
