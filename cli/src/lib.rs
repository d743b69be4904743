//! The command `2fapi`: the tree of subcommands; one file for each, and a few that they share.

use std::process::ExitCode;

use clap::{
    CommandFactory, FromArgMatches, Parser, Subcommand,
    error::{ContextKind, ContextValue},
};

mod admin;
mod apply;
mod client_said;
mod client_set;
mod client_view;
mod completions;
mod config;
mod credential;
mod credentials;
mod demo;
mod demo_page;
mod doctor;
mod ending;
mod enroll;
mod environment;
mod inputs;
mod join;
mod keygen;
mod keys;
mod link;
mod link_proof;
mod listen;
mod log;
mod login;
mod man;
mod network;
mod new_credential;
mod operations;
mod output;
mod passphrase;
mod phrase;
mod prove;
mod purpose;
mod qr;
mod rotate;
mod runtime;
mod secret_input;
mod serve;
mod server_args;
mod sessions;
mod show;
mod signing_keys;
mod store;
mod store_command;
mod typed;
mod unlink;
mod vectors;
mod verify;
mod whoami;
mod workloads;

use output::Output;
use twofapi_client::{Failure, FailureKind};

/// Zero-knowledge authentication for APIs: prove that you hold a secret, never send it.
#[derive(Parser)]
#[command(
    name = "2fapi",
    version,
    arg_required_else_help = true,
    after_help = AFTER_HELP,
)]
struct Cli {
    /// Answer in JSON: one object on stdout, or {"error":{"code","message"}} on stderr
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

const AFTER_HELP: &str = "\
See it happen:   2fapi demo
For real:        2fapi serve                          (the operator, on the server)
                 2fapi invite alice --out token       (the operator: an enrolment token)
                 2fapi keygen alice                   (the client, on its own machine)
                 2fapi enroll alice --server URL --token-file token
                 2fapi login alice --server URL
Another device:  2fapi link alice --server URL        (shows a code, and waits)
                 2fapi join                           (at the other device)

Exit codes: 0 yes, 1 denied, 2 bad input, 3 unavailable.
Each command explains itself with --help.";

#[derive(Subcommand)]
enum Command {
    /// See it happen: a server, a client, and the attacks that are refused
    Demo,
    /// Serve HTTP
    Serve(Box<serve::ServeArgs>),
    /// The configuration: check it, show where each setting comes from, print an example
    Config(config::ConfigArgs),
    /// Look at what can be wrong with a server, and say what to do
    Doctor(doctor::DoctorArgs),
    /// Make an enrolment token for a client id, or one that resets a client
    Invite(admin::InviteArgs),
    /// List, show, suspend, resume or revoke clients, end their sessions, set what is said of them
    Clients(admin::ClientsArgs),
    /// Have clients be as a file says: their scopes, expiry, sources and the rest
    Apply(apply::ApplyArgs),
    /// Print what is said of clients, as a file for apply
    Export(apply::ExportArgs),
    /// Make a store that servers share, or bring one up to date
    Store(store_command::StoreCommandArgs),
    /// The operator's keys of a store that servers share
    Keys(keys::KeysArgs),
    /// List the keys that sign tokens, have the next one sign, or drop one that leaked
    SigningKeys(signing_keys::SigningKeysArgs),
    /// Make a credential
    Keygen(keygen::KeygenArgs),
    /// Show the public parts of a credential
    Show(show::ShowArgs),
    /// Enrol a credential's commitment at a server
    Enroll(enroll::EnrollArgs),
    /// Prove and get an access token
    Login(login::LoginArgs),
    /// Open a protected resource with an access token: who am I?
    Whoami(whoami::WhoamiArgs),
    /// Replace a credential by a new one
    Rotate(rotate::RotateArgs),
    /// Link another credential to a client, at this device or at a second one
    Link(link::LinkArgs),
    /// Link this device to a client, by the code that its first device shows
    Join(Box<join::JoinArgs>),
    /// Take a credential of a client away
    Unlink(unlink::UnlinkArgs),
    /// List the credentials of a client, as its server has them
    Credentials(credentials::CredentialsArgs),
    /// List the sessions of a client, as its server has them, or end them
    Sessions(sessions::SessionsArgs),
    /// Prove offline that two clients of one recovery phrase are one, or look at such a proof
    LinkProof(Box<link_proof::LinkProofArgs>),
    /// Make a proof offline, for psql, redis-cli and the like
    Prove(Box<prove::ProveArgs>),
    /// Verify a proof offline
    Verify(Box<verify::VerifyArgs>),
    /// Run vector files of the specification
    Vectors(vectors::VectorsArgs),
    /// Print a completion script for a shell
    Completions(completions::CompletionsArgs),
    /// Write a manual page for each command
    Man(man::ManArgs),
}

/// Runs the command line of this process: 0 is yes, 1 denied, 2 bad input, 3 unavailable.
#[must_use]
pub fn main() -> ExitCode {
    let (cli, sources) = match parsed() {
        Ok(parsed) => parsed,
        Err(ended) => return ended,
    };
    let out = Output::new(cli.json);
    match run(cli.command, &sources, out) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failed(&failure, out),
    }
}

/// What was said: on the command line, in the environment below it, and below that where settings are kept.
fn parsed() -> Result<(Cli, config::Sources), ExitCode> {
    let program = Cli::command();
    let refused = |error| usage(&config::with_its_variable(without_secrets(error), &program));
    let matches = environment::without_empty_variables(program.clone())
        .try_get_matches()
        .map_err(refused)?;
    let out = Output::new(matches.get_flag("json"));
    let layer = config::Layer::read(&program, &matches).map_err(|failure| failed(&failure, out))?;
    let matches = match layer.is_empty() {
        true => matches,
        false => environment::without_empty_variables(layer.under(program.clone()))
            .try_get_matches()
            .map_err(refused)?,
    };
    let cli = Cli::from_arg_matches(&matches).map_err(refused)?;
    Ok((cli, config::Sources { layer, matches }))
}

fn failed(failure: &Failure, out: Output) -> ExitCode {
    out.failure(failure);
    ExitCode::from(exit_code(failure.kind()))
}

/// 1 denied, 2 bad input, 3 unavailable.
const fn exit_code(kind: FailureKind) -> u8 {
    match kind {
        FailureKind::Denied => 1,
        FailureKind::BadInput => 2,
        FailureKind::Unavailable => 3,
    }
}

/// A URL may have a password in it, and what clap refuses it quotes.
fn without_secrets(mut error: clap::Error) -> clap::Error {
    let refused = error.get(ContextKind::InvalidValue);
    if let Some(ContextValue::String(value)) = refused
        && value.contains("://")
    {
        let unsaid = ContextValue::String("a URL, not repeated here".into());
        error.insert(ContextKind::InvalidValue, unsaid);
    }
    error
}

/// Help and version are answers; what clap could not read is bad input, under `--json` as JSON.
fn usage(error: &clap::Error) -> ExitCode {
    let wants_json = std::env::args_os().any(|arg| arg == "--json");
    if error.use_stderr() && wants_json {
        let text = error.render().to_string();
        let message = text.trim().trim_start_matches("error: ");
        Output::new(true).failure(&Failure::bad_input(message));
    } else {
        // Nobody is left to tell when the stream is gone.
        let _ = error.print();
    }
    ExitCode::from(if error.use_stderr() { 2 } else { 0 })
}

fn run(command: Command, sources: &config::Sources, out: Output) -> Result<(), Failure> {
    match command {
        Command::Demo => demo::run(out),
        Command::Serve(args) => serve::run(*args, out),
        Command::Config(args) => config::run(args, sources, out),
        Command::Apply(args) => apply::apply(&args, out),
        Command::Export(args) => apply::export(&args, out),
        Command::Doctor(args) => doctor::run(&args, out),
        Command::Invite(args) => admin::invite(args, out),
        Command::Clients(args) => admin::clients(args, out),
        Command::Store(args) => store_command::run(&args, out),
        Command::Keys(args) => keys::run(&args, out),
        Command::SigningKeys(args) => signing_keys::run(&args, out),
        Command::Keygen(args) => keygen::run(args, out),
        Command::Show(args) => show::run(&args, out),
        Command::Enroll(args) => enroll::run(&args, out),
        Command::Login(args) => login::run(&args, out),
        Command::Whoami(args) => whoami::run(&args, out),
        Command::Rotate(args) => rotate::run(&args, out),
        Command::Link(args) => link::run(&args, out),
        Command::Join(args) => join::run(&args, out),
        Command::Unlink(args) => unlink::run(&args, out),
        Command::Credentials(args) => credentials::run(&args, out),
        Command::Sessions(args) => sessions::run(&args, out),
        Command::LinkProof(args) => link_proof::run(&args, out),
        Command::Prove(args) => prove::run(&args, out),
        Command::Verify(args) => verify::run(&args, out),
        Command::Vectors(args) => vectors::run(&args, out),
        Command::Completions(args) => completions::run(&args),
        Command::Man(args) => man::run(&args, out),
    }
}
