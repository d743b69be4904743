//! `2fapi verify`: what a host does with a proof, without a host.

use std::fmt;

use clap::Args;
use serde::Serialize;
use twofapi_crypto_core::{ClientId, Commitment, Proof, verify as verify_statement};

use super::{
    Output,
    inputs::{parse_commitment, parse_proof},
    purpose::PurposeArgs,
};
use twofapi_client::Failure;

#[derive(Args)]
#[command(after_help = "\
This looks at the proof alone. A host also sees to it that the nonce is one that it issued, that
has not expired and was not used before. Exit code 0: the proof is good. 1: it is not.

Examples:
  2fapi verify --client-id alice --commitment 5a2b... --enrollment --proof 03cc...
  2fapi verify --client-id alice --commitment 5a2b... --nonce 6f1d... \\
        --audience https://api.example.com --proof \"$(2fapi prove alice --nonce 6f1d... \\
        --audience https://api.example.com)\"")]
pub(super) struct VerifyArgs {
    /// Who claims to have made the proof
    #[arg(long)]
    client_id: ClientId,
    /// The client's commitment, in hex
    #[arg(long, value_name = "HEX", value_parser = parse_commitment)]
    commitment: Commitment,
    /// The proof, in hex
    #[arg(long, value_name = "HEX", value_parser = parse_proof)]
    proof: Proof,
    #[command(flatten)]
    purpose: PurposeArgs,
}

#[derive(Serialize)]
struct Accepted {
    accepted: bool,
}

pub(super) fn run(args: &VerifyArgs, out: Output) -> Result<(), Failure> {
    let binding = args.purpose.binding()?;
    let (_, statement) = args.purpose.statement(&args.client_id, &binding)?;
    verify_statement(&args.commitment, &*statement, &args.proof)?;
    out.answer(&Accepted { accepted: true })
}

impl fmt::Display for Accepted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("proof accepted")
    }
}
