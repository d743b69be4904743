//! What is kept of a client, shown and said: `2FAPI.CREDENTIALS`, and for operators `2FAPI.SHOW client`,
//! `2FAPI.ATTRIBUTES client word value …` and `2FAPI.EXPIREAT client unix-seconds [CREDENTIAL id]`.

use twofapi_crypto_core::{Attributes, CredentialId, EnrolledCredential, Error, Record};

use super::common::{client, session_client};
use crate::{
    host::{Arguments, Ctx},
    rules::{
        arguments::{AttributeChanges, credential_option, expiry},
        failure::Failure,
    },
    store::clients,
};

/// The credentials of the client of this connection's session.
pub(super) fn credentials(ctx: Ctx<'_>, _: &Arguments<'_>) -> Result<(), Failure> {
    let client_id = session_client(ctx)?;
    let client = clients::find(ctx, &client_id)?.ok_or(Error::NotEnrolled)?;
    reply_credentials(ctx, client.record.credentials());
    Ok(())
}

/// All that is kept of a client.
pub(super) fn show(ctx: Ctx<'_>, arguments: &Arguments<'_>) -> Result<(), Failure> {
    let client = clients::find(ctx, &client(arguments)?)?.ok_or(Error::NotEnrolled)?;
    let (record, none) = (&client.record, Attributes::default());
    let said = record.attributes().unwrap_or(&none);
    ctx.reply_map(13);
    field(ctx, "client", client.client_id.as_bytes());
    field(ctx, "status", record.status().as_str().as_bytes());
    field_number(ctx, "version", Some(record.version().into()));
    field_number(ctx, "generation", Some(record.generation().into()));
    ctx.reply_bytes(b"acl_user");
    reply_text(ctx, client.user.as_ref().map(|user| user.as_bytes()));
    field_number(ctx, "expires_at", said.expires_at);
    reply_texts(ctx, "scopes", said.scopes.iter().map(str::to_owned));
    field(ctx, "claims", said.claims.as_str().as_bytes());
    let sources = said.sources.as_slice().iter();
    reply_texts(ctx, "sources", sources.map(ToString::to_string));
    let rate = said.requests_per_minute.map(|rate| rate.get().into());
    field_number(ctx, "requests_per_minute", rate);
    ctx.reply_bytes(b"tenant");
    reply_text(
        ctx,
        said.tenant
            .as_ref()
            .map(|tenant| tenant.as_str().as_bytes()),
    );
    ctx.reply_bytes(b"credentials");
    reply_credentials(ctx, record.credentials());
    field(ctx, "record", hex::encode(record.to_bytes()).as_bytes());
    Ok(())
}

pub(super) fn attributes(ctx: Ctx<'_>, arguments: &Arguments<'_>) -> Result<(), Failure> {
    let client_id = client(arguments)?;
    let changes = AttributeChanges::parse(&arguments.from(2))?;
    clients::update(ctx, &client_id, c"2fapi.attributes", |record| {
        say(record, changes)
    })?;
    ctx.reply_status(c"OK");
    Ok(())
}

pub(super) fn expire_at(ctx: Ctx<'_>, arguments: &Arguments<'_>) -> Result<(), Failure> {
    let (client_id, at) = (client(arguments)?, expiry(arguments.get(2))?);
    let credential = credential_option(&arguments.from(3))?;
    let credential = credential.map(CredentialId::parse).transpose()?;
    clients::update(
        ctx,
        &client_id,
        c"2fapi.expireat",
        |record| match &credential {
            Some(id) => record.set_expiry(id, at),
            None => say(record, AttributeChanges::expiry(at)),
        },
    )?;
    ctx.reply_status(c"OK");
    Ok(())
}

fn say(record: &mut Record, changes: AttributeChanges) -> Result<(), Error> {
    let mut said = record.attributes().cloned().unwrap_or_default();
    changes.apply(&mut said);
    record.set_attributes(said)
}

fn reply_credentials(ctx: Ctx<'_>, credentials: &[EnrolledCredential]) {
    ctx.reply_array(credentials.len());
    for credential in credentials {
        ctx.reply_map(6);
        let id = credential.id().to_string();
        field(ctx, "credential_id", id.as_bytes());
        let commitment = hex::encode(credential.commitment());
        field(ctx, "commitment", commitment.as_bytes());
        field(ctx, "name", credential.name().as_str().as_bytes());
        field_number(ctx, "created", Some(credential.created()));
        field_number(ctx, "since", Some(credential.since().into()));
        field_number(ctx, "expires_at", credential.expires_at());
    }
}

fn field(ctx: Ctx<'_>, name: &str, value: &[u8]) {
    ctx.reply_bytes(name.as_bytes());
    ctx.reply_bytes(value);
}

fn field_number(ctx: Ctx<'_>, name: &str, value: Option<u64>) {
    ctx.reply_bytes(name.as_bytes());
    match value {
        Some(number) => ctx.reply_number(number),
        None => ctx.reply_null(),
    }
}

fn reply_text(ctx: Ctx<'_>, text: Option<&[u8]>) {
    match text {
        Some(text) => ctx.reply_bytes(text),
        None => ctx.reply_null(),
    }
}

fn reply_texts(ctx: Ctx<'_>, name: &str, texts: impl ExactSizeIterator<Item = String>) {
    ctx.reply_bytes(name.as_bytes());
    ctx.reply_array(texts.len());
    for text in texts {
        ctx.reply_bytes(text.as_bytes());
    }
}
