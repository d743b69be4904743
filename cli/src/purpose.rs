//! What a proof that is made or verified offline is for.

use clap::Args;
use twofapi_client::Failure;
use twofapi_crypto_core::{
    Authentication, AuthenticationBinding, ClientId, Commitment, Enrolment, Joining, Linking,
    Nonce, Rotation, Statement, Unlinking,
};

use super::inputs::{BindingArgs, parse_commitment, parse_nonce};

/// An authentication, unless another purpose is named.
#[derive(Args)]
pub(super) struct PurposeArgs {
    /// The nonce of the challenge, in hex
    #[arg(
        long,
        value_name = "HEX",
        value_parser = parse_nonce,
        required_unless_present = "enrollment",
        conflicts_with = "enrollment"
    )]
    nonce: Option<Nonce>,
    /// A proof of possession, to enrol and for the new credential of a rotation
    #[arg(long)]
    enrollment: bool,
    /// Of a rotation to this new commitment, in hex
    #[arg(
        long,
        value_name = "HEX",
        value_parser = parse_commitment,
        conflicts_with_all = ["enrollment", "linking", "unlinking", "joining"]
    )]
    rotation: Option<Commitment>,
    /// Of linking this new commitment, in hex, by a credential that the client has
    #[arg(
        long,
        value_name = "HEX",
        value_parser = parse_commitment,
        conflicts_with_all = ["enrollment", "unlinking", "joining"]
    )]
    linking: Option<Commitment>,
    /// Of unlinking this commitment, in hex, by a credential that the client has
    #[arg(
        long,
        value_name = "HEX",
        value_parser = parse_commitment,
        conflicts_with_all = ["enrollment", "joining"]
    )]
    unlinking: Option<Commitment>,
    /// Of joining, by the new credential of a link
    #[arg(long, conflicts_with = "enrollment")]
    joining: bool,
    #[command(flatten)]
    binding: BindingArgs,
}

impl PurposeArgs {
    /// What the proof is bound to beside the nonce.
    pub(super) fn binding(&self) -> Result<AuthenticationBinding, Failure> {
        self.binding.binding()
    }

    /// The commitment that the statement is about beside the one that proves, if it brings one.
    pub(super) const fn brings(&self) -> Option<&Commitment> {
        match &self.rotation {
            Some(new) => Some(new),
            None => self.linking.as_ref(),
        }
    }

    /// The statement, and what its purpose is called.
    pub(super) fn statement<'a>(
        &'a self,
        client_id: &'a ClientId,
        binding: &'a AuthenticationBinding,
    ) -> Result<(&'static str, Box<dyn Statement + 'a>), Failure> {
        let Some(nonce) = &self.nonce else {
            return Ok(("enrollment", Box::new(Enrolment { client_id })));
        };
        Ok(match (&self.rotation, &self.linking, &self.unlinking) {
            (Some(new), ..) => {
                let statement = Rotation::new(client_id, nonce, new, binding)?;
                ("rotation", Box::new(statement))
            }
            (None, Some(new), _) => {
                let statement = Linking::new(client_id, nonce, new.as_bytes(), binding)?;
                ("linking", Box::new(statement))
            }
            (None, None, Some(old)) => {
                let statement = Unlinking::new(client_id, nonce, old.as_bytes(), binding)?;
                ("unlinking", Box::new(statement))
            }
            (None, None, None) if self.joining => (
                "joining",
                Box::new(Joining::new(client_id, nonce, binding)?),
            ),
            (None, None, None) => {
                let statement = Authentication {
                    client_id,
                    nonce,
                    binding,
                };
                ("authentication", Box::new(statement))
            }
        })
    }
}
