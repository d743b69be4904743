//! `2FAPI.ENROLL client commitment [PROOF proof] [USER acl-user]` and `2FAPI.RESET client commitment PROOF proof`.

use twofapi_crypto_core::{
    ClientId, ClientStatus, Commitment, CredentialName, Error, Proof, Record,
    ceremony::{Asked, EnrolmentRequest, Permission},
};

use super::common::{client, decide};
use crate::{
    attempt::{Attempt, Purpose, refuse},
    clock, counters,
    host::{Arguments, Ctx},
    mapping,
    rules::{
        arguments::{EnrolOptions, commitment, proof_option},
        client::Client,
        failure::Failure,
    },
    settings,
    store::{challenges, clients},
    workers,
};

pub(super) fn enroll(ctx: Ctx<'_>, arguments: &Arguments<'_>) -> Result<(), Failure> {
    let client_id = client(arguments)?;
    let commitment = commitment(arguments.get(2))?;
    let options = EnrolOptions::parse(&arguments.from(3))?;
    if let Some(user) = &options.user {
        mapping::check(ctx, &client_id, user).map_err(|barred| {
            let reason = barred.reason();
            Failure::Said(format!(
                "ERR no client becomes the ACL user {user:?}, which {reason}"
            ))
        })?;
    }
    if clients::find(ctx, &client_id)?.is_some() {
        return Err(Error::AlreadyEnrolled.into());
    }
    let Some(proof) = options.proof else {
        if settings::require_proof() {
            return Err(Failure::Line(
                c"ERR enrolment must come with PROOF: 2fapi.require-proof is on",
            ));
        }
        let unnamed = CredentialName::unnamed();
        let client = Client {
            client_id,
            user: options.user,
            record: Record::enrolled(&commitment, unnamed, clock::unix_seconds()),
        };
        clients::create(ctx, &client)?;
        counters::ENROLLED.add();
        ctx.reply_status(c"OK");
        return Ok(());
    };
    let asked = ask(ctx, &client_id, &commitment, &proof)?;
    // The caller is an operator, who was given this command by name.
    let check = asked.permitted(Permission::Host);
    let attempt = Attempt::of_permitted(client_id, check, Purpose::Enrol(options.user));
    decide(ctx, workers::place(ctx)?, attempt)
}

/// Puts a credential in the place of all that a client has, who has lost them. The status stays as it is.
pub(super) fn reset(ctx: Ctx<'_>, arguments: &Arguments<'_>) -> Result<(), Failure> {
    let client_id = client(arguments)?;
    let commitment = commitment(arguments.get(2))?;
    let proof = proof_option(&arguments.from(3))?;
    let client = clients::find(ctx, &client_id)?.ok_or(Error::NotEnrolled)?;
    if client.record.status() == ClientStatus::Revoked {
        let (status, expected) = (client.record.status().as_str(), "active or suspended");
        return Err(Error::NotActive { status, expected }.into());
    }
    let check = ask(ctx, &client_id, &commitment, &proof)?
        .permitted_to_reset(Permission::Host, Some(client.record))
        .map_err(|refused| refuse(ctx, &client_id, refused))?;
    let attempt = Attempt::of_permitted(client_id, check, Purpose::Reset);
    decide(ctx, workers::place(ctx)?, attempt)
}

fn ask(
    ctx: Ctx<'_>,
    client_id: &ClientId,
    commitment: &Commitment,
    proof: &Proof,
) -> Result<Asked, Failure> {
    let asked = challenges::begin(|now| {
        now.terms.enrol(&EnrolmentRequest {
            client_id: client_id.as_bytes(),
            commitment: commitment.as_bytes(),
            proof: &proof.to_bytes(),
        })
    })?
    .map_err(|refused| refuse(ctx, client_id, refused))?;
    Ok(asked.at(clock::unix_seconds()))
}
