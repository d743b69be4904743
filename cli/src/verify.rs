//! `2fapi verify`: what a host does with a proof, without a host.

use std::fmt;

use clap::Args;
use serde::Serialize;
use twofapi_crypto_core::{
    Authentication, ClientId, Commitment, Enrolment, Nonce, Proof, Rotation,
    verify as verify_statement,
};

use super::{
    Output,
    inputs::{BindingArgs, parse_commitment, parse_nonce, parse_proof},
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
    /// The nonce of the challenge, in hex
    #[arg(
        long,
        value_name = "HEX",
        value_parser = parse_nonce,
        required_unless_present = "enrollment",
        conflicts_with = "enrollment"
    )]
    nonce: Option<Nonce>,
    /// Take it for a proof of possession, as for enrolling
    #[arg(long)]
    enrollment: bool,
    /// Take it for a proof of a rotation to this new commitment, in hex
    #[arg(
        long,
        value_name = "HEX",
        value_parser = parse_commitment,
        conflicts_with = "enrollment"
    )]
    rotation: Option<Commitment>,
    #[command(flatten)]
    binding: BindingArgs,
}

#[derive(Serialize)]
struct Accepted {
    accepted: bool,
}

pub(super) fn run(args: &VerifyArgs, out: Output) -> Result<(), Failure> {
    let binding = args.binding.binding()?;
    let (client_id, commitment, proof) = (&args.client_id, &args.commitment, &args.proof);
    match (&args.nonce, &args.rotation) {
        (None, _) => verify_statement(commitment, &Enrolment { client_id }, proof),
        (Some(nonce), None) => {
            let statement = Authentication {
                client_id,
                nonce,
                binding: &binding,
            };
            verify_statement(commitment, &statement, proof)
        }
        (Some(nonce), Some(new)) => {
            let statement = Rotation::new(client_id, nonce, new, &binding)?;
            verify_statement(commitment, &statement, proof)
        }
    }?;
    out.answer(&Accepted { accepted: true })
}

impl fmt::Display for Accepted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("proof accepted")
    }
}
