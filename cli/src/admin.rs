//! `2fapi invite` and `2fapi clients`: what an operator does, through the running server or, where
//! none runs, on the store itself.

use std::{fmt, path::PathBuf, str::FromStr};

use clap::{Args, Subcommand};
use serde::Serialize;
use twofapi_crypto_core::ClientId;
use zeroize::Zeroizing;

use super::{
    Output,
    client_said::SaidArgs,
    client_set::SetArgs,
    client_view::{Clients, OneView, SessionsView},
    sessions::session_id,
    store::{Reached, StoreArgs},
};
use twofapi_client::{Failure, private_file};
use twofapi_server::{
    Clock, SystemClock,
    admin::{ClientView, Request, Response},
};

/// Options of `2fapi invite`.
#[derive(Args, Debug)]
pub(crate) struct InviteArgs {
    /// Who may enrol
    client_id: ClientId,
    /// Let a client that has lost its credentials replace all of them by a new one; voids the token before.
    /// What was said of the client stays
    #[arg(
        long,
        conflicts_with_all = ["expires", "scopes", "claims", "sources", "requests_per_minute", "tenant"]
    )]
    reset: bool,
    /// Void every token of the client that was not used, and make none
    #[arg(
        long,
        conflicts_with_all = [
            "reset", "ttl", "out", "expires", "scopes", "claims", "sources", "requests_per_minute", "tenant"
        ]
    )]
    cancel: bool,
    /// How long the token is good, such as 90s, 15m, 24h or 7d [default: 24h, with --reset 60m]
    #[arg(long, value_name = "TIME")]
    ttl: Option<Time>,
    /// Write the token to a file of mode 0600 that is not there yet, and do not print it
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    said: SaidArgs,
    #[command(flatten)]
    store: StoreArgs,
}

/// Options of `2fapi clients`.
#[derive(Args, Debug)]
pub(crate) struct ClientsArgs {
    #[command(subcommand)]
    action: ClientsAction,
}

#[derive(Debug, Subcommand)]
enum ClientsAction {
    /// List all clients
    List {
        #[command(flatten)]
        store: StoreArgs,
    },
    /// Show what is stored of a client
    Show(OneClient),
    /// Keep a client out until it is resumed
    Suspend(OneClient),
    /// Let a suspended client in again
    Resume(OneClient),
    /// Keep a client out for ever; its id cannot be enrolled again
    Revoke(OneClient),
    /// End all sessions and tokens of a client, which may log in again
    EndSessions(OneClient),
    /// List the sessions of a client that are good, or end one of them
    Sessions(ClientSessions),
    /// Let a client or one of its credentials expire, or say what else there is to say of a client
    Set(Box<SetArgs>),
}

#[derive(Args, Debug)]
struct OneClient {
    /// Which client
    client_id: ClientId,
    #[command(flatten)]
    store: StoreArgs,
}

#[derive(Args, Debug)]
struct ClientSessions {
    /// Whose
    client_id: ClientId,
    /// End the session of this id
    #[arg(long, value_name = "SESSION_ID", value_parser = session_id)]
    end: Option<String>,
    #[command(flatten)]
    store: StoreArgs,
}

#[derive(Serialize)]
struct Invited {
    client_id: String,
    #[serde(flatten)]
    token: Token,
    expires_at: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Token {
    Token(String),
    File(String),
}

/// The token or the file's name alone, so that it can be piped on.
impl fmt::Display for Invited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Token::Token(shown) | Token::File(shown)) = &self.token;
        f.write_str(shown)
    }
}

pub(crate) fn invite(args: InviteArgs, out: Output) -> Result<(), Failure> {
    let client_id = args.client_id.as_str().to_owned();
    if args.cancel {
        return cancel(client_id, &args.store, out);
    }
    // Said before there is an invitation; the file system has the last word when it is written.
    if let Some(path) = &args.out {
        private_file::can_be_made(path)?;
    }
    let time = args.ttl.unwrap_or_else(|| Time::by_default(args.reset));
    let (to, ttl) = (client_id.clone(), time.seconds);
    let request = match args.reset {
        true => Request::InviteToReset { client_id: to, ttl },
        false => Request::Invite {
            client_id: to,
            ttl,
            said: args.said.said(SystemClock::new().wall()),
        },
    };
    let store = args.store.make()?;
    let new = match &store {
        Reached::File(place) if !place.exists() => Some(place),
        Reached::File(_) | Reached::Shared(..) => None,
    };
    let Response::Invited { token, expires_at } = store.perform(request)? else {
        return Err(unexpected());
    };
    if let Some((place, owner)) = new.and_then(|place| Some((place, place.file_owner()?))) {
        out.note(format!(
            "A new store was made at {}; the service has to run as its owner, {owner}.",
            place.path().display()
        ));
    }
    let (kind, time) = match args.reset {
        true => ("A token that resets", &time.text),
        false => ("An enrolment token for", &time.text),
    };
    let token = match &args.out {
        Some(path) => {
            let token = Zeroizing::new(token + "\n");
            private_file::create(path, token.as_bytes(), None).map_err(|failure| {
                failure.with_hint("the token that it was to hold is lost: make another")
            })?;
            out.note(format!(
                "{kind} {client_id}, good once, for {time}, is in the file:"
            ));
            Token::File(path.display().to_string())
        }
        None => {
            out.note(format!(
                "{kind} {client_id}, good once, for {time}; it is not shown again:"
            ));
            Token::Token(token)
        }
    };
    out.answer(&Invited {
        client_id,
        token,
        expires_at,
    })
}

#[derive(Serialize)]
struct Cancelled {
    client_id: String,
    cancelled: u64,
}

impl fmt::Display for Cancelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} tokens of {} are void",
            self.cancelled, self.client_id
        )
    }
}

fn cancel(client_id: String, store: &StoreArgs, out: Output) -> Result<(), Failure> {
    let request = Request::CancelInvitations {
        client_id: client_id.clone(),
    };
    let Response::Cancelled { cancelled } = store.find()?.perform(request)? else {
        return Err(unexpected());
    };
    out.answer(&Cancelled {
        client_id,
        cancelled,
    })
}

pub(crate) fn clients(args: ClientsArgs, out: Output) -> Result<(), Failure> {
    let one = |args: &OneClient| (args.client_id.as_str().to_owned(), args.store.clone());
    let (request, store) = match &args.action {
        ClientsAction::List { store } => return list(store, out),
        ClientsAction::Sessions(args) => return sessions(args, out),
        ClientsAction::Show(args) => {
            let (client_id, store) = one(args);
            (Request::Show { client_id }, store)
        }
        ClientsAction::Suspend(args) => {
            let (client_id, store) = one(args);
            (Request::Suspend { client_id }, store)
        }
        ClientsAction::Resume(args) => {
            let (client_id, store) = one(args);
            (Request::Resume { client_id }, store)
        }
        ClientsAction::Revoke(args) => {
            let (client_id, store) = one(args);
            (Request::Revoke { client_id }, store)
        }
        ClientsAction::EndSessions(args) => {
            let (client_id, store) = one(args);
            (Request::EndSessions { client_id }, store)
        }
        ClientsAction::Set(args) => {
            let requests = args.requests(SystemClock::new().wall());
            return one_after_the_other(requests, &args.store, out);
        }
    };
    one_after_the_other(vec![request], &store, out)
}

/// What was asked of one client, which is shown as it is after the last.
fn one_after_the_other(
    requests: Vec<Request>,
    store: &StoreArgs,
    out: Output,
) -> Result<(), Failure> {
    let store = store.find()?;
    let mut shown = None;
    for request in requests {
        let Response::Client {
            client,
            details,
            changed,
        } = store.perform(request)?
        else {
            return Err(unexpected());
        };
        let before = shown.is_some_and(|view: OneView| view.changed);
        shown = Some(OneView {
            client,
            details,
            changed: changed || before,
        });
    }
    out.answer(&shown.ok_or_else(unexpected)?)
}

fn list(store: &StoreArgs, out: Output) -> Result<(), Failure> {
    let store = store.find()?;
    let mut all = Vec::new();
    loop {
        let after = all.last().map(|last: &ClientView| last.client_id.clone());
        let Response::Clients { clients, more } = store.perform(Request::List { after })? else {
            return Err(unexpected());
        };
        all.extend(clients);
        if !more {
            return out.answer(&Clients { clients: all });
        }
    }
}

fn sessions(args: &ClientSessions, out: Output) -> Result<(), Failure> {
    let client_id = args.client_id.as_str().to_owned();
    let request = match &args.end {
        None => Request::Sessions {
            client_id: client_id.clone(),
        },
        Some(session_id) => Request::EndSession {
            client_id: client_id.clone(),
            session_id: session_id.clone(),
        },
    };
    let Response::Sessions { sessions, ended } = args.store.find()?.perform(request)? else {
        return Err(unexpected());
    };
    if args.end.is_some() && ended == 0 {
        return Err(Failure::bad_input(format!(
            "{client_id} has no such session: `2fapi clients sessions {client_id}` lists them"
        )));
    }
    out.answer(&SessionsView {
        client_id,
        sessions,
        ended,
    })
}

pub(crate) fn unexpected() -> Failure {
    Failure::unavailable("the running server gave an answer of another version of 2fapi")
}

/// A time as it was given on the command line.
#[derive(Clone, Debug)]
struct Time {
    seconds: u64,
    text: String,
}

impl Time {
    /// Whoever may reset a client has the account: such a token does not lie about for a day.
    fn by_default(resets: bool) -> Self {
        let (seconds, text) = if resets {
            (3600, "60m")
        } else {
            (86_400, "24h")
        };
        Self {
            seconds,
            text: text.into(),
        }
    }
}

impl FromStr for Time {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let time = humantime::parse_duration(text)
            .map_err(|_| "a time is a number and a unit, such as 90s, 15m, 24h or 7d".to_owned())?;
        match (time.as_secs(), time.subsec_nanos()) {
            (seconds @ 1..=31_536_000, 0) => Ok(Self {
                seconds,
                text: text.trim().into(),
            }),
            _ => Err("a time is whole seconds, at least 1s and at most 365d".into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_numbers_with_a_unit() {
        for (text, seconds) in [
            ("90s", 90),
            ("15m", 900),
            ("1h30m", 5400),
            ("24h", 86_400),
            ("7d", 604_800),
            ("1w", 604_800),
            ("365d", 31_536_000),
        ] {
            let time: Time = text.parse().unwrap();
            assert_eq!((time.seconds, time.text.as_str()), (seconds, text));
        }
        for bad in [
            "",
            "h",
            "1",
            "-1h",
            "0s",
            "1500ms",
            "366d",
            "99999999999999999999h",
            "1é",
        ] {
            assert!(bad.parse::<Time>().is_err(), "{bad:?}");
        }
    }
}
