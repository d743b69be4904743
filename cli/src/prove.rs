//! `2fapi prove`: a proof without a network, for hosts that are spoken to by other means.

use std::fmt;

use clap::Args;
use getrandom::SysRng;
use serde::Serialize;
use twofapi_crypto_core::prove as prove_statement;

use super::{Output, credential::CredentialArgs, purpose::PurposeArgs};
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
     the host also wants `2fapi prove --enrollment` made with the new credential
  2fapi prove alice --nonce 6f1d... --linking 5a2b...   to add 5a2b...; the host also wants
     `2fapi prove --nonce 6f1d... --joining` made with the new credential
  2fapi prove alice --nonce 6f1d... --unlinking 5a2b... to take 5a2b... away")]
pub(super) struct ProveArgs {
    #[command(flatten)]
    credential: CredentialArgs,
    #[command(flatten)]
    purpose: PurposeArgs,
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
    let binding = args.purpose.binding()?;
    let opened = args.credential.open()?;
    if args.purpose.brings() == Some(opened.commitment()) {
        return Err(Failure::bad_input(
            "the new commitment is that of the credential itself; a rotation needs another, and so does a link",
        ));
    }
    let (purpose, statement) = args.purpose.statement(&opened.client_id, &binding)?;
    let proof = prove_statement(&opened.credential, &*statement, &mut SysRng)?;
    out.answer(&Proven {
        client_id: opened.client_id.to_string(),
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
