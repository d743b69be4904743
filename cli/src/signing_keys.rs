//! `2fapi signing-keys`: the keys that sign access tokens, which take turns by themselves.

use std::{
    fmt,
    time::{Duration, UNIX_EPOCH},
};

use clap::{Args, Subcommand};
use serde::Serialize;
use twofapi_client::Failure;
use twofapi_server::admin::{Request, Response, SigningKeyView};

use super::{Output, store::StoreArgs};

/// Options of `2fapi signing-keys`.
#[derive(Args, Debug)]
pub(crate) struct SigningKeysArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List the keys that sign, will sign, or have signed tokens which are still good
    List {
        #[command(flatten)]
        store: StoreArgs,
    },
    /// Make the next key. It is published now and signs in two hours, when whoever caches the key set has it
    Rotate {
        /// Have it sign at once: services that cached the key set have to ask for it again
        #[arg(long)]
        at_once: bool,
        #[command(flatten)]
        store: StoreArgs,
    },
    /// Drop keys that leaked: their tokens are refused from each server's next request on, and elsewhere when the key set
    /// that was cached there is an hour old
    Drop {
        /// Which, as `list` names them
        #[arg(required = true)]
        kid: Vec<String>,
        #[command(flatten)]
        store: StoreArgs,
    },
}

#[derive(Serialize)]
struct Keys {
    signing_keys: Vec<SigningKeyView>,
}

impl fmt::Display for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:16}  ALGORITHM  STATE      SIGNS FROM", "KEY")?;
        for key in &self.signing_keys {
            let from = UNIX_EPOCH.checked_add(Duration::from_secs(key.activates_at));
            let from = from.map_or_else(
                || key.activates_at.to_string(),
                |at| humantime::format_rfc3339_seconds(at).to_string(),
            );
            let SigningKeyView {
                kid,
                algorithm,
                state,
                ..
            } = key;
            write!(f, "\n{kid:16}  {algorithm:9}  {state:9}  {from}")?;
        }
        Ok(())
    }
}

pub(crate) fn run(args: &SigningKeysArgs, out: Output) -> Result<(), Failure> {
    let (requests, store) = match &args.action {
        Action::List { store } => (vec![Request::SigningKeys {}], store),
        Action::Rotate { at_once, store } => {
            let at_once = *at_once;
            (vec![Request::RotateSigningKey { at_once }], store)
        }
        Action::Drop { kid, store } => {
            let drop = |kid: &String| Request::DropSigningKey { kid: kid.clone() };
            (kid.iter().map(drop).collect(), store)
        }
    };
    let store = store.find()?;
    let mut left = Vec::new();
    for request in requests {
        let unknown = match &request {
            Request::DropSigningKey { kid } => Some(kid.clone()),
            _ => None,
        };
        let Response::SigningKeys { keys, changed } = store.perform(request)? else {
            return Err(Failure::unavailable(
                "the running server gave an answer of another version of 2fapi",
            ));
        };
        if let Some(kid) = unknown.filter(|_| !changed) {
            return Err(Failure::bad_input(format!(
                "there is no signing key {kid}; `2fapi signing-keys list` names those that there are"
            )));
        }
        left = keys;
    }
    out.answer(&Keys { signing_keys: left })
}
