//! Low-level calls that take a caller's own values, kept because clients use them.

use napi::{Env, bindgen_prelude::Uint8ArraySlice};
use napi_derive::napi;
use sha2::{Digest, Sha512};
use twofapi_crypto_core::{
    Commitment, Credential, GENERATOR_G, GENERATOR_H, Proof, TRANSCRIPT_DST,
    curve25519_dalek::{Scalar, ristretto::CompressedRistretto},
    prove, verify_equation_raw,
};

use crate::{
    error::{Fault, fault, invalid_encoding, invalid_length, unavailable},
    statement::AnyStatement,
};

/// Bytes in memory of JavaScript's own.
pub(crate) fn bytes<'env>(env: &'env Env, data: &[u8]) -> Result<Uint8ArraySlice<'env>, Fault> {
    Uint8ArraySlice::copy_from(env, data).map_err(unavailable)
}

/// The generator G, 32 bytes.
#[napi(catch_unwind)]
pub fn generator_g(env: &Env) -> Result<Uint8ArraySlice<'_>, Fault> {
    bytes(env, &GENERATOR_G)
}

/// The generator H, 32 bytes.
#[napi(catch_unwind)]
pub fn generator_h(env: &Env) -> Result<Uint8ArraySlice<'_>, Fault> {
    bytes(env, &GENERATOR_H)
}

/// The commitment of a secret and a blinding.
#[napi(catch_unwind)]
pub fn commit<'env>(
    env: &'env Env,
    secret: &[u8],
    blinding: &[u8],
) -> Result<Uint8ArraySlice<'env>, Fault> {
    let credential = Credential::from_bytes(secret, blinding).map_err(fault)?;
    bytes(env, credential.commitment().as_bytes())
}

/// The context part of a transcript.
#[napi(catch_unwind)]
pub fn build_transcript<'env>(
    env: &'env Env,
    client_id: String,
    nonce: &[u8],
    channel_binding: &[u8],
) -> Result<Uint8ArraySlice<'env>, Fault> {
    let statement = AnyStatement::from_parts(&client_id, nonce, channel_binding)?;
    let whole = statement.transcript(&[0; 32], &[0; 32])?;
    // LP(commitment) and LP(announcement), which stand before the context, end where the client id
    // begins.
    let context = 3 * 4 + client_id.len() + nonce.len() + channel_binding.len();
    let from = whole.len().saturating_sub(context);
    bytes(env, whole.get(from..).unwrap_or_default())
}

/// The whole transcript of a context part.
#[napi(catch_unwind)]
pub fn complete_transcript<'env>(
    env: &'env Env,
    commitment: &[u8],
    announcement: &[u8],
    context: &[u8],
) -> Result<Uint8ArraySlice<'env>, Fault> {
    let commitment = Commitment::from_bytes(commitment).map_err(fault)?;
    let announcement: &[u8; 32] = announcement
        .try_into()
        .map_err(|_| invalid_length("announcement must be 32 bytes"))?;
    let whole =
        AnyStatement::from_context(context)?.transcript(commitment.as_bytes(), announcement)?;
    bytes(env, &whole)
}

/// The challenge scalar of a transcript, 32 bytes.
#[napi(catch_unwind)]
pub fn hash_transcript<'env>(
    env: &'env Env,
    transcript: &[u8],
) -> Result<Uint8ArraySlice<'env>, Fault> {
    let hash = Sha512::new_with_prefix(TRANSCRIPT_DST).chain_update(transcript);
    let challenge = Scalar::from_bytes_mod_order_wide(&hash.finalize().into());
    bytes(env, challenge.as_bytes())
}

/// A proof over a context part, by the commitment's secret and blinding.
#[napi(catch_unwind)]
pub fn generate_proof<'env>(
    env: &'env Env,
    secret: &[u8],
    blinding: &[u8],
    commitment: &[u8],
    generator_g: &[u8],
    generator_h: &[u8],
    transcript_data: &[u8],
) -> Result<Uint8ArraySlice<'env>, Fault> {
    if generator_g != GENERATOR_G || generator_h != GENERATOR_H {
        return Err(invalid_encoding(
            "generatorG and generatorH must be the suite's, as getGeneratorG() and \
             getGeneratorH() give them",
        ));
    }
    let credential = Credential::from_bytes(secret, blinding).map_err(fault)?;
    if credential.commitment() != &Commitment::from_bytes(commitment).map_err(fault)? {
        return Err(invalid_encoding(
            "commitment must be that of the secret and the blinding",
        ));
    }
    let proof = AnyStatement::from_context(transcript_data)?
        .each(|statement| prove(&credential, statement, &mut getrandom::SysRng))?
        .map_err(fault)?;
    bytes(env, &proof.to_bytes())
}

/// Whether the equation holds for a challenge that the caller computed.
#[napi(catch_unwind)]
#[allow(clippy::too_many_arguments)]
pub fn verify_proof_equation(
    generator_g: &[u8],
    generator_h: &[u8],
    commitment: &[u8],
    announcement: &[u8],
    challenge: &[u8],
    response_s: &[u8],
    response_r: &[u8],
) -> bool {
    verify_equation_raw(
        generator_g,
        generator_h,
        commitment,
        announcement,
        challenge,
        response_s,
        response_r,
    )
}

/// Whether bytes are the canonical encoding of an element, the identity included.
#[napi(catch_unwind)]
pub fn is_canonical_point(point: &[u8]) -> bool {
    CompressedRistretto::from_slice(point).is_ok_and(|point| point.decompress().is_some())
}

/// Whether bytes are the canonical encoding of a scalar, zero included.
#[napi(catch_unwind)]
pub fn is_canonical_scalar(scalar: &[u8]) -> bool {
    <[u8; 32]>::try_from(scalar)
        .is_ok_and(|scalar| bool::from(Scalar::from_canonical_bytes(scalar).is_some()))
}

/// Splits a proof, which must be one that a verifier looks at.
#[napi(catch_unwind)]
pub fn check_proof(proof: &[u8]) -> Result<(), Fault> {
    Proof::from_bytes(proof).map(drop).map_err(fault)
}

/// Says what is wrong with a client id.
#[napi(catch_unwind)]
pub fn check_client_id(client_id: String) -> Result<(), Fault> {
    twofapi_crypto_core::ClientId::parse(&client_id)
        .map(drop)
        .map_err(fault)
}

/// Says what is wrong with a commitment.
#[napi(catch_unwind)]
pub fn check_commitment(commitment: &[u8]) -> Result<(), Fault> {
    Commitment::from_bytes(commitment).map(drop).map_err(fault)
}

/// The channel binding towards a host with an audience.
#[napi(catch_unwind)]
pub fn audience_binding(env: &Env, audience: String) -> Result<Uint8ArraySlice<'_>, Fault> {
    let audience = twofapi_crypto_core::Audience::parse(&audience).map_err(fault)?;
    let binding = twofapi_crypto_core::AuthenticationBinding::for_audience(&audience);
    bytes(env, binding.as_bytes())
}
