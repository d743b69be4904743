//! `2fapi sessions`: the sessions of a client, as its server lists them, and their end.

use std::fmt;

use clap::Args;
use serde::Serialize;
use twofapi_client::{
    Failure,
    exchange::Exchange,
    rotation,
    sessions::{Ending, Listed, is_session_id},
};
use twofapi_crypto_core::Audience;

use super::{Output, client_view::time, credential::CredentialArgs, server_args::ServerArgs};

#[derive(Args)]
#[command(after_help = "\
Each session is an access token that is good. The one that this command logs in with is not listed, and ends with
it. A session that was ended is denied at once by the server; a service that checks tokens by the server's public
keys alone takes its token until it expires.

Examples:
  2fapi sessions alice --server https://api.example.com
  2fapi sessions alice --server https://api.example.com --end 4f6b...
  2fapi sessions alice --server https://api.example.com --end-all")]
pub(super) struct SessionsArgs {
    #[command(flatten)]
    credential: CredentialArgs,
    #[command(flatten)]
    server: ServerArgs,
    /// The server's audience, where the operator says that it is not the origin of the URL
    #[arg(long)]
    audience: Option<Audience>,
    /// End the session of this id
    #[arg(long, value_name = "SESSION_ID", value_parser = session_id, conflicts_with = "end_all")]
    end: Option<String>,
    /// End all sessions
    #[arg(long)]
    end_all: bool,
}

/// The id of a session, as it is written.
pub(super) fn session_id(text: &str) -> Result<String, String> {
    match is_session_id(text) {
        true => Ok(text.to_owned()),
        false => Err("a session id is 32 lower-case hex digits, as the list shows it".into()),
    }
}

/// What is left, and what was ended.
#[derive(Serialize)]
struct List {
    client_id: String,
    sessions: Vec<Listed>,
    ended: u64,
}

pub(super) fn run(args: &SessionsArgs, out: Output) -> Result<(), Failure> {
    let exchange = Exchange::new(
        args.server.client()?,
        args.server.audience(args.audience.as_ref())?,
    );
    let note = |text: &str| out.note(text);
    let list = args.credential.with(|source| {
        let (by, access) = rotation::login(&exchange, source, &note)?;
        let (client, token) = (&by.client_id, &access.token);
        let ended = match (&args.end, args.end_all) {
            (Some(id), _) => exchange.end_sessions(client, token, Ending::One(id))?,
            (None, true) => exchange.end_sessions(client, token, Ending::Others)?,
            (None, false) => 0,
        };
        let mut sessions = exchange.sessions(client, token)?.sessions;
        let own = sessions.iter().find(|session| session.current);
        if let Some(own) = own {
            exchange.end_sessions(client, token, Ending::One(&own.session_id))?;
        }
        sessions.retain(|session| !session.current);
        Ok(List {
            client_id: client.to_string(),
            sessions,
            ended,
        })
    })?;
    if args.end.is_some() && list.ended == 0 {
        return Err(Failure::bad_input(format!(
            "{} has no such session: `2fapi sessions` lists them",
            list.client_id
        )));
    }
    out.answer(&list)
}

impl fmt::Display for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines: Vec<_> = self.sessions.iter().map(line).collect();
        if self.ended > 0 {
            lines.push(format!("{} ended", self.ended));
        }
        if lines.is_empty() {
            lines.push(format!("{} has no sessions", self.client_id));
        }
        f.write_str(&lines.join("\n"))
    }
}

fn line(session: &Listed) -> String {
    let Listed {
        session_id,
        credential_id,
        source,
        issued_at,
        expires_at,
        ..
    } = session;
    let source = source.map_or("unknown".into(), |source| source.to_string());
    format!(
        "{session_id}  by {credential_id}  from {source:<15}  {} to {}",
        time(Some(*issued_at)),
        time(Some(*expires_at))
    )
}
