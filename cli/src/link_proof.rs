//! `2fapi link-proof`: shows somebody who asks that two clients of one recovery phrase are one, or looks at it.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use clap::{Args, Subcommand};
use getrandom::SysRng;
use serde::Serialize;
use twofapi_client::{
    Failure,
    credential::{CredentialSource, OpenedCredential},
};
use twofapi_crypto_core::{
    Audience, ClientId, Commitment, LinkProof, LinkStatement, LinkedClient, Nonce, prove_link,
    verify_link,
};

use super::{
    Output,
    inputs::{parse_commitment, parse_hex, parse_nonce},
    passphrase::PassphraseArgs,
};

#[derive(Args)]
pub(super) struct LinkProofArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Prove that two credentials are of one recovery phrase
    Make(MakeArgs),
    /// Look at a proof, with what you know of both clients
    Check(Box<CheckArgs>),
}

#[derive(Args)]
#[command(after_help = "\
The proof, 160 bytes in hex, is all that goes to standard output. It is for who drew the nonce, and for
nobody else. Whoever gets it knows that both clients are you: that is what it is for.

Example:
  2fapi link-proof make --first ./shop.json --first-audience https://shop.example \\
        --second ./bank.json --second-audience https://bank.example --nonce 6f1d...")]
struct MakeArgs {
    /// Credential file of the first client
    #[arg(long, value_name = "FILE")]
    first: PathBuf,
    /// Where it is enrolled
    #[arg(long, value_name = "AUDIENCE")]
    first_audience: Audience,
    /// Credential file of the second client
    #[arg(long, value_name = "FILE")]
    second: PathBuf,
    /// Where that is enrolled
    #[arg(long, value_name = "AUDIENCE")]
    second_audience: Audience,
    /// What the one who asks has drawn, 16 to 64 bytes in hex
    #[arg(long, value_name = "HEX", value_parser = parse_nonce)]
    nonce: Nonce,
    #[command(flatten)]
    passphrase: PassphraseArgs,
}

#[derive(Args)]
#[command(after_help = "\
Take commitments, client ids and audiences from the hosts, and not from who proves. Exit code 0: the
proof is good. 1: it is not.

Example:
  2fapi link-proof check --nonce 6f1d... --proof 03cc... \\
        --first-client alice --first-audience https://shop.example --first-commitment 5a2b... \\
        --second-client a.b --second-audience https://bank.example --second-commitment 77e0...")]
struct CheckArgs {
    /// The first client
    #[arg(long, value_name = "CLIENT_ID")]
    first_client: ClientId,
    /// Where it is enrolled
    #[arg(long, value_name = "AUDIENCE")]
    first_audience: Audience,
    /// What it is enrolled as there, in hex
    #[arg(long, value_name = "HEX", value_parser = parse_commitment)]
    first_commitment: Commitment,
    /// The second client
    #[arg(long, value_name = "CLIENT_ID")]
    second_client: ClientId,
    /// Where that is enrolled
    #[arg(long, value_name = "AUDIENCE")]
    second_audience: Audience,
    /// What it is enrolled as there, in hex
    #[arg(long, value_name = "HEX", value_parser = parse_commitment)]
    second_commitment: Commitment,
    /// What you have drawn, at random and for this proof, 16 to 64 bytes in hex
    #[arg(long, value_name = "HEX", value_parser = parse_nonce)]
    nonce: Nonce,
    /// The proof, in hex
    #[arg(long, value_name = "HEX", value_parser = parse_link_proof)]
    proof: LinkProof,
}

fn parse_link_proof(text: &str) -> Result<LinkProof, String> {
    LinkProof::from_bytes(&parse_hex(text)?.0).map_err(|error| error.to_string())
}

#[derive(Serialize)]
struct Side {
    client_id: String,
    audience: String,
    commitment: String,
}

#[derive(Serialize)]
struct Made {
    first: Side,
    second: Side,
    proof: String,
}

#[derive(Serialize)]
struct Accepted {
    accepted: bool,
}

pub(super) fn run(args: &LinkProofArgs, out: Output) -> Result<(), Failure> {
    match &args.action {
        Action::Make(args) => make(args, out),
        Action::Check(args) => check(args, out),
    }
}

fn make(args: &MakeArgs, out: Output) -> Result<(), Failure> {
    let ask = |path: &Path| args.passphrase.existing(path);
    let open = |path: &PathBuf| CredentialSource::at(path.clone(), &ask).open();
    let (first, second) = (open(&args.first)?, open(&args.second)?);
    let statement = LinkStatement {
        first: LinkedClient {
            audience: &args.first_audience,
            client_id: &first.client_id,
        },
        second: LinkedClient {
            audience: &args.second_audience,
            client_id: &second.client_id,
        },
        nonce: &args.nonce,
    };
    let proof = prove_link(
        &first.credential,
        &second.credential,
        &statement,
        &mut SysRng,
    )?;
    let side = |of: &OpenedCredential, audience: &Audience| Side {
        client_id: of.client_id.to_string(),
        audience: audience.to_string(),
        commitment: hex::encode(of.commitment().as_bytes()),
    };
    out.answer(&Made {
        first: side(&first, &args.first_audience),
        second: side(&second, &args.second_audience),
        proof: hex::encode(proof.to_bytes()),
    })
}

fn check(args: &CheckArgs, out: Output) -> Result<(), Failure> {
    let statement = LinkStatement {
        first: LinkedClient {
            audience: &args.first_audience,
            client_id: &args.first_client,
        },
        second: LinkedClient {
            audience: &args.second_audience,
            client_id: &args.second_client,
        },
        nonce: &args.nonce,
    };
    let (first, second) = (&args.first_commitment, &args.second_commitment);
    verify_link(first, second, &statement, &args.proof)?;
    out.answer(&Accepted { accepted: true })
}

impl fmt::Display for Made {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.proof)
    }
}

impl fmt::Display for Accepted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the two clients have one secret")
    }
}
