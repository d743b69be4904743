//! `2fapi enroll`: gives a server the commitment, with a proof that the secret is held.

use std::{fmt, path::PathBuf};

use clap::Args;
use serde::Serialize;
use twofapi_crypto_core::ErrorCode;

use super::{Output, credential::CredentialArgs, secret_input::Sources, server_args::ServerArgs};
use twofapi_client::{Failure, exchange};

#[derive(Args)]
#[command(after_help = "\
The enrolment token comes from the operator, who runs `2fapi invite CLIENT_ID`; it is good once.
The server gets the client id, the commitment and a proof. The secret stays where it is.

Examples:
  2fapi enroll alice --server https://api.example.com --token-file token.txt
  ssh operator@server 2fapi invite alice | 2fapi enroll alice --server URL --token -
  TWOFAPI_ENROLMENT_TOKEN=... 2fapi enroll alice --server URL
  2fapi enroll k8s.prod.web --server URL --oidc-token-file /var/run/secrets/tokens/2fapi")]
pub(super) struct EnrollArgs {
    #[command(flatten)]
    credential: CredentialArgs,
    #[command(flatten)]
    server: ServerArgs,
    /// The enrolment token, or - to read it from standard input [or set TWOFAPI_ENROLMENT_TOKEN];
    /// given here, other users of this machine can see it while the command runs
    #[arg(long, value_name = "TOKEN", conflicts_with_all = ["token_file", "oidc_token_file"])]
    token: Option<String>,
    /// File that holds the enrolment token
    #[arg(long, value_name = "FILE", conflicts_with = "oidc_token_file")]
    token_file: Option<PathBuf>,
    /// Instead: file that holds a token of an issuer whose workloads the server lets enrol, or - for standard
    /// input; the client id is the one that its rules make of the token
    #[arg(long, value_name = "FILE")]
    oidc_token_file: Option<PathBuf>,
}

#[derive(Serialize)]
struct Enrolled {
    client_id: String,
    status: String,
    commitment_version: u64,
    server: String,
    /// How the credential was named on the command line.
    #[serde(skip)]
    credential: String,
}

pub(super) fn run(args: &EnrollArgs, out: Output) -> Result<(), Failure> {
    let http = args.server.client()?;
    let sources = match &args.oidc_token_file {
        None => Sources {
            what: "enrolment token",
            value: args.token.as_deref(),
            file: args.token_file.as_deref(),
            variable: "TWOFAPI_ENROLMENT_TOKEN",
        },
        Some(file) => Sources {
            what: "token of the issuer",
            value: None,
            file: Some(file),
            variable: "TWOFAPI_ENROLMENT_TOKEN",
        },
    };
    let token = sources.read()?.ok_or_else(|| {
        Failure::bad_input(
            "an enrolment token is needed: ask the operator for one (`2fapi invite CLIENT_ID`) and \
             give it with --token-file FILE, --token - or TWOFAPI_ENROLMENT_TOKEN",
        )
    })?;
    let credential = args.credential.open()?;
    let enrolled = exchange::enrol(&http, &credential, &token).map_err(|failure| {
        if failure.code() == ErrorCode::AlreadyEnrolled.as_str() {
            failure.with_hint("if an earlier attempt of yours was cut off it may have succeeded: try `2fapi login`")
        } else {
            failure
        }
    })?;
    out.answer(&Enrolled {
        client_id: enrolled.client_id,
        status: enrolled.status,
        commitment_version: enrolled.commitment_version,
        server: http.url().to_string(),
        credential: args.credential.shown(),
    })
}

impl fmt::Display for Enrolled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} is enrolled at {}", self.client_id, self.server)?;
        write!(
            f,
            "next: 2fapi login {} --server {}",
            self.credential, self.server
        )
    }
}
