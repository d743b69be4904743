//! `2fapi apply` and `2fapi export`: what an operator says of clients, as a file.

mod file;
mod plan;

use std::{
    fmt,
    io::{self, IsTerminal},
    path::PathBuf,
};

use clap::Args;
use serde::Serialize;
use twofapi_client::{Failure, private_file};
use twofapi_server::admin::{ClientView, Request, Response};
use zeroize::Zeroizing;

use super::{
    Output,
    store::{Reached, StoreArgs},
    typed,
};
use file::{Wanted, said};
use plan::{Now, Planned, What, requests};

/// How long an enrolment token of `apply` is good, in seconds.
const INVITED_FOR: u64 = 86_400;

/// Options of `2fapi apply`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  2fapi apply clients.toml --plan
  2fapi apply clients.toml --yes --invite tokens/

The file:
  [clients.billing]
  scopes = [\"reports:read\"]
  expires = 2027-01-31
  sources = [\"192.0.2.0/24\"]
  requests_per_minute = 60
  tenant = \"acme\"
  claims = { role = \"web_user\" }
  suspended = false

Of a client in the file, what the file does not say is taken away; whether it is suspended stays as it is then. Clients
that are not in the file stay as they are.")]
pub(crate) struct ApplyArgs {
    /// What is said of clients, in TOML
    file: PathBuf,
    /// Show what would be done, and do nothing
    #[arg(long, conflicts_with = "yes")]
    plan: bool,
    /// Do it without asking
    #[arg(long)]
    yes: bool,
    /// Make an enrolment token for each client that is not enrolled, good for 24 hours, in a file of mode 0600 of its
    /// name in this directory; tokens that were made for it before are void
    #[arg(long, value_name = "DIRECTORY")]
    invite: Option<PathBuf>,
    #[command(flatten)]
    store: StoreArgs,
}

/// Options of `2fapi export`.
#[derive(Args, Debug)]
pub(crate) struct ExportArgs {
    #[command(flatten)]
    store: StoreArgs,
}

#[derive(Serialize)]
struct Plan {
    clients: Vec<Planned>,
    applied: bool,
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let told = self.clients.iter().filter(|one| one.what != What::Nothing);
        for planned in told {
            writeln!(f, "{planned}")?;
        }
        let is =
            |what: fn(&What) -> bool| self.clients.iter().filter(|one| what(&one.what)).count();
        let changed = is(|what| matches!(what, What::Change { .. }));
        let missing = is(|what| matches!(what, What::Invite { .. }));
        let same = is(|what| *what == What::Nothing);
        let (done, to) = match self.applied {
            true => ("changed", "not enrolled"),
            false => ("to change", "not enrolled"),
        };
        write!(
            f,
            "{changed} {done}, {missing} {to}, {same} as the file says"
        )
    }
}

pub(crate) fn apply(args: &ApplyArgs, out: Output) -> Result<(), Failure> {
    let wanted = file::read(&args.file)?;
    if let Some(directory) = &args.invite
        && !directory.is_dir()
    {
        return Err(Failure::bad_input(format!(
            "{} is no directory",
            directory.display()
        )));
    }
    let store = args.store.find()?;
    let clients: Vec<(Wanted, Now)> = wanted
        .into_iter()
        .map(|one| now(&store, one.client_id.as_str()).map(|now| (one, now)))
        .collect::<Result<_, _>>()?;
    let planned = clients
        .iter()
        .map(|(wanted, now)| Planned::new(wanted, now));
    let mut plan = Plan {
        clients: planned.collect(),
        applied: false,
    };
    let invites = |one: &Planned| matches!(one.what, What::Invite { .. }) && args.invite.is_some();
    let to_do = |one: &Planned| matches!(one.what, What::Change { .. }) || invites(one);
    if args.plan || !plan.clients.iter().any(to_do) {
        return out.answer(&plan);
    }
    if !args.yes {
        if !io::stdin().is_terminal() {
            return Err(Failure::bad_input(
                "nobody is there to be asked: look at it with --plan, and do it with --yes",
            ));
        }
        out.note(&plan);
        if typed::line("Do this? Type yes: ")? != "yes" {
            return Err(Failure::bad_input("nothing was done"));
        }
    }
    for (wanted, now) in &clients {
        for request in requests(wanted, now) {
            let Response::Client { .. } = store.perform(request)? else {
                return Err(super::admin::unexpected());
            };
        }
        if let (None, Some(directory)) = (now, &args.invite) {
            invite(&store, wanted, directory.join(wanted.client_id.as_str()))?;
        }
    }
    plan.applied = true;
    out.answer(&plan)
}

/// What the store has of a client.
fn now(store: &Reached, client_id: &str) -> Result<Now, Failure> {
    let shown = store.perform(Request::Show {
        client_id: client_id.to_owned(),
    });
    match shown {
        Ok(Response::Client {
            client, details, ..
        }) => Ok(Some((client.status, details.attributes))),
        Ok(_) => Err(super::admin::unexpected()),
        Err(failure) if failure.code() == "not_enrolled" => Ok(None),
        Err(failure) => Err(failure),
    }
}

fn invite(store: &Reached, wanted: &Wanted, path: PathBuf) -> Result<(), Failure> {
    private_file::can_be_made(&path)?;
    let client_id = || wanted.client_id.as_str().to_owned();
    store.perform(Request::CancelInvitations {
        client_id: client_id(),
    })?;
    let invited = store.perform(Request::Invite {
        client_id: client_id(),
        ttl: INVITED_FOR,
        said: said(&wanted.attributes),
    })?;
    let Response::Invited { token, .. } = invited else {
        return Err(super::admin::unexpected());
    };
    let token = Zeroizing::new(token + "\n");
    private_file::create(&path, token.as_bytes(), None)
}

/// Everything that is said of clients, as a file for `2fapi apply`.
pub(crate) fn export(args: &ExportArgs, out: Output) -> Result<(), Failure> {
    let store = args.store.find()?;
    let mut text = String::new();
    let mut after: Option<String> = None;
    loop {
        let Response::Clients { clients, more } = store.perform(Request::List { after })? else {
            return Err(super::admin::unexpected());
        };
        for ClientView { client_id, .. } in &clients {
            match now(&store, client_id)? {
                Some((status, said)) if status != "revoked" => {
                    text += &file::written(client_id, &said, status == "suspended");
                    text.push('\n');
                }
                _ => {}
            }
        }
        after = clients.last().map(|last| last.client_id.clone());
        if !more {
            return out.text(&text);
        }
    }
}
