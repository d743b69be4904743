//! `2fapi whoami`: opens a protected resource of the server with an access token.

use std::{fmt, path::PathBuf};

use clap::Args;
use serde::Serialize;
use twofapi_crypto_core::ClientId;
use zeroize::Zeroizing;

use super::{Output, secret_input::Sources, server_args::TrustArgs};
use twofapi_client::{Failure, FailureKind, HttpClient, ServerUrl, exchange, session::Session};

#[derive(Args)]
#[command(after_help = "\
With CLIENT_ID, the session that `2fapi login --save` kept is used; without, a token that you give.

Examples:
  2fapi whoami alice
  2fapi login alice --server URL | 2fapi whoami --server URL --token-file -
  TWOFAPI_ACCESS_TOKEN=... 2fapi whoami --server URL")]
pub(super) struct WhoamiArgs {
    /// Whose saved session to use
    #[arg(value_name = "CLIENT_ID", conflicts_with = "token_file")]
    client_id: Option<ClientId>,
    /// URL of the server [default: that of the saved session]
    #[arg(long, value_name = "URL", env = "TWOFAPI_SERVER", value_parser = ServerUrl::parse)]
    server: Option<ServerUrl>,
    #[command(flatten)]
    trust: TrustArgs,
    /// File that holds the access token, or - for standard input [or set TWOFAPI_ACCESS_TOKEN]
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
}

#[derive(Serialize)]
struct Identity {
    client_id: String,
    commitment_version: u64,
    expires_at: u64,
    server: String,
}

pub(super) fn run(args: &WhoamiArgs, out: Output) -> Result<(), Failure> {
    let (url, token) = match &args.client_id {
        Some(client_id) => from_session(client_id, args.server.as_ref())?,
        None => given(args)?,
    };
    let http = HttpClient::new(url, args.trust.insecure_http)?;
    let identity = exchange::whoami(&http, &token).map_err(|failure| {
        if failure.kind() == FailureKind::Denied {
            failure.with_hint("`2fapi login` gives another token")
        } else {
            failure
        }
    })?;
    let speaks_of =
        ClientId::parse(&identity.client_id).map_err(|_| http.bad_answer("it names no client"))?;
    if args
        .client_id
        .as_ref()
        .is_some_and(|asked| *asked != speaks_of)
    {
        return Err(http.bad_answer("it speaks of another client"));
    }
    out.answer(&Identity {
        client_id: speaks_of.into(),
        commitment_version: identity.commitment_version,
        expires_at: identity.expires_at,
        server: http.url().to_string(),
    })
}

fn from_session(
    client_id: &ClientId,
    server: Option<&ServerUrl>,
) -> Result<(ServerUrl, Zeroizing<String>), Failure> {
    let session = Session::load(client_id)?;
    let url = ServerUrl::parse(&session.server)
        .map_err(|error| Failure::bad_input(format!("the saved session's server: {error}")))?;
    match server {
        Some(server) if *server != url => Err(Failure::bad_input(format!(
            "the saved session of {client_id} is one with {url}; its token is not shown to {server}"
        ))),
        _ => Ok((url, session.access_token)),
    }
}

fn given(args: &WhoamiArgs) -> Result<(ServerUrl, Zeroizing<String>), Failure> {
    let sources = Sources {
        what: "access token",
        value: None,
        file: args.token_file.as_deref(),
        variable: "TWOFAPI_ACCESS_TOKEN",
    };
    let token = sources.read()?.ok_or_else(|| {
        Failure::bad_input(
            "give CLIENT_ID, to use the session that `2fapi login CLIENT_ID --save` kept; or a \
             token with --token-file FILE or TWOFAPI_ACCESS_TOKEN",
        )
    })?;
    let url = args
        .server
        .clone()
        .ok_or_else(|| Failure::bad_input("say which server the token is for: --server URL"))?;
    Ok((url, token))
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} (commitment version {}) at {}",
            self.client_id, self.commitment_version, self.server
        )
    }
}
