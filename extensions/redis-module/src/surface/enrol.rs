//! `2FAPI.ENROLL client commitment [PROOF proof] [USER acl-user]`.

use twofapi_crypto_core::{
    CredentialName, Error, Record,
    ceremony::{EnrolmentRequest, Permission},
};

use super::common::{client, decide};
use crate::{
    attempt::{Attempt, Purpose, refuse},
    clock, counters,
    host::{Arguments, Ctx},
    mapping,
    rules::{
        arguments::{EnrolOptions, commitment},
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
    let asked = challenges::begin(|now| {
        now.terms.enrol(&EnrolmentRequest {
            client_id: client_id.as_bytes(),
            commitment: commitment.as_bytes(),
            proof: &proof.to_bytes(),
        })
    })?
    .map_err(|refused| refuse(ctx, &client_id, refused))?;
    // The caller is an operator, who was given this command by name.
    let check = asked.at(clock::unix_seconds()).permitted(Permission::Host);
    let attempt = Attempt::of_permitted(client_id, check, Purpose::Enrol(options.user));
    decide(ctx, workers::place(ctx)?, attempt)
}
