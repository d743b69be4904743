//! The commands `2FAPI.*`: parse, call, answer.

mod authenticate;
mod enrol;
mod lifecycle;
mod replay;
mod session;
mod status;

use std::{
    ffi::CStr,
    sync::atomic::{AtomicBool, Ordering},
};

use twofapi_crypto_core::{ClientId, Error};

pub(crate) use status::report;

use crate::{
    attempt::Attempt,
    host::{
        Arguments, Ctx,
        block::Blocked,
        commands::{Argument, Command, FirstArgument, entry},
    },
    rules::{arguments::Misread, key_name::client_argument},
    workers,
};

/// Why a command fails.
#[derive(Debug)]
pub(crate) enum Failure {
    Core(Error),
    /// A line in Redis's own words.
    Line(&'static CStr),
    /// A bug; the server log has it.
    Internal,
}

impl Failure {
    pub(crate) const WRONG_TYPE: Self =
        Self::Line(c"WRONGTYPE Operation against a key holding the wrong kind of value");
    const SYNTAX: Self = Self::Line(c"ERR syntax error");
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Core(error)
    }
}

impl From<Misread> for Failure {
    fn from(misread: Misread) -> Self {
        match misread {
            Misread::Syntax => Self::SYNTAX,
            Misread::Value(error) => Self::Core(error),
        }
    }
}

/// Whether this node is part of a cluster.
pub(crate) static IN_CLUSTER: AtomicBool = AtomicBool::new(false);

fn client(arguments: &Arguments<'_>) -> Result<ClientId, Error> {
    client_argument(arguments.get(1), IN_CLUSTER.load(Ordering::Relaxed))
}

/// Lets a proof decide: on a worker thread while the caller waits, or at once where it cannot wait,
/// as in a transaction.
fn decide(ctx: Ctx<'_>, mut attempt: Attempt) -> Result<(), Failure> {
    if ctx.flags().may_not_block() {
        attempt.check();
        attempt.conclude(ctx)?;
        ctx.reply_status(c"OK");
    } else {
        workers::submit(Box::new(attempt), Blocked::new(ctx));
    }
    Ok(())
}

const CLIENT: Argument = Argument::required(c"client");
const CHALLENGE_ID: Argument = Argument::required(c"challenge-id");

/// Every command. The flags of those that carry proofs keep them out of MONITOR and SLOWLOG; those
/// that are about the calling connection are refused in scripts, which are no connection.
pub(crate) static COMMANDS: [Command; 12] = [
    Command {
        name: c"2FAPI.ENROLL",
        entry: entry!(enrol::enroll),
        flags: c"write deny-oom admin no-monitor no-slowlog",
        arity: -3,
        first: FirstArgument::Client,
        summary: c"Enrols a client with its commitment",
        complexity: c"O(1); with PROOF one verification on a worker thread",
        arguments: &[
            CLIENT,
            Argument::required(c"commitment"),
            Argument::optional(c"PROOF", c"proof"),
            Argument::optional(c"USER", c"acl-user"),
        ],
    },
    Command {
        name: c"2FAPI.CHALLENGE",
        entry: entry!(authenticate::challenge),
        flags: c"readonly fast deny-script no-monitor no-slowlog",
        arity: 2,
        first: FirstArgument::Client,
        summary: c"Issues a challenge: its id and its nonce. Nothing is stored",
        complexity: c"O(1)",
        arguments: &[CLIENT],
    },
    Command {
        name: c"2FAPI.VERIFY",
        entry: entry!(authenticate::verify),
        flags: c"readonly deny-script no-monitor no-slowlog",
        arity: 4,
        first: FirstArgument::Client,
        summary: c"Opens a session for this connection when the proof is accepted",
        complexity: c"O(1); one verification on a worker thread",
        arguments: &[CLIENT, CHALLENGE_ID, Argument::required(c"proof")],
    },
    Command {
        name: c"2FAPI.ROTATE",
        entry: entry!(authenticate::rotate),
        flags: c"write deny-oom deny-script no-monitor no-slowlog",
        arity: 6,
        first: FirstArgument::Client,
        summary: c"Replaces a client's commitment and ends its sessions",
        complexity: c"O(N) with N the client's sessions; two verifications on a worker thread",
        arguments: &[
            CLIENT,
            CHALLENGE_ID,
            Argument::required(c"proof-old"),
            Argument::required(c"commitment-new"),
            Argument::required(c"proof-new"),
        ],
    },
    Command {
        name: c"2FAPI.STATUS",
        entry: entry!(lifecycle::status),
        flags: c"readonly admin fast",
        arity: -2,
        first: FirstArgument::Client,
        summary: c"Says whether a client is active, suspended, revoked or unknown",
        complexity: c"O(1)",
        arguments: &[CLIENT, Argument::word(c"version", c"VERSION")],
    },
    Command {
        name: c"2FAPI.SUSPEND",
        entry: entry!(lifecycle::suspend),
        flags: c"write admin",
        arity: 2,
        first: FirstArgument::Client,
        summary: c"Keeps a client out until it is resumed, and ends its sessions",
        complexity: c"O(N) with N the client's sessions",
        arguments: &[CLIENT],
    },
    Command {
        name: c"2FAPI.RESUME",
        entry: entry!(lifecycle::resume),
        flags: c"write admin fast",
        arity: 2,
        first: FirstArgument::Client,
        summary: c"Lets a suspended client in again",
        complexity: c"O(1)",
        arguments: &[CLIENT],
    },
    Command {
        name: c"2FAPI.REVOKE",
        entry: entry!(lifecycle::revoke),
        flags: c"write admin",
        arity: 2,
        first: FirstArgument::Client,
        summary: c"Keeps a client out for ever, and ends its sessions",
        complexity: c"O(N) with N the client's sessions",
        arguments: &[CLIENT],
    },
    Command {
        name: c"2FAPI.WHOAMI",
        entry: entry!(session::whoami),
        flags: c"fast deny-script",
        arity: 1,
        first: FirstArgument::None,
        summary: c"Says which client is behind this connection, or nil",
        complexity: c"O(1)",
        arguments: &[],
    },
    Command {
        name: c"2FAPI.LOGOUT",
        entry: entry!(session::logout),
        flags: c"fast deny-script",
        arity: 1,
        first: FirstArgument::None,
        summary: c"Ends this connection's session; one that became an ACL user is closed",
        complexity: c"O(1)",
        arguments: &[],
    },
    Command {
        name: c"2FAPI.INFO",
        entry: entry!(status::info),
        flags: c"admin fast",
        arity: 1,
        first: FirstArgument::None,
        summary: c"Figures of this node",
        complexity: c"O(1)",
        arguments: &[],
    },
    Command {
        name: c"2FAPI.APPLY",
        entry: entry!(replay::apply),
        flags: c"write admin deny-script no-monitor no-slowlog",
        arity: 3,
        first: FirstArgument::Key,
        summary: c"What replicas and the append-only file are told; refused from anybody else",
        complexity: c"O(N) with N the client's sessions",
        arguments: &[Argument::required(c"key"), Argument::required(c"record")],
    },
];
