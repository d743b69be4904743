//! `2fapi login`: a challenge, a proof, and the access token that they give.

use std::{
    fmt,
    time::{SystemTime, UNIX_EPOCH},
};

use clap::Args;
use serde::Serialize;
use twofapi_crypto_core::Audience;
use zeroize::Zeroizing;

use super::{Output, credential::CredentialArgs, server_args::ServerArgs};
use twofapi_client::{Failure, exchange::Exchange, rotation, session::Session};

#[derive(Args)]
#[command(after_help = "\
The access token, and nothing else, goes to standard output. The proof counts for this server alone:
it is bound to the audience, which is the origin of --server unless you name another.

Examples:
  TOKEN=$(2fapi login alice --server https://api.example.com)
  curl -H \"Authorization: Bearer $TOKEN\" https://api.example.com/reports
  2fapi login alice --server https://api.example.com --save && 2fapi whoami alice")]
pub(super) struct LoginArgs {
    #[command(flatten)]
    credential: CredentialArgs,
    #[command(flatten)]
    server: ServerArgs,
    /// The server's audience, where the operator says that it is not the origin of the URL
    #[arg(long)]
    audience: Option<Audience>,
    /// Keep the token in a file of mode 0600 for `2fapi whoami`, and do not print it
    #[arg(long)]
    save: bool,
}

#[derive(Serialize)]
struct Token<'a> {
    client_id: &'a str,
    access_token: &'a str,
    token_type: &'static str,
    expires_in: u64,
}

#[derive(Serialize)]
struct Saved<'a> {
    client_id: &'a str,
    server: &'a str,
    expires_in: u64,
    session: String,
}

pub(super) fn run(args: &LoginArgs, out: Output) -> Result<(), Failure> {
    let exchange = Exchange::new(
        args.server.client()?,
        args.server.audience(args.audience.as_ref())?,
    );
    let note = |text: &str| out.note(text);
    let (credential, access) = args
        .credential
        .with(|source| rotation::login(&exchange, source, &note))?;
    let client_id = &credential.client_id;
    let server = exchange.http().url().to_string();
    if args.save {
        let expires_at = now().saturating_add(access.expires_in);
        let token = Zeroizing::clone(&access.token);
        let session = Session::new(client_id, server.clone(), token, expires_at);
        return out.answer(&Saved {
            client_id: client_id.as_str(),
            server: &server,
            expires_in: access.expires_in,
            session: session.save(client_id)?.display().to_string(),
        });
    }
    out.note(format!(
        "logged in as {client_id} at {server}; the token is good for {} s",
        access.expires_in
    ));
    out.answer(&Token {
        client_id: client_id.as_str(),
        access_token: &access.token,
        token_type: "Bearer",
        expires_in: access.expires_in,
    })
}

fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

impl fmt::Display for Token<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.access_token)
    }
}

impl fmt::Display for Saved<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "logged in as {} at {} for {} s\nsession     {}",
            self.client_id, self.server, self.expires_in, self.session
        )
    }
}
