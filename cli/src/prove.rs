//! `2fapi prove`: a proof without a network, for hosts that are spoken to by other means.

use std::fmt;

use clap::Args;
use getrandom::SysRng;
use serde::Serialize;
use twofapi_crypto_core::{
    Authentication, Commitment, Enrolment, Nonce, Proof, Rotation, prove as prove_statement,
};

use super::{
    Output,
    credential::CredentialArgs,
    inputs::{BindingArgs, parse_commitment, parse_nonce},
};
use twofapi_client::Failure;

#[derive(Args)]
#[command(after_help = "\
The proof, 96 bytes in hex, is all that goes to standard output. Hex may be given with \\x before
it, as PostgreSQL prints bytea.

Examples:
  2fapi prove alice --enrollment                        to enrol
  2fapi prove alice --nonce 6f1d...                     to a host without an audience
  2fapi prove alice --nonce 6f1d... --audience https://api.example.com
  2fapi prove alice --nonce 6f1d... --rotation 5a2b...  to replace the commitment by 5a2b...;
     the host also wants `2fapi prove --enrollment` made with the new credential")]
pub(super) struct ProveArgs {
    #[command(flatten)]
    credential: CredentialArgs,
    /// The nonce of the challenge, in hex
    #[arg(
        long,
        value_name = "HEX",
        value_parser = parse_nonce,
        required_unless_present = "enrollment",
        conflicts_with = "enrollment"
    )]
    nonce: Option<Nonce>,
    /// Prove possession, to enrol
    #[arg(long)]
    enrollment: bool,
    /// Prove a rotation to this new commitment, in hex
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
struct Proven {
    client_id: String,
    commitment: String,
    purpose: &'static str,
    proof: String,
}

pub(super) fn run(args: &ProveArgs, out: Output) -> Result<(), Failure> {
    // Bad input is found before a passphrase is asked for.
    let binding = args.binding.binding()?;
    let opened = args.credential.open()?;
    let (credential, client_id) = (&opened.credential, &opened.client_id);
    if args.rotation.as_ref() == Some(opened.commitment()) {
        return Err(Failure::bad_input(
            "the new commitment is that of the credential itself; a rotation needs another",
        ));
    }
    let rng = &mut SysRng;
    let (purpose, proof): (_, Proof) = match (&args.nonce, &args.rotation) {
        (None, _) => (
            "enrollment",
            prove_statement(credential, &Enrolment { client_id }, rng)?,
        ),
        (Some(nonce), None) => {
            let statement = Authentication {
                client_id,
                nonce,
                binding: &binding,
            };
            (
                "authentication",
                prove_statement(credential, &statement, rng)?,
            )
        }
        (Some(nonce), Some(new)) => {
            let statement = Rotation::new(client_id, nonce, new, &binding)?;
            ("rotation", prove_statement(credential, &statement, rng)?)
        }
    };
    out.answer(&Proven {
        client_id: client_id.to_string(),
        commitment: hex::encode(opened.commitment().as_bytes()),
        purpose,
        proof: hex::encode(proof.to_bytes()),
    })
}

impl fmt::Display for Proven {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.proof)
    }
}
