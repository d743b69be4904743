//! The table of the commands, as the server is told of them.

use super::{
    authenticate, common::demand_right_by_name, enrol, lifecycle, operate, replay, session, status,
};
use crate::{
    host::{
        Arguments, Ctx,
        commands::{Argument, Command, FirstArgument, entry},
    },
    mapping::BY_CATEGORY,
    rules::failure::Failure,
};

/// The function that the server calls for an operator's command: it asks first whether the caller was
/// given it by name.
macro_rules! operators {
    ($run:path) => {{
        fn for_operators(ctx: Ctx<'_>, arguments: &Arguments<'_>) -> Result<(), Failure> {
            demand_right_by_name(ctx)?;
            $run(ctx, arguments)
        }
        entry!(for_operators)
    }};
}

fn by_category(_: Ctx<'_>, _: &Arguments<'_>) -> Result<(), Failure> {
    Err(Failure::Line(
        c"ERR 2FAPI.BYCATEGORY does nothing: grant it to nobody",
    ))
}

const CLIENT: Argument = Argument::required(c"client");
const CHALLENGE_ID: Argument = Argument::required(c"challenge-id");

/// Every command. The flags of those that carry proofs keep them out of MONITOR and SLOWLOG; those
/// that are about the calling connection are refused in scripts, which are no connection.
pub(crate) static COMMANDS: [Command; 17] = [
    Command {
        name: c"2FAPI.ENROLL",
        entry: operators!(enrol::enroll),
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
        internal: false,
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
        internal: false,
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
        internal: false,
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
        internal: false,
    },
    Command {
        name: c"2FAPI.STATUS",
        entry: operators!(lifecycle::status),
        flags: c"readonly admin fast",
        arity: -2,
        first: FirstArgument::Client,
        summary: c"Says whether a client is active, suspended, revoked or unknown",
        complexity: c"O(1)",
        arguments: &[CLIENT, Argument::word(c"version", c"VERSION")],
        internal: false,
    },
    Command {
        name: c"2FAPI.SUSPEND",
        entry: operators!(lifecycle::suspend),
        flags: c"may-replicate admin",
        arity: 2,
        first: FirstArgument::Client,
        summary: c"Keeps a client out until it is resumed, and ends its sessions",
        complexity: c"O(N) with N the client's sessions",
        arguments: &[CLIENT],
        internal: false,
    },
    Command {
        name: c"2FAPI.RESUME",
        entry: operators!(lifecycle::resume),
        flags: c"write admin fast",
        arity: 2,
        first: FirstArgument::Client,
        summary: c"Lets a suspended client in again",
        complexity: c"O(1)",
        arguments: &[CLIENT],
        internal: false,
    },
    Command {
        name: c"2FAPI.REVOKE",
        entry: operators!(lifecycle::revoke),
        flags: c"may-replicate admin",
        arity: 2,
        first: FirstArgument::Client,
        summary: c"Keeps a client out for ever, and ends its sessions",
        complexity: c"O(N) with N the client's sessions",
        arguments: &[CLIENT],
        internal: false,
    },
    Command {
        name: c"2FAPI.WHOAMI",
        entry: entry!(session::whoami),
        flags: c"fast deny-script",
        arity: -1,
        first: FirstArgument::None,
        summary:
            c"Says which client is behind this connection, or nil; with TTL for how many seconds",
        complexity: c"O(1)",
        arguments: &[Argument::word(c"ttl", c"TTL")],
        internal: false,
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
        internal: false,
    },
    Command {
        name: c"2FAPI.INFO",
        entry: operators!(status::info),
        flags: c"admin fast",
        arity: 1,
        first: FirstArgument::None,
        summary: c"Figures of this node",
        complexity: c"O(1)",
        arguments: &[],
        internal: false,
    },
    Command {
        name: c"2FAPI.CLIENTS",
        entry: operators!(operate::clients),
        flags: c"readonly admin",
        arity: -2,
        first: FirstArgument::None,
        summary:
            c"Steps through the clients of this node, from cursor 0 on, with status and ACL user",
        complexity: c"O(N) with N the keys that are looked at, as COUNT says",
        arguments: &[
            Argument::required(c"cursor"),
            Argument::optional(c"COUNT", c"count"),
        ],
        internal: false,
    },
    Command {
        name: c"2FAPI.SESSIONS",
        entry: operators!(operate::sessions),
        flags: c"readonly admin",
        arity: -1,
        first: FirstArgument::None,
        summary: c"Lists the open sessions: client, connection, ACL user, seconds left",
        complexity: c"O(N) with N the sessions",
        arguments: &[Argument::bare_optional(c"client")],
        internal: false,
    },
    Command {
        name: c"2FAPI.KICK",
        entry: operators!(operate::kick),
        flags: c"readonly admin",
        arity: 2,
        first: FirstArgument::Client,
        summary: c"Ends a client's sessions on this node, and says how many; it may log in again",
        complexity: c"O(N) with N the client's sessions",
        arguments: &[CLIENT],
        internal: false,
    },
    Command {
        name: c"2FAPI.HELP",
        entry: entry!(operate::help),
        flags: c"fast",
        arity: 1,
        first: FirstArgument::None,
        summary: c"Shows the commands",
        complexity: c"O(1)",
        arguments: &[],
        internal: false,
    },
    Command {
        name: BY_CATEGORY,
        entry: entry!(by_category),
        flags: c"write admin",
        arity: 1,
        first: FirstArgument::None,
        summary: c"Does nothing; tells the rights that categories give from those given by name",
        complexity: c"O(1)",
        arguments: &[],
        internal: true,
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
        internal: true,
    },
];
