//! The client's side: credentials and proofs.

use napi::{
    Env,
    bindgen_prelude::{AsyncTask, Uint8ArraySlice},
};
use napi_derive::napi;
use twofapi_crypto_core::{ClientId, Commitment, Credential, Enrolment, prove};

use crate::{
    error::{Fault, fault},
    low_level::bytes,
    statement::{About, OwnedAuthentication, OwnedChange, OwnedRotation},
    task::Proving,
};

/// Secret, blinding and commitment of a fresh credential, 32 bytes each, in this order.
#[napi(catch_unwind)]
pub fn generate_credential(env: &Env) -> Result<Vec<Uint8ArraySlice<'_>>, Fault> {
    let credential = Credential::generate(&mut getrandom::SysRng).map_err(fault)?;
    Ok(vec![
        bytes(env, credential.secret_bytes().as_ref())?,
        bytes(env, credential.blinding_bytes().as_ref())?,
        bytes(env, credential.commitment().as_bytes())?,
    ])
}

/// A proof of possession, 96 bytes.
#[napi(catch_unwind)]
pub fn prove_enrollment<'env>(
    env: &'env Env,
    client_id: String,
    secret: &[u8],
    blinding: &[u8],
) -> Result<Uint8ArraySlice<'env>, Fault> {
    let client_id = &ClientId::parse(&client_id).map_err(fault)?;
    let credential = Credential::from_bytes(secret, blinding).map_err(fault)?;
    let proof = prove(
        &credential,
        &Enrolment { client_id },
        &mut getrandom::SysRng,
    );
    bytes(env, &proof.map_err(fault)?.to_bytes())
}

/// The commitment and a proof of possession, 32 and 96 bytes in one, on the thread pool.
#[napi(catch_unwind, ts_return_type = "Promise<Uint8Array>")]
pub fn prove_enrollment_async(
    client_id: String,
    secret: &[u8],
    blinding: &[u8],
) -> Result<AsyncTask<Proving>, Fault> {
    let client_id = ClientId::parse(&client_id).map_err(fault)?;
    let credential = Credential::from_bytes(secret, blinding).map_err(fault)?;
    Ok(AsyncTask::new(Proving::of(move || {
        let statement = Enrolment {
            client_id: &client_id,
        };
        let proof = prove(&credential, &statement, &mut getrandom::SysRng).map_err(fault)?;
        Ok([&credential.commitment().as_bytes()[..], &proof.to_bytes()].concat())
    })))
}

type Parts = (Credential, OwnedAuthentication);

fn parse(
    client_id: &str,
    secret: &[u8],
    blinding: &[u8],
    nonce: &[u8],
    channel_binding: &[u8],
) -> Result<Parts, Fault> {
    let statement = OwnedAuthentication::parse(client_id, nonce, channel_binding)?;
    let credential = Credential::from_bytes(secret, blinding).map_err(fault)?;
    Ok((credential, statement))
}

fn prove_parts((credential, parts): &Parts) -> Result<[u8; 96], Fault> {
    let proof = prove(credential, &parts.statement(), &mut getrandom::SysRng);
    Ok(proof.map_err(fault)?.to_bytes())
}

/// A proof for a challenge, 96 bytes.
#[napi(catch_unwind)]
pub fn prove_authentication<'env>(
    env: &'env Env,
    client_id: String,
    secret: &[u8],
    blinding: &[u8],
    nonce: &[u8],
    channel_binding: &[u8],
) -> Result<Uint8ArraySlice<'env>, Fault> {
    let parts = parse(&client_id, secret, blinding, nonce, channel_binding)?;
    bytes(env, &prove_parts(&parts)?)
}

/// The same on the thread pool.
#[napi(catch_unwind, ts_return_type = "Promise<Uint8Array>")]
pub fn prove_authentication_async(
    client_id: String,
    secret: &[u8],
    blinding: &[u8],
    nonce: &[u8],
    channel_binding: &[u8],
) -> Result<AsyncTask<Proving>, Fault> {
    let parts = parse(&client_id, secret, blinding, nonce, channel_binding)?;
    Ok(AsyncTask::new(Proving::of(move || {
        prove_parts(&parts).map(Vec::from)
    })))
}

/// The rotation, by the enrolled credential, 96 bytes.
#[napi(catch_unwind)]
pub fn prove_rotation<'env>(
    env: &'env Env,
    client_id: String,
    secret: &[u8],
    blinding: &[u8],
    nonce: &[u8],
    channel_binding: &[u8],
    new_commitment: &[u8],
) -> Result<Uint8ArraySlice<'env>, Fault> {
    let parts = OwnedRotation::parse(&client_id, nonce, channel_binding, new_commitment)?;
    let credential = Credential::from_bytes(secret, blinding).map_err(fault)?;
    let proof = prove(&credential, &parts.statement()?, &mut getrandom::SysRng);
    bytes(env, &proof.map_err(fault)?.to_bytes())
}

fn prove_change<'env>(
    env: &'env Env,
    client_id: &str,
    [secret, blinding]: [&[u8]; 2],
    nonce: &[u8],
    channel_binding: &[u8],
    about: About,
) -> Result<Uint8ArraySlice<'env>, Fault> {
    let parts = OwnedChange::parse(client_id, nonce, channel_binding, about)?;
    let credential = Credential::from_bytes(secret, blinding).map_err(fault)?;
    let proof = parts.each(|statement| prove(&credential, statement, &mut getrandom::SysRng))?;
    bytes(env, &proof.map_err(fault)?.to_bytes())
}

fn commitment(bytes: &[u8]) -> Result<[u8; Commitment::LEN], Fault> {
    Ok(*Commitment::from_bytes(bytes).map_err(fault)?.as_bytes())
}

/// The link, by an enrolled credential, 96 bytes.
#[napi(catch_unwind)]
pub fn prove_linking<'env>(
    env: &'env Env,
    client_id: String,
    secret: &[u8],
    blinding: &[u8],
    nonce: &[u8],
    channel_binding: &[u8],
    new_commitment: &[u8],
) -> Result<Uint8ArraySlice<'env>, Fault> {
    let about = About::Linking(commitment(new_commitment)?);
    let credential = [secret, blinding];
    prove_change(env, &client_id, credential, nonce, channel_binding, about)
}

/// The unlinking, by an enrolled credential, 96 bytes.
#[napi(catch_unwind)]
pub fn prove_unlinking<'env>(
    env: &'env Env,
    client_id: String,
    secret: &[u8],
    blinding: &[u8],
    nonce: &[u8],
    channel_binding: &[u8],
    old_commitment: &[u8],
) -> Result<Uint8ArraySlice<'env>, Fault> {
    let about = About::Unlinking(commitment(old_commitment)?);
    let credential = [secret, blinding];
    prove_change(env, &client_id, credential, nonce, channel_binding, about)
}

/// Possession, by the credential that is to be added, over the nonce of the offer or the link, 96 bytes.
#[napi(catch_unwind)]
pub fn prove_joining<'env>(
    env: &'env Env,
    client_id: String,
    secret: &[u8],
    blinding: &[u8],
    nonce: &[u8],
    channel_binding: &[u8],
) -> Result<Uint8ArraySlice<'env>, Fault> {
    let credential = [secret, blinding];
    prove_change(
        env,
        &client_id,
        credential,
        nonce,
        channel_binding,
        About::Joining,
    )
}
